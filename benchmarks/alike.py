"""Whether two programs have stored the same mailbox: row by row, whatever numbers they gave the rows."""

from __future__ import annotations

import sqlite3
from pathlib import Path

_MAIL = "SELECT m.message_key, {} FROM messages m JOIN {} USING (activity_id)"
_QUERIES = {
    "mails": _MAIL.format(
        "m.message_id, m.in_reply_to, m.sent_at, m.importance, m.item_class, m.is_bulk, m.subject_key, m.is_reply, "
        "m.detail, a.kind, a.occurred_at, a.direction, a.sharing, a.is_matched, a.has_attachments, a.rule, a.subject, "
        "a.snippet",
        "(SELECT id AS activity_id, * FROM activities) a",
    ),
    "texts": _MAIL.format("b.unique_text, b.text, b.html", "message_bodies b"),
    "full text": _MAIL.format("s.words", "activity_search_rows s"),
    "people": _MAIL.format(
        "p.position, p.role, p.address, p.name, p.domain, p.response, p.contact_id, p.company_id, p.match_method",
        "participants p",
    ),
    "contacts": _MAIL.format("t.contact_id, t.occurred_at, t.kind", "contact_timeline t"),
    "companies": _MAIL.format("t.company_id, t.occurred_at, t.kind", "company_timeline t"),
    "files": _MAIL.format(
        "f.position, f.name, f.content_type, f.size, f.is_inline, f.content_id, f.danger, f.state",
        "message_attachments f",
    ),
    "links": "SELECT m.message_key, l.remote_id, l.version, l.rule, l.match_method FROM messages m "
    "JOIN links l ON l.local_id = m.activity_id",
    "copies": "SELECT m.message_key, c.is_read, c.categories, c.received_at FROM messages m "
    "JOIN message_copies c ON c.message_id = m.activity_id",
    "threads": "SELECT message_key, (SELECT min(o.message_key) FROM messages o WHERE o.thread_id = m.thread_id) "
    "FROM messages m",
    "thread keys": "SELECT key, (SELECT min(o.key) FROM thread_keys o WHERE o.thread_id = k.thread_id) "
    "FROM thread_keys k",
    "holders": _MAIL.format("h.mailbox_id", "activity_mailboxes h"),
    "topics": "SELECT count(*) FROM activity_topics",
    "suggestions": "SELECT count(*) FROM contact_suggestions",
    "people known": "SELECT count(*) FROM contacts",
    "cursor": "SELECT remote_id, cursor FROM folders WHERE well_known = 'inbox'",
    "findable": "SELECT count(*) FROM activity_search WHERE activity_search MATCH 'exampl'",
}


def require_same(one: Path, other: Path) -> None:
    """Raise RuntimeError, saying in what they differ, unless both databases hold the same mail."""
    here, there = (_rows(path) for path in (one, other))
    different = [name for name in _QUERIES if here[name] != there[name] or not here[name]]
    if different:
        raise RuntimeError(f"{one.name} and {other.name} differ in: {', '.join(different)}")


def _rows(path: Path) -> dict[str, list[str]]:
    connection = sqlite3.connect(path)
    try:
        return {name: sorted(map(repr, connection.execute(query))) for name, query in _QUERIES.items()}
    finally:
        connection.close()
