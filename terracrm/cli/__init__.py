"""The command line: `terracrm ...`. One module per command group; the only place that imports everything.

Exit codes, for scripts: 0 done, 1 failed, 2 wrong usage or input, 3 done in part, 78 wrong settings, 130 interrupted.
"""

from __future__ import annotations

from terracrm.cli.run import main

__all__ = ["main"]
