"""Keep the catalogues of texts equal to what the code and the pages say.

`update` collects the texts into terracrm/translations/*/LC_MESSAGES/messages.po (`make translations`); `check` fails
when a text is missing there or not translated (`make check`). English is written in the code, so that its
catalogue may stay empty.
"""

from __future__ import annotations

import sys
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parent.parent
CATALOGUES = ROOT / "terracrm/translations"
METHODS = [
    ("terracrm/**.py", "python"),
    ("sync/**.py", "python"),
    ("web/**.py", "python"),
    ("templates/**.html", "jinja2"),
    ("templates/**.txt", "jinja2"),
]
KEYWORDS = DEFAULT_KEYWORDS | {
    "_l": None,
    "lazy_gettext": None,
    "lazy_ngettext": (1, 2),
    "lazy_pgettext": ((1, "c"), 2),
}
SOURCE_LANGUAGE = "en"


def collected() -> Catalog:
    """Every text that is marked for translation, with the files it is in."""
    catalogue = Catalog(project="TerraCRM", charset="utf-8")
    folders = [ROOT / name for name in ("terracrm", "sync", "web", "templates")]
    for folder in folders:
        found = extract_from_dir(
            folder,
            method_map=[
                (pattern.partition("/")[2], how) for pattern, how in METHODS if pattern.startswith(folder.name)
            ],
            keywords=KEYWORDS,
            comment_tags=("Translators:",),
            strip_comment_tags=True,
        )
        for filename, _line, message, comments, context in found:
            place = (f"{folder.name}/{filename}", 0)
            catalogue.add(message, locations=[place], auto_comments=comments, context=context)
    return catalogue


def read(path: Path) -> Catalog:
    """The catalogue in the file."""
    with path.open("rb") as file:
        return read_po(file, locale=path.parent.parent.name)


def update() -> int:
    """Add new texts to every catalogue and drop those that are no longer there."""
    template = collected()
    for path in sorted(CATALOGUES.glob("*/LC_MESSAGES/messages.po")):
        catalogue = read(path)
        catalogue.update(template, no_fuzzy_matching=True, update_creation_date=False)
        catalogue.obsolete.clear()
        with path.open("wb") as file:
            write_po(file, catalogue, width=110, include_lineno=False, sort_by_file=True, omit_header=False)
    return 0


def problems() -> list[str]:
    """One line for each text that is missing, no longer used or not translated."""
    template = {(message.id, message.context) for message in collected() if message.id}
    found = []
    for path in sorted(CATALOGUES.glob("*/LC_MESSAGES/messages.po")):
        catalogue = read(path)
        known = {(message.id, message.context): message for message in catalogue if message.id}
        language = path.parent.parent.name
        found += [f"{language}: not collected: {key[0]!r}" for key in template - known.keys()]
        found += [f"{language}: no longer used: {key[0]!r}" for key in known.keys() - template]
        for message in known.values():
            texts = message.string if isinstance(message.string, tuple | list) else [message.string]
            if message.fuzzy or (language != SOURCE_LANGUAGE and not all(texts)):
                found.append(f"{language}: not translated: {message.id!r}")
    return sorted(found)


def check() -> int:
    """1 when a catalogue and the texts differ, with what differs on standard error."""
    found = problems()
    for line in found:
        sys.stderr.write(line + "\n")
    if found:
        sys.stderr.write("Run make translations, then translate what is empty.\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit({"update": update, "check": check}[sys.argv[1]]())
