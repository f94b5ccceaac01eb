"""The state of mailboxes as people see it (Y5)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from terracrm.errors import NotFound
from terracrm.models import OutboxItem, QuarantinedItem, StreamState
from terracrm.services import mailbox_health
from tests.office import NOW, Office
from tests.services.conftest import Viewers


def test_a_page_tells_state_next_run_runs_and_what_was_set_aside(office: Office, viewer: Viewers) -> None:
    box = office.mailboxes["anna"]
    mail = box.streams[0]
    mail.due_at = NOW + timedelta(minutes=5)
    office.add(QuarantinedItem(folder_id=mail.folders[0].id, remote_id="x", error="no sender", next_try_at=NOW))
    page = mailbox_health.page(office.session, viewer("admin"), box.id, NOW)
    [first, second] = page.health.streams
    assert (first.next_run_at, first.is_running, first.quarantined) == (NOW + timedelta(minutes=5), False, 1)
    assert second.quarantined == 0
    assert page.health.is_sick
    assert page.health.owner == "Anna Sokolova"
    assert [run.created for run in page.runs] == [12]
    assert [item.error for item in page.quarantine] == ["no sender"]


@pytest.mark.parametrize("state", [StreamState.PAUSED, StreamState.CREDENTIALS])
def test_a_stream_that_waits_for_a_person_has_no_next_run(office: Office, viewer: Viewers, state: StreamState) -> None:
    box = office.mailboxes["anna"]
    box.streams[0].state = state
    assert mailbox_health.page(office.session, viewer("anna"), box.id, NOW).health.streams[0].next_run_at is None


def test_of_a_degraded_stream_it_is_told_what_is_the_matter(office: Office, viewer: Viewers) -> None:
    """What was given up is not tried again by itself."""
    box = office.mailboxes["anna"]
    stream = box.streams[0]
    stream.kind, stream.direction, stream.state = "contacts", "both", StreamState.DEGRADED

    def troubles() -> list[str]:
        office.session.flush()
        found = mailbox_health.page(office.session, viewer("anna"), box.id, NOW).health.streams
        return next(health.troubles for health in found if health.stream is stream)

    assert troubles() == ["failed"]
    long_ago = NOW - timedelta(days=300)
    item = OutboxItem(mailbox=box, entity="contact", local_id=1, state="given_up", owed_since=long_ago)
    office.session.add(item)
    assert troubles() == ["given_up"]
    stream.gaps = 3
    assert troubles() == ["given_up", "gaps"]
    stream.state = StreamState.BACKOFF
    assert troubles() == ["backoff"]


def test_a_mailbox_that_is_off_does_not_run_and_is_not_sick(office: Office, viewer: Viewers) -> None:
    box = office.mailboxes["anna"]
    box.is_enabled, box.streams[0].state = False, StreamState.BACKOFF
    health = mailbox_health.page(office.session, viewer("anna"), box.id, NOW).health
    assert not health.is_sick
    assert all(stream.next_run_at is None for stream in health.streams)


def test_a_stream_runs_as_long_as_its_claim_holds(office: Office, viewer: Viewers) -> None:
    box = office.mailboxes["anna"]
    box.streams[0].claim, box.streams[0].claimed_until = "worker", NOW + timedelta(minutes=1)
    box.streams[1].claim, box.streams[1].claimed_until = "dead", NOW - timedelta(minutes=1)
    streams = mailbox_health.page(office.session, viewer("anna"), box.id, NOW).health.streams
    assert [stream.is_running for stream in streams] == [True, False]


def test_the_mailbox_of_another_is_not_found(office: Office, viewer: Viewers) -> None:
    with pytest.raises(NotFound):
        mailbox_health.page(office.session, viewer("boris"), office.mailboxes["anna"].id, NOW)


def test_the_owner_of_a_shared_mailbox_is_its_team(office: Office, viewer: Viewers) -> None:
    owners = {h.mailbox.address: h.owner for h in mailbox_health.all_mailboxes(office.session, viewer("admin"), NOW)}
    assert owners["orders@romashka.example"] == "North"
