"""`python -m terracrm` is `terracrm`."""

from __future__ import annotations

from terracrm.cli import main

if __name__ == "__main__":
    main()
