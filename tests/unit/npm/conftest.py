"""The tests here share how packages of npm are made."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
