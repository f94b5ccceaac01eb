"""Whether a mailbox tells of its changes, on both databases."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from terracrm.models import MailboxWatch
from terracrm.services import watches
from terracrm.services.watches import Listening
from tests.office import NOW, Office

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("until", "since", "error", "found"),
    [
        (NOW + MINUTE, NOW, "", Listening(NOW)),
        (NOW + MINUTE, None, "The server is busy.", Listening(error="The server is busy.")),
        (NOW, NOW - MINUTE, "", Listening()),  # the daemon that said so has died
        (None, None, "", Listening()),
    ],
)
def test_what_a_living_daemon_said_holds(
    office: Office, until: datetime | None, since: datetime | None, error: str, found: Listening
) -> None:
    mailbox = office.mailboxes["anna"]
    mailbox.is_enabled = True
    office.session.flush()
    assert watches.of(office.session, mailbox.id, NOW) == Listening()
    office.session.add(
        MailboxWatch(mailbox_id=mailbox.id, claim="there", claimed_until=until, since=since, error=error)
    )
    office.session.flush()
    assert watches.of(office.session, mailbox.id, NOW) == found
    assert watches.told_at_once(office.session, NOW)[mailbox.address] == (found.since is not None)
    mailbox.is_enabled = False
    office.session.flush()
    assert mailbox.address not in watches.told_at_once(office.session, NOW)
