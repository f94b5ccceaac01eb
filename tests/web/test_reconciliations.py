"""What was counted here and there, and what is set aside, in the portal (S14, Y4)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from terracrm.models import (
    Activity,
    AuditEntry,
    Link,
    MirrorFolder,
    QuarantinedItem,
    Reconciliation,
    Stream,
    StreamState,
    utcnow,
)
from tests.web.conftest import SignIn, token

ANNA, BORIS = "anna@romashka.example", "boris@romashka.example"


@pytest.fixture
def stream(rows: Session, ids: dict[str, int]) -> Stream:
    """Anna's mail, with gaps, of which one is a mail that she knows, and a sick item."""
    found = rows.scalars(select(Stream).where(Stream.mailbox_id == ids[ANNA], Stream.kind == "mail")).one()
    folder = MirrorFolder(stream_id=found.id, remote_id="inbox-9", path="Inbox/Клиенты")
    rows.add(folder)
    rows.flush()
    link = rows.scalars(select(Link).where(Link.mailbox_id == ids[ANNA], Link.entity == "message")).first()
    assert link is not None
    gaps = [
        {"kind": "missing", "folder_id": str(folder.id), "remote_id": "AAMk" + "x" * 40 + "lost<1>"},
        {"kind": "extra", "folder_id": str(folder.id), "remote_id": link.remote_id},
    ]
    rows.add(
        Reconciliation(
            stream_id=found.id,
            here=41,
            there=45,
            missing=1,
            extra=1,
            quarantined=1,
            skipped={"private": 2, "other_kind": 1},
            gaps=gaps,
        )
    )
    found.gaps, found.state, found.last_error = 2, StreamState.DEGRADED, "2 items are not the same here and there."
    later = utcnow() + timedelta(hours=1)
    rows.add(
        QuarantinedItem(folder_id=folder.id, remote_id="sick", error="It is <corrupt>.", attempts=3, next_try_at=later)
    )
    rows.commit()
    return found


def test_the_mailbox_says_what_was_counted(signed_in: SignIn, stream: Stream, ids: dict[str, int]) -> None:
    path = f"/mailboxes/{ids[ANNA]}"
    page = signed_in("anna").get(path).get_data(as_text=True)
    words = ("Counted", "<dt>it is private</dt><dd>2</dd>", "2 items are not the same here and there", "in the mailbox")
    for word in words:
        assert word in page, word
    assert f'href="{path}/count/mail"' in page
    assert f'href="/quarantine?mailbox={ids[ANNA]}"' in page
    other = signed_in("admin").get(f"/mailboxes/{ids[BORIS]}").get_data(as_text=True)
    assert "Counted" not in other


def test_the_gaps_are_listed_with_what_the_viewer_may_read(
    signed_in: SignIn, stream: Stream, ids: dict[str, int], rows: Session
) -> None:
    path = f"/mailboxes/{ids[ANNA]}/count/mail"
    activity = rows.scalars(
        select(Activity).join(Link, (Link.local_id == Activity.id) & (Link.entity == "message"))
    ).first()
    assert activity is not None
    pages = {who: signed_in(who).get(path).get_data(as_text=True) for who in ("anna", "admin")}
    assert all("in the mailbox, and not here" in page for page in pages.values())
    assert all("here, and no longer in the mailbox" in page for page in pages.values())
    assert "Inbox/Клиенты" in pages["anna"]
    assert "lost&lt;1&gt;" in pages["anna"]
    assert (
        f'href="/messages/{activity.id}"' in pages["anna"],
        f'href="/messages/{activity.id}"' in pages["admin"],
    ) == (
        True,
        False,
    )
    assert "terracrm sync reconcile" in pages["admin"]
    assert "terracrm sync reconcile" not in pages["anna"]
    assert signed_in("boris").get(path).status_code == 404
    assert signed_in("anna").get(f"/mailboxes/{ids[ANNA]}/count/letters").status_code == 404


def test_a_count_without_gaps_says_that_all_is_here(
    signed_in: SignIn, stream: Stream, ids: dict[str, int], rows: Session
) -> None:
    rows.add(Reconciliation(stream_id=stream.id, here=45, there=45))
    stream.gaps = 0
    rows.commit()
    path = f"/mailboxes/{ids[ANNA]}"
    assert "Everything is here" in signed_in("anna").get(f"{path}/count/mail").get_data(as_text=True)
    assert "are not the same here and there</a>" not in signed_in("anna").get(path).get_data(as_text=True)


@pytest.mark.usefixtures("stream")
def test_what_is_set_aside_is_shown_with_its_reason(signed_in: SignIn, ids: dict[str, int]) -> None:
    pages = {
        who: signed_in(who).get("/quarantine").get_data(as_text=True) for who in ("anna", "boris", "viktor", "admin")
    }
    shown = {who: "It is &lt;corrupt&gt;." in page and "3 tries" in page for who, page in pages.items()}
    assert shown == {"anna": True, "boris": False, "viktor": True, "admin": True}
    assert {who: "Try now</button>" in page for who, page in pages.items()} == {
        "anna": True,
        "boris": False,
        "viktor": False,
        "admin": True,
    }
    assert "Nothing is set aside" in pages["boris"]
    assert signed_in("boris").get(f"/quarantine?mailbox={ids[ANNA]}").status_code == 404
    assert signed_in("anna").get("/quarantine?mailbox=x").status_code == 400


def test_what_is_set_aside_is_tried_now(signed_in: SignIn, stream: Stream, ids: dict[str, int], rows: Session) -> None:
    item = rows.scalars(select(QuarantinedItem).where(QuarantinedItem.remote_id == "sick")).one()
    stream.due_at = utcnow() + timedelta(hours=1)
    rows.commit()
    anna = signed_in("anna")
    form = {"csrf_token": token(anna, "/"), "mailbox": str(ids[ANNA])}
    answer = anna.post(f"/quarantine/{item.id}/retry", data=form, follow_redirects=True)
    assert "The next run tries it again." in answer.get_data(as_text=True)
    rows.refresh(item)
    rows.refresh(stream)
    assert item.next_try_at <= utcnow()
    assert stream.due_at <= utcnow()
    assert rows.scalars(select(AuditEntry).where(AuditEntry.action == "quarantine.retry")).one().entity_id == ids[ANNA]
    assert "The next run tries" in anna.post("/quarantine/retry", data=form, follow_redirects=True).get_data(
        as_text=True
    )
    assert anna.post(f"/quarantine/{item.id + 900}/retry", data=form).status_code == 404
