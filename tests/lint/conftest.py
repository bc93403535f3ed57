"""Tests of one folder share how images are crafted."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
