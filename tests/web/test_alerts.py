"""Alerts in the portal: on the home page of admins and on their own page; each state on its mailbox's page (Y5)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import update
from sqlalchemy.orm import Session

from terracrm.config import Settings
from terracrm.models import Alert, AlertMessage, Heartbeat, Stream, StreamState, utcnow
from tests.web.conftest import SignIn

ANNA = "anna@romashka.example"
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def in_time(rows: Session) -> None:
    """Nothing waits for a daemon."""
    rows.execute(update(Stream).values(due_at=utcnow() + HOUR))
    rows.commit()


@pytest.fixture
def told(rows: Session, ids: dict[str, int]) -> Alert:
    """Anna's mailbox cannot sign in; another alert is not told yet, and one is over."""
    now = utcnow()
    alert = Alert(rule="credentials", mailbox_id=ids[ANNA], stream_id=1, message="ex.test <b> refused.", raised_at=now)
    quiet = Alert(rule="failing", mailbox_id=ids[ANNA], stream_id=1, message="Not told.")
    over = Alert(rule="gaps", mailbox_id=ids[ANNA], count=3, raised_at=now, over_at=now, cleared_at=now)
    rows.add_all([alert, quiet, over])
    rows.commit()
    return alert


@pytest.mark.usefixtures("told")
def test_admins_alone_see_what_is_wrong_on_their_home_page(signed_in: SignIn) -> None:
    pages = {who: signed_in(who).get("/").get_data(as_text=True) for who in ("admin", "anna", "viktor")}
    assert "cannot sign in" in pages["admin"]
    assert "ex.test &lt;b&gt; refused." in pages["admin"]
    assert "Not told." not in pages["admin"]
    assert 'href="/alerts"' in pages["admin"]
    assert not any("cannot sign in" in pages[who] or "/alerts" in pages[who] for who in ("anna", "viktor"))


@pytest.mark.usefixtures("told")
def test_the_page_tells_what_is_wrong_what_to_do_and_what_is_over(signed_in: SignIn, ids: dict[str, int]) -> None:
    page = signed_in("admin").get("/alerts").get_data(as_text=True)
    for words in ("cannot sign in", "terracrm mailbox enable", f"/mailboxes/{ids[ANNA]}", "3 gaps", "not set up"):
        assert words in page, words


def test_without_alerts_nothing_is_wrong(signed_in: SignIn) -> None:
    assert "Nothing is wrong" in signed_in("admin").get("/alerts").get_data(as_text=True)
    assert "Needs somebody" not in signed_in("admin").get("/").get_data(as_text=True)


def test_a_channel_that_does_not_get_through_is_seen_and_its_secret_is_not(
    signed_in: SignIn, rows: Session, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = SecretStr("https://chat.example/hooks/kept-secret")
    chosen = settings.alerts.model_copy(
        update={"mail_to": ["admin@romashka.example"], "mail_from": ANNA, "webhook_url": url}
    )
    monkeypatch.setattr(settings, "alerts", chosen)
    rows.add(AlertMessage(channel="webhook", given_up_at=utcnow(), error="chat.example refuses it (HTTP 404)."))
    rows.add(AlertMessage(channel="mail", events=[{"alert": 1, "what": "raised"}], attempts=1, error="Busy."))
    rows.commit()
    page = signed_in("admin").get("/alerts").get_data(as_text=True)
    for words in ("does not get through", "HTTP 404", "is tried again", "Busy.", "next try"):
        assert words in page, words
    assert "kept-secret" not in page


def test_a_missing_daemon_is_told_to_admins(signed_in: SignIn, rows: Session) -> None:
    rows.add(Heartbeat(name="daemon", at=utcnow() - HOUR))
    rows.execute(update(Stream).values(due_at=utcnow() - HOUR))
    rows.commit()
    for path in ("/", "/alerts"):
        assert "no daemon has been seen since" in signed_in("admin").get(path).get_data(as_text=True)
    assert "no daemon" not in signed_in("anna").get("/").get_data(as_text=True)
    assert signed_in("admin").get("/readyz").status_code == 200


# state, failures -> what the page of the mailbox says beside the reason
STATES = {
    StreamState.BACKOFF: (3, ["waits to try again", "Next try", "Failures in a row"]),
    StreamState.DEGRADED: (1, ["with gaps", "Next try", "nobody had foreseen"]),
    StreamState.CREDENTIALS: (1, ["cannot sign in", "when somebody has mended it", "Enter them anew"]),
    StreamState.PAUSED: (1, ["paused", "when somebody has mended it", "Mend what the reason says"]),
    StreamState.APPROVAL: (0, ["needs approval", "when somebody has decided", "look at its plan"]),
}


@pytest.mark.parametrize("state", STATES)
def test_state_reason_and_next_try_are_on_the_page_of_the_mailbox(
    signed_in: SignIn, rows: Session, ids: dict[str, int], state: StreamState
) -> None:
    failures, words = STATES[state]
    mine = Stream.mailbox_id == ids[ANNA], Stream.kind == "mail"
    values = {"state": state, "failures": failures, "last_error": "A reason of its own."}
    rows.execute(update(Stream).where(*mine).values(values))
    rows.commit()
    page = signed_in("admin").get(f"/mailboxes/{ids[ANNA]}").get_data(as_text=True)
    for word in ("A reason of its own.", *words):
        assert word in page, word
