"""The whole database as lines of text that are the same however its numbers came about.

Every table that there is, every column but those of LEFT_OUT. Numbers of rows are replaced by natural keys (an address,
a name, a Message-ID), remote ids by what the item is and where it lies, times at which we did something by whether it
was done. Tables and columns that come later are in it by themselves.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import date, datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, Table, select, text

from terracrm.models import Base
from terracrm.models.search import INDEXES
from tests.torture.exchange import Contents

LEFT_OUT = {
    "sync_runs": "how often a stream was run: a killed run is one more",
    "alembic_version": "no data",
    "alerts": "tells how long something failed",
    "reconciliations": "counts made by the clock",
    "*.run_id": "which run it was: whether one is named is compared",
    "*.created_by_run_id": "the same",
    "*.id": "numbers: replaced by natural keys wherever they are referred to",
    "folders.cursor": "opaque: whether there is one is compared, and that another reading finds nothing",
    "folders.revision": "how many pages it took",
    "streams.due_at": "the clock",
    "streams.clock_skew": "two clocks",
    "links.version": "opaque: whether it is the item's present one is compared",
    "links.key": "random: whether there is one is compared",
    "outbox.revision": "how often it was owed anew",
    "outbox.key": "random",
    "sync_run_items": "the notes of runs, compared as a set but for _NOTICED; what became of the item its link says",
}
# Who noticed that an item left, the run that removed it or after a kill the next reading; and who was sick for a time.
_NOTICED = ("outcome:removed", "outcome:deleted", "outcome:quarantined")
# Times of the world, compared to the second; of all others only whether they are set.
TIMES = {
    "activities.occurred_at", "contact_timeline.occurred_at", "company_timeline.occurred_at", "messages.sent_at",
    "message_copies.received_at", "meetings.start_at", "meetings.end_at", "tasks.remind_at", "streams.posts_since",
}  # fmt: skip
_WHETHER = {"run_id", "created_by_run_id", "cursor", "key"}
_ENTITIES = {
    "contact": "contacts", "company": "companies", "message": "activities", "meeting": "meetings", "task": "activities",
    "post": "activities", "activity": "activities", "mailbox": "mailboxes", "stream": "streams", "note": "activities",
    "merge": "merges", "user": "users", "attachment": "activities", "sender": "sender_decisions", "plan": "plans",
}  # fmt: skip
# Numbers that no foreign key explains: the table they mean, or the column that names it.
_NUMBERS: dict[str, str] = {
    "links.local_id": "=entity", "outbox.local_id": "=entity", "activity_topics.entity_id": "=entity",
    "field_changes.entity_id": "=entity", "conflicts.entity_id": "=entity", "audit_log.entity_id": "=entity",
    "merges.winner_id": "=entity", "merges.loser_id": "=entity", "plan_steps.local_id": "=entity",
    "activity_topics.from_activity_id": "activities", "contacts.merged_into_id": "contacts",
    "companies.merged_into_id": "companies", "companies.created_by_mailbox_id": "mailboxes",
    "meetings.series_id": "meetings", "streams.segment_id": "segments",
}  # fmt: skip
_LINK = re.compile(r"/(contacts|companies|activities|mail|meetings|tasks|notes)/(\d+)")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(\+00:00|Z)?")
_KEY = re.compile(r"\b[0-9a-f]{32}\b")


class Canon:
    """One look at a database, with the mailboxes as they are at the same moment."""

    def __init__(self, connection: Connection, contents: Contents) -> None:
        self._contents = contents
        self._tables = Base.metadata.tables
        self._rows: dict[str, list[Mapping[str, Any]]] = {
            name: [dict(row) for row in connection.execute(select(table)).mappings()]
            for name, table in self._tables.items()
        }
        self._by_id = {
            name: {self._id(table, row): row for row in self._rows[name]} for name, table in self._tables.items()
        }
        self._keys = _grouped(self._rows["thread_keys"], "thread_id", lambda row: str(row["key"]))
        self._addresses = _grouped(self._rows["contact_addresses"], "contact_id", lambda row: str(row["address"]))
        self._words = _search(connection)
        self.name = cache(self._name)  # type: ignore[method-assign, assignment]

    def lines(self) -> list[str]:
        """A line for each row, sorted."""
        found = []
        for name, table in self._tables.items():
            if name in LEFT_OUT and name != "sync_run_items":
                continue
            lines = [f"{name}: {self._line(table, row)}" for row in self._rows[name]]
            if name == "sync_run_items":
                lines = sorted({line for line in lines if not any(each in line for each in _NOTICED)})
            found += lines
        for index, rows in self._words.items():
            target = {"contact_search": "contacts", "company_search": "companies"}.get(index, "activities")
            found += [f"{index}: {self._name(target, id_)}: {words}" for id_, words in rows]
        return sorted(found)

    @staticmethod
    def _id(table: Table, row: Mapping[str, Any]) -> Any:
        return row[next(iter(table.primary_key.columns)).name]

    def _line(self, table: Table, row: Mapping[str, Any]) -> str:
        told = [self._told(table, column.name, row) for column in table.columns]
        return " | ".join(part for part in told if part)

    def _told(self, table: Table, column: str, row: Mapping[str, Any]) -> str:
        value, place = row[column], f"{table.name}.{column}"
        if column in _WHETHER and table.name != "thread_keys":
            return f"{column}:{'set' if value else 'none'}"
        if place == "links.version":
            return f"version:{self._version(row)}"
        if place in LEFT_OUT or (column == "id" and not table.columns[column].foreign_keys):
            return ""
        if value is None or value in ("", {}):
            return ""
        if column == "occurred_at" and row.get("kind") == "task":
            return f"{column}:set"  # done today is done when it was read
        if place == "links.match_method" and value == "key":
            return "match_method:written"  # what we wrote, known again by its key after a kill
        if column in ("remote_id", "remote_folder_id"):
            return f"{column}:{self._remote(value)}"
        keys = list(table.columns[column].foreign_keys)
        if keys:
            return f"{column}:{self.name(keys[0].column.table.name, value)}"
        if target := _NUMBERS.get(place):
            return f"{column}:{self.name(_ENTITIES[row['entity']] if target == '=entity' else target, value)}"
        return f"{column}:{self._plain(place, value)}"

    def _plain(self, place: str, value: Any) -> str:
        if isinstance(value, datetime):
            return f"{value:%Y-%m-%dT%H:%M:%S}" if place in TIMES else "set"
        if isinstance(value, date):
            return str(value)
        if isinstance(value, bytes):
            return hashlib.sha256(value).hexdigest()
        if isinstance(value, dict | list):
            value = _without_empty(value)
            value = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
        said = _LINK.sub(lambda found: f"/{self._linked(found[1], int(found[2]))}", str(value))
        return _KEY.sub("KEY", _MOMENT.sub("TIME", said)) if place not in TIMES else said

    def _linked(self, kind: str, number: int) -> str:
        table = kind if kind in ("contacts", "companies", "meetings") else "activities"
        return f"{kind}/{self.name(table, number)}"

    def _version(self, row: Mapping[str, Any]) -> str:
        item = self._contents.items.get(row["remote_id"])
        if item is None or not row["version"]:
            return "none"
        return "current" if item.version == row["version"] else "old"

    def _remote(self, remote_id: str) -> str:
        item = self._contents.items.get(remote_id)
        return item.name if item else self._contents.folders.get(remote_id, "gone")

    def name(self, table: str, number: Any) -> str:
        """The natural key of a row."""
        return self._name(table, number)

    def _name(self, table: str, number: Any) -> str:
        row = self._by_id.get(table, {}).get(number)
        if row is None:
            return f"no {table}"
        if table == "threads":
            return min(self._keys.get(number, ["alone"]))
        if table == "contacts":
            return f"{row['display_name']} {sorted(self._addresses.get(number, []))}"
        if table == "activities":
            message = self._by_id["messages"].get(number)
            title = message["message_key"] if message else row["subject"]
            when = "" if row["kind"] == "task" else f"{row['occurred_at']:%m-%dT%H:%M:%S} "
            return f"{row['kind']} {when}{title}"
        made = {
            "streams": lambda: f"{self.name('mailboxes', row['mailbox_id'])}/{row['kind']}",
            "folders": lambda: f"{self.name('streams', row['stream_id'])}:{row['path']}",
            "links": lambda: f"{self.name('mailboxes', row['mailbox_id'])}:{self._remote(row['remote_id'])}",
            "skipped_items": lambda: f"{self.name('folders', row['folder_id'])}:{self._remote(row['remote_id'])}",
            "sync_runs": lambda: f"a run of {self.name('streams', row['stream_id'])}",
            "messages": lambda: self.name("activities", number),
        }
        if table in made:
            return made[table]()
        for column in ("address", "code", "name", "meeting_key", "hash"):
            if column in row:
                return str(row[column])
        return f"one of {table}"


def _without_empty(value: Any) -> Any:
    """Of the entries of a list (a phone, an address), what is empty is as good as not there."""
    if isinstance(value, list):
        return [
            {name: part for name, part in each.items() if part} if isinstance(each, dict) else each for each in value
        ]
    return {name: _without_empty(part) if isinstance(part, list) else part for name, part in value.items()}


def _grouped(rows: list[Mapping[str, Any]], by: str, value: Callable[[Mapping[str, Any]], str]) -> dict[Any, list[str]]:
    found: defaultdict[Any, list[str]] = defaultdict(list)
    for row in rows:
        found[row[by]].append(value(row))
    return found


def _search(connection: Connection) -> dict[str, list[tuple[int, str]]]:
    found = {}
    for index in INDEXES:
        number, table = ("rowid", index) if connection.dialect.name == "sqlite" else ("id", index)
        if number == "rowid" and index == "activity_search":
            number, table = "activity_id", "activity_search_rows"
        rows = connection.execute(text(f"SELECT {number}, words FROM {table}"))
        found[index] = [(row[0], str(row[1])) for row in rows]
    if connection.dialect.name != "sqlite":
        rows = connection.execute(text("SELECT id, said FROM activity_search_waiting"))
        found["activity_search_waiting"] = [(row[0], str(row[1])) for row in rows]
    return found
