"""Print what a report says as outputs of a step: the verdict, and the digests of the images.

With ``--names``: the names of its environments, a line each.

Source: GitHub's "Workflow commands for GitHub Actions", multiline strings.
"""

import json
import secrets
import sys
from pathlib import Path


def main() -> None:
    """Read the report whose path is given."""
    report = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    if sys.argv[2:] == ["--names"]:
        print(*(each["name"] for each in report["environments"]), sep="\n")
        return
    images = {each["name"]: each["image"] for each in report["environments"] if each.get("image")}
    lines = [*images.values()] if len(images) == 1 else [f"{name} {digest}" for name, digest in images.items()]
    border = secrets.token_hex(16)  # no name of an environment can be it
    print(f"verdict={report['verdict']}")
    print("\n".join([f"digest<<{border}", *lines, border]))


main()
