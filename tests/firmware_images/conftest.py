"""The recipe is no part of the installed package: tests find it beside `tests/`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
