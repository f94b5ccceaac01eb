"""Undoing runs of an office in memory, and what is compared before and after."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from terracrm.models import Base, SyncRun
from terracrm.services import access, undo
from terracrm.services.undo_act import Effect
from tests.sync.conftest import Office

# What tells of runs, of what is owed and of what was done; what the mailboxes say, which no undo changes; and by which
# names a conversation is known, that of a mail which is gone included.
ASIDE = {
    "sync_runs",
    "sync_run_items",
    "streams",
    "folders",
    "mailboxes",
    "plans",
    "plan_steps",
    "reconciliations",
    "alerts",
    "alert_messages",
    "heartbeats",
    "audit_log",
    "skipped_items",
    "skipped_addresses",
    "field_changes",
    "outbox",
    "links",
    "conflicts",
    "quarantined_items",
    "threads",
    "thread_keys",
    "message_copies",
    "meeting_copies",
}
# Rows of lists are written anew.
NO_IDS = {"contact_addresses", "contact_phones", "contact_postal_addresses"}
LATER = ("updated_at", "changed_at", "expanded_until")


def dump(office: Office) -> dict[str, list[str]]:
    """All that the CRM says, by table."""
    found = {}
    with office.sessions() as session:
        for table in Base.metadata.sorted_tables:
            if table.name in ASIDE:
                continue
            left_out = {*LATER, "id"} if table.name in NO_IDS else LATER
            columns = [column for column in table.columns if column.name not in left_out]
            found[table.name] = sorted(repr(tuple(row)) for row in session.execute(select(*columns)))
    return found


def compare(before: dict[str, list[str]], after: dict[str, list[str]]) -> None:
    """Fail with the rows that differ."""
    differences = {
        name: (sorted(set(before[name]) - set(after[name])), sorted(set(after[name]) - set(before[name])))
        for name in before
        if before[name] != after[name]
    }
    assert not differences, differences


def last_run(office: Office) -> int:
    """The newest run."""
    with office.sessions() as session:
        found = session.scalar(select(SyncRun.id).order_by(SyncRun.id.desc()).limit(1))
        assert found is not None
        return found


def undone(office: Office, run_id: int | None = None) -> Effect:
    """Undo a run, the newest unless one is given; and hold that the preview tells exactly this and changes nothing."""
    run_id = run_id or last_run(office)
    before = dump(office)
    with office.sessions() as session:
        told = undo.preview(session, office.settings, access.operator(), run_id)
    compare(before, dump(office))
    with office.sessions.begin() as session:
        done = undo.undo(session, office.settings, access.operator(), run_id)
    assert plain(told) == plain(done)
    return done


def plain(effect: Effect) -> dict[str, Any]:
    """An effect as it can be compared."""
    return {
        "gone": [(t.entity, t.id) for t in effect.gone],
        "put_back": sorted((p.thing.entity, p.thing.id, p.field, p.now, p.before) for p in effect.put_back),
        "kept": kept(effect),
        "counts": undo.counts(effect),
    }


def gone(effect: Effect) -> list[tuple[str, str]]:
    """What goes, with the names of clients."""
    return sorted((thing.entity, thing.name) for thing in effect.gone)


def kept(effect: Effect) -> list[tuple[str, str, str]]:
    """What stays: what, which field, and why."""
    return sorted((each.thing.entity, each.field, each.reason) for each in effect.kept)


def put_back(effect: Effect) -> list[tuple[str, str, str]]:
    """Which fields say again what they said: field, what it said, what it says."""
    return sorted((each.field, each.now, each.before) for each in effect.put_back)
