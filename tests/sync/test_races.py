"""Workers at the same time on one database: nothing is doubled, missed or split (invariants 1 and 2)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from sync.run import Summary
from terracrm.domain.meetings import Told, tell
from terracrm.models import ActivityMailbox, Mailbox, Meeting, Message, Thread, utcnow
from terracrm.models import Participant as ParticipantRow
from terracrm.services import mirror_calendar, stats
from tests.sync.calendar_items import series, theirs
from tests.sync.conftest import Office
from tests.sync.items import contact, mail

MAILS = 30


def at_once(*works: Callable[[], Summary]) -> list[Summary]:
    """Do all of it in threads that start together."""
    found: list[Summary] = []
    gate = threading.Barrier(len(works))

    def work(do: Callable[[], Summary]) -> None:
        gate.wait()
        found.append(do())

    running = [threading.Thread(target=work, args=(do,)) for do in works]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join(120)
    assert len(found) == len(works)
    return found


def fill(office: Office) -> None:
    """The same mail in two mailboxes, in opposite order, in a few threads, with a contact for its sender."""
    records = [
        mail(
            f"Письмо {number}",
            "anna@office.test" if number % 3 else "olga@lavka.example",
            f"p{number % 5}@opt.example,boris@office.test",
            message_id=f"<{number}@x>",
            references=(f"<{number - 3}@x>",) if number >= 3 else (),
        )
        for number in range(MAILS)
    ]
    for record in records:
        office.server.put(office.folder("anna", "Sent Items"), record)
    for record in reversed(records):
        office.server.put(office.folder("boris", "Inbox"), record)
    for name in ("anna", "boris"):
        office.server.put(office.folder(name, "Contacts"), contact())
        office.server.put(office.folder(name, "Contacts"), contact("Пётр", "p1@opt.example", company_name="Опт"))


def test_two_mailboxes_of_the_same_mail_at_once_make_each_thing_once(office: Office, session: Session) -> None:
    office.settings.mirror.page_size = 4
    fill(office)
    with office.sessions.begin() as known:
        known.execute(update(Mailbox).values(let_in_at=utcnow()))  # else the streams of a mailbox begin one by one
    streams = [(name, kind) for name in ("anna", "boris") for kind in ("mail", "contacts")]
    summaries = at_once(*(partial(office.run, *stream) for stream in streams))
    assert {summary.state for summary in summaries} == {"ok"}
    found = stats.counts(session)
    assert (found["messages"], found["copies"], found["quarantined"]) == (MAILS, 2 * MAILS, 0)
    assert sum(summary.counts.created for summary in summaries if summary.stream == "mail") == 2 * MAILS
    assert (found["contacts"], found["companies"]) == (6, 2)
    strangers = select(func.count()).select_from(ParticipantRow)
    unknown = strangers.where(ParticipantRow.contact_id.is_(None), ParticipantRow.match_method != "internal")
    assert session.scalar(unknown) == 0
    assert len(session.scalars(select(Message.thread_id).distinct()).all()) == 3
    assert len(session.scalars(select(Thread)).all()) == 3


def test_a_copy_that_comes_while_another_changes_decides_if_it_is_the_organizers(
    office: Office, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = replace(series(), location="Склад")
    other = office.server.put(office.folder("boris", "Calendar"), theirs(record))
    office.run("boris", "calendar")
    office.server.put(office.folder("anna", "Calendar"), replace(record, location="Офис"))
    office.server.change(other, theirs(replace(record, location="не там")))

    def slowly(*values: Any) -> list[Told]:
        told = tell(*values)
        time.sleep(0 if told[0].record.is_organizer else 0.3)  # who does not know of the organizer writes last
        return told

    monkeypatch.setattr(mirror_calendar, "tell", slowly)
    summaries = at_once(partial(office.run, "anna", "calendar"), partial(office.run, "boris", "calendar"))
    assert {summary.state for summary in summaries} == {"ok"}
    assert set(session.scalars(select(Meeting.location))) == {"Офис"}
    held = select(func.count()).select_from(ActivityMailbox).group_by(ActivityMailbox.activity_id)
    assert set(session.scalars(held)) == {2}
