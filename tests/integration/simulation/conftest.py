import sys
from pathlib import Path

# pytest imports tests by importlib mode, which puts no folder on the path; simulators are shared by many.
sys.path.insert(0, str(Path(__file__).parents[2] / "simulators"))
