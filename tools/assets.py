"""Copy the front-end files the portal uses from node_modules into web/static/vendor (`make assets`)."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "node_modules"
TARGET = ROOT / "web/static/vendor"

# Where it comes from, and its name in web/static/vendor. Fonts keep the place that the style sheet expects.
FILES = {
    "bootstrap/dist/css/bootstrap.min.css": "bootstrap.min.css",
    "bootstrap/dist/js/bootstrap.bundle.min.js": "bootstrap.bundle.min.js",
    "bootstrap-icons/font/bootstrap-icons.min.css": "bootstrap-icons.min.css",
    "bootstrap-icons/font/fonts/bootstrap-icons.woff2": "fonts/bootstrap-icons.woff2",
    "htmx.org/dist/htmx.min.js": "htmx.min.js",
    "bootstrap/LICENSE": "licenses/bootstrap.txt",
    "bootstrap-icons/LICENSE": "licenses/bootstrap-icons.txt",
    "htmx.org/LICENSE": "licenses/htmx.txt",
}


def main() -> int:
    """Fill the folder anew, so that nothing of an older version stays."""
    missing = [name for name in FILES if not (SOURCE / name).is_file()]
    if missing:
        sys.stderr.write(f"Not in node_modules: {', '.join(missing)}. Run `npm ci --ignore-scripts`.\n")
        return 1
    shutil.rmtree(TARGET, ignore_errors=True)
    for name, target in FILES.items():
        path = TARGET / target
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(SOURCE / name, path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
