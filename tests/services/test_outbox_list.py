"""What is owed to Outlook, as each role reads it, and how it is tried again (W5)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from terracrm.errors import Forbidden, NotFound
from terracrm.models import AuditEntry, OutboxItem, Stream, utcnow
from terracrm.services import access, outbox, outbox_list
from terracrm.services.outbox_list import Owed
from tests.office import NOW, Office
from tests.services.conftest import Viewers

SQLITE_FIRST = True

MARIA, PETER = "maria@market.example", "peter@vesna.example"


@pytest.fixture(autouse=True)
def written(office: Office) -> None:
    """All is written into the mailboxes of Anna and Boris."""
    for name in ("anna", "boris"):
        office.mailboxes[name].streams += [Stream(kind=kind, direction="both") for kind in outbox.KINDS.values()]
    office.session.flush()


@pytest.fixture
def owed(office: Office) -> dict[str, OutboxItem]:
    """Three cards owed to Anna's mailbox, one of them given up and one of a client she does not see; one to Boris's."""
    made: dict[str, tuple[str, str, dict[str, Any]]] = {
        "waiting": ("anna", MARIA, {"reason": "changed"}),
        "refused": ("anna", "igor@harbour.example", {"state": outbox.GIVEN_UP, "attempts": 10, "error": "It is full."}),
        "hidden": ("anna", PETER, {"attempts": 2, "error": "Later."}),
        "theirs": ("boris", PETER, {}),
    }
    rows = {
        name: OutboxItem(
            mailbox_id=office.mailboxes[box].id,
            entity=outbox.CONTACT,
            local_id=office.contacts[address].id,
            owed_since=NOW - timedelta(hours=9 - number),
            next_try_at=NOW + timedelta(hours=3),
            **values,
        )
        for number, (name, (box, address, values)) in enumerate(made.items())
    }
    office.add(*rows.values())
    return rows


def shown(office: Office, viewer: access.Viewer, box: str | None = None) -> list[tuple[str, str, bool]]:
    mailbox_id = office.mailboxes[box].id if box else None
    found = outbox_list.listing(office.session, viewer, mailbox_id)
    assert found.total == len(found.rows)
    return [(row.mailbox.partition("@")[0], row.name, row.is_given_up) for row in found.rows]


@pytest.mark.usefixtures("owed")
def test_given_up_ones_stand_first_then_the_oldest(office: Office, viewer: Viewers) -> None:
    everything = [
        ("anna", "Igor Lapin", True),
        ("anna", "Мария Иванова", False),
        ("anna", "Peter Volkov", False),
        ("boris", "Peter Volkov", False),
    ]
    for who in (viewer("admin"), viewer("viktor"), access.operator()):
        assert shown(office, who) == everything
    assert shown(office, viewer("admin"), "boris") == everything[3:]


@pytest.mark.usefixtures("owed")
def test_a_manager_reads_of_the_own_mailbox_and_only_names_of_clients_that_are_shown(
    office: Office, viewer: Viewers
) -> None:
    assert shown(office, viewer("anna")) == [
        ("anna", "Igor Lapin", True), ("anna", "Мария Иванова", False), ("anna", "", False)
    ]  # fmt: skip
    assert shown(office, viewer("anna"), "boris") == []
    assert shown(office, viewer("galina")) == []


def test_the_subject_of_a_task_or_post_is_for_who_reads_it(office: Office, viewer: Viewers) -> None:
    for number, (entity, key) in enumerate(((outbox.TASK, "question"), (outbox.POST, "vesna"))):
        item = OutboxItem(mailbox_id=office.mailboxes["anna"].id, entity=entity, local_id=office.activities[key].id)
        item.owed_since = NOW + timedelta(seconds=number)
        office.add(item)
    subjects = {name: [row[1] for row in shown(office, viewer(name))] for name in ("anna", "viktor", "admin")}
    assert subjects == {
        "anna": ["Договор поставки сметаны", ""],
        "viktor": ["Договор поставки сметаны", "Delivery of kefir"],
        "admin": ["", ""],
    }


def test_it_is_counted_by_mailbox(office: Office, owed: dict[str, OutboxItem]) -> None:
    ids = {name: box.id for name, box in office.mailboxes.items()}
    assert outbox_list.counts(office.session, ids.values()) == {ids["anna"]: Owed(2, 1), ids["boris"]: Owed(1, 0)}
    assert outbox_list.counts(office.session, [ids["galina"]]) == {}
    assert outbox_list.counts(office.session, []) == {}


@pytest.mark.parametrize("who", ["anna", "admin"])
def test_one_is_tried_again_at_once_and_the_log_says_who_wanted_it(
    office: Office, viewer: Viewers, owed: dict[str, OutboxItem], who: str
) -> None:
    refused = owed["refused"]
    outbox_list.retry(office.session, viewer(who), refused.id)
    office.session.refresh(refused)
    assert (refused.state, refused.attempts, refused.error, refused.revision) == (outbox.OWED, 0, "", 2)
    assert refused.next_try_at <= utcnow()
    entry = office.session.scalars(select(AuditEntry)).one()
    assert (entry.action, entry.user_id) == ("outbox.retry", office.users[who].id)


def test_all_that_failed_is_tried_again_and_the_rest_waits_for_its_time(
    office: Office, viewer: Viewers, owed: dict[str, OutboxItem]
) -> None:
    owed["theirs"].state = outbox.GIVEN_UP
    office.session.flush()
    assert outbox_list.retry_all(office.session, viewer("anna")) == 2
    again = {name: item.next_try_at <= utcnow() for name, item in owed.items()}
    assert again == {"waiting": False, "refused": True, "hidden": True, "theirs": False}
    assert outbox_list.retry_all(office.session, viewer("admin"), office.mailboxes["anna"].id) == 0
    assert outbox_list.retry_all(office.session, access.operator()) == 1
    assert outbox_list.retry_all(office.session, access.operator()) == 0


@pytest.mark.usefixtures("owed")
def test_what_is_written_no_more_is_not_owed(office: Office) -> None:
    for stream in office.mailboxes["anna"].streams:
        stream.direction = "in"
    office.session.flush()
    assert [box for box, _, _ in shown(office, access.operator())] == ["boris"]
    assert list(outbox_list.counts(office.session, [box.id for box in office.mailboxes.values()])) == [
        office.mailboxes["boris"].id
    ]
    assert outbox_list.retry_all(office.session, access.operator()) == 0


def test_what_time_alone_will_change_is_not_owed_yet(office: Office) -> None:
    anna, maria = office.mailboxes["anna"].id, office.contacts[MARIA].id
    later = NOW + timedelta(days=3)
    outbox.owe(office.session, anna, outbox.CONTACT, [maria], outbox.TIME, at=later)
    assert shown(office, access.operator()) == []
    assert outbox_list.counts(office.session, [anna]) == {}
    outbox.owe(office.session, anna, outbox.CONTACT, [maria], "portal")
    [row] = outbox_list.listing(office.session, access.operator()).rows
    assert (row.reason, NOW <= row.owed_since <= utcnow()) == ("portal", True)


def test_who_may_not_try_again(office: Office, viewer: Viewers, owed: dict[str, OutboxItem]) -> None:
    for who, item, error in (
        ("viktor", "refused", Forbidden),
        ("anna", "theirs", NotFound),
        ("boris", "refused", NotFound),
    ):
        with pytest.raises(error):
            outbox_list.retry(office.session, viewer(who), owed[item].id)
    with pytest.raises(Forbidden):
        outbox_list.retry_all(office.session, viewer("viktor"))
    with pytest.raises(NotFound, match="no longer owed"):
        outbox_list.retry(office.session, access.operator(), 987654)
    assert office.session.scalars(select(AuditEntry)).all() == []
