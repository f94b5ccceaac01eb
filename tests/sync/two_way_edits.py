"""What people type: one edit of one field of a contact, in the CRM or in Outlook."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

from terracrm.domain.contact_merge import TEXTS
from terracrm.domain.records import Body, ContactRecord, LabelledAddress, Phone, PostalAddress

FIELDS = (*TEXTS, "birthday", "emails", "phones", "postal_addresses")
LABELS = {
    "emails": ("1", "2", "3"),
    "phones": ("business", "mobile", "home", "other"),
    "postal_addresses": ("business", "home", "other"),
}
ACTS = ("add", "remove", "relabel", "respell", "replace")
NOTE_ACTS = ("above", "below", "inside", "delete the block", "replace all", "break the block", "as html")
BLOCK = re.compile(r"\[TerraCRM:history\].*?\[TerraCRM:end:[0-9a-f]{8}\]", re.DOTALL)
DAYS = (date(1980, 2, 29), date(1991, 12, 31), None)

Pick = Callable[[int], int]
"""A number below another one."""


def text_of(name: str, word: str) -> str:
    """A value of a text field with this word in it."""
    return {
        "website": f"https://{word}.example",
        "notes": f"Заметка {word}\nи ещё строка",
        "display_name": f"Имя {word}",
    }.get(name, f"Поле {word}")


def entry_of(name: str, word: str, label: str) -> dict[str, str]:
    """An entry of a list with this word in it."""
    if name == "emails":
        return {"label": label, "address": f"{word}@firm{len(word)}.example"}
    if name == "phones":
        return {"label": label, "number": f"+{word}"}
    return {"label": label, "street": f"ул. {word}, 1", "city": "Город"}


def list_edit(name: str, entries: list[dict[str, str]], act: str, pick: Pick, word: str) -> list[dict[str, str]]:
    """A list after one act; the same one where it cannot be done."""
    labels = LABELS[name]
    free = [label for label in labels if label not in {entry["label"] for entry in entries}]
    if act == "add" or not entries:
        return [*entries, entry_of(name, word, free[pick(len(free))])] if free else entries
    number = pick(len(entries))
    before, entry, after = entries[:number], entries[number], entries[number + 1 :]
    if act == "remove":
        return before + after
    if act == "relabel":
        return [*before, entry | {"label": free[pick(len(free))]}, *after] if free else entries
    if act == "replace":
        return [*before, entry_of(name, word, entry["label"]), *after]
    return [*before, respelled(name, entry), *after]


def respelled(name: str, entry: dict[str, str]) -> dict[str, str]:
    """The same address or number, written in another way."""
    if name == "emails":
        address = entry["address"]
        return entry | {"address": address.upper() if address != address.upper() else address.lower()}
    if name == "phones":
        digits = re.sub(r"\D", "", entry["number"])
        plain, spaced = f"+{digits}", f"+{digits[0]} ({digits[1:4]}) {digits[4:7]}-{digits[7:]}"
        return entry | {"number": spaced if entry["number"] == plain else plain}
    return entry


def entries_of(record: ContactRecord, name: str) -> list[dict[str, str]]:
    """A list of a record as plain entries."""
    if name == "emails":
        return [{"label": each.label, "address": each.address} for each in record.emails]
    if name == "phones":
        return [{"label": each.label, "number": each.number} for each in record.phones]
    parts = ("label", "street", "city", "region", "postal_code", "country")
    return [{part: getattr(each, part) for part in parts} for each in record.postal_addresses]


def with_entries(record: ContactRecord, name: str, entries: list[dict[str, str]]) -> ContactRecord:
    made: dict[str, Any] = {"emails": LabelledAddress, "phones": Phone, "postal_addresses": PostalAddress}
    return replace(record, **{name: tuple(made[name](**entry) for entry in entries)})


def notes_edit(body: Body, act: str, word: str) -> Body:
    """The notes after their owner worked on them; the block is among them as Outlook shows it."""
    said = f"Строка {word}"
    content = body.content
    block = BLOCK.search(content)
    if act == "as html":
        return body if body.is_html else Body(_in_html(content), is_html=True)
    typed = f"<p>{said}</p>" if body.is_html else said
    end = "" if body.is_html else "\r\n"
    if act == "above":
        found = re.match(r"\s*<html><body>", content)
        at = found.end() if found else 0
        return replace(body, content=f"{content[:at]}{typed}{end}{content[at:]}")
    if act == "below":
        at = content.rfind("</body>") if "</body>" in content else len(content)
        return replace(body, content=f"{content[:at]}{end if content else ''}{typed}{content[at:]}")
    if act == "replace all" or block is None:
        # People see the block, and leave it: only the words that are theirs change.
        kept = block[0] if block else ""
        if body.is_html:
            return Body(f"<html><body><p>{said}</p><div>{kept}</div></body></html>", is_html=True)
        return Body(f"{said}\r\n\r\n{kept}" if kept else said)
    if act == "inside":
        at = content.find("\n", block.start(), block.end())
        at = at + 1 if at >= 0 else block.end() - len("[TerraCRM:end:00000000]")
        typed = f"{html.escape(said)}<br>\r\n" if body.is_html else f"{said}{end}"
        return replace(body, content=content[:at] + typed + content[at:])
    if act == "break the block":
        end_at = content.rfind("[TerraCRM:end:", block.start(), block.end())
        return replace(body, content=content[:end_at] + content[block.end() :])
    return replace(body, content=content[: block.start()] + content[block.end() :])


def _in_html(content: str) -> str:
    lines = "".join(f"<p>{html.escape(line, quote=False)}</p>\r\n" for line in content.splitlines())
    return f"<html><body>{lines}</body></html>"
