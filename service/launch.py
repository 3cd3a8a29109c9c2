"""Start a module of ours in a process of its own: `[*PYTHON, MODULE, *ARGUMENTS]`.

`python -m` would look for it in the working folder first, and others call their packages `service` and
`workers` too.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

PYTHON = (sys.executable, "-P", __file__)

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
