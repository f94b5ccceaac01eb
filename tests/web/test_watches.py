"""The page of a mailbox says whether Outlook tells of changes at once."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import update
from sqlalchemy.orm import Session

from terracrm.models import Mailbox, MailboxWatch, utcnow
from tests.web.conftest import SignIn

ANNA = "anna@romashka.example"


def test_a_mailbox_says_whether_it_tells_of_changes(rows: Session, ids: dict[str, int], signed_in: SignIn) -> None:
    path, admin = f"/mailboxes/{ids[ANNA]}", signed_in("admin")
    rows.execute(update(Mailbox).where(Mailbox.id == ids[ANNA]).values(is_enabled=True))
    rows.commit()
    assert "Changes in Outlook are found on schedule</p>" in admin.get(path).text
    watch = MailboxWatch(mailbox_id=ids[ANNA], claim="there", claimed_until=utcnow() + timedelta(minutes=1))
    watch.error = "mail.test refused the <user> name."
    rows.add(watch)
    rows.commit()
    page = admin.get(path).text
    assert "mail.test refused the &lt;user&gt; name." in page
    watch.since, watch.error = utcnow(), ""
    rows.commit()
    page = admin.get(path).text
    assert "Outlook tells of changes at once, since" in page
    assert "found on schedule" not in page
