import sys

import painter

assert painter.changes(["a", "b"], ["a", "c"], sys.stdout) == ["- b", "+ c"]
assert painter.changes(["a"], ["a"], sys.stdout) == []
