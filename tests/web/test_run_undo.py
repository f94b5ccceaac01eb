"""Undoing a run in the portal: shown first, done, told; admins only (Y3)."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from terracrm.models import Contact, FieldChange, Mailbox, MirrorFolder, SkippedItem, Stream, SyncRun
from terracrm.services import field_history
from terracrm.services.field_history import MAILBOX, Origin
from terracrm.services.skipped import UNDONE
from tests.office import NOW, OURS
from tests.web.conftest import Client, SignIn, token


@pytest.fixture
def run(rows: Session, ids: dict[str, int]) -> int:
    """A run of Anna's contacts that changed Мария's position and notes; somebody has changed the notes since."""
    box = rows.scalars(select(Mailbox).where(Mailbox.address == f"anna@{OURS}")).one()
    stream = Stream(kind="contacts", state="ok", mailbox_id=box.id)
    stream.folders = [MirrorFolder(remote_id="contacts-anna", path="Contacts")]
    rows.add(stream)
    rows.flush()
    made = SyncRun(stream_id=stream.id, started_at=NOW - timedelta(hours=1), finished_at=NOW, outcome="ok", updated=1)
    rows.add(made)
    rows.flush()
    maria = rows.get_one(Contact, ids["maria@market.example"])
    maria.job_title = "Было"
    with field_history.recording(rows, Origin(MAILBOX, mailbox_id=box.id, run_id=made.id), maria):
        maria.job_title, maria.notes = "Стало", "Из Outlook"
    maria.notes = "Из портала"
    rows.commit()
    return made.id


@pytest.fixture
def admin(signed_in: SignIn) -> Client:
    return signed_in("admin")


def post(client: Client, path: str):  # type: ignore[no-untyped-def]
    return client.post(path, data={"csrf_token": token(client, "/")})


def test_an_admin_looks_first_then_undoes(admin: Client, run: int, rows: Session, ids: dict[str, int]) -> None:
    box = ids[f"anna@{OURS}"]
    assert f'href="/runs/{run}/undo"' in admin.get(f"/mailboxes/{box}").text
    page = admin.get(f"/runs/{run}/undo").text
    assert "1 field says again what it said before" in page
    assert re.search(r"Стало\s+→ <b>Было</b>", page)
    assert re.search(r"Notes\s+<small>it was changed since", page)
    maria = rows.get_one(Contact, ids["maria@market.example"])
    assert maria.job_title == "Стало"
    assert not rows.scalars(select(FieldChange).where(FieldChange.source == "undo")).all()
    done = post(admin, f"/runs/{run}/undo")
    assert done.status_code == 302
    told = admin.get(done.location).text
    assert "is taken back" in told
    assert "it was changed since" in told
    rows.expire_all()
    assert (maria.job_title, maria.notes) == ("Было", "Из портала")
    (change,) = rows.scalars(select(FieldChange).where(FieldChange.source == "undo")).all()
    assert (change.user_id, change.run_id) == (ids["admin"], run)
    assert "undone" in admin.get(f"/mailboxes/{box}").text
    assert "by undoing a run" in admin.get(f"/contacts/{maria.id}").text
    again = post(admin, f"/runs/{run}/undo")
    assert again.status_code == 409
    assert "undone already" in again.text


def test_what_is_left_out_is_taken_in_again(admin: Client, run: int, rows: Session) -> None:
    post(admin, f"/runs/{run}/undo")
    folder = rows.scalars(select(MirrorFolder).where(MirrorFolder.remote_id == "contacts-anna")).one()
    rows.add(SkippedItem(folder_id=folder.id, remote_id="card", rule=UNDONE, run_id=run))
    rows.commit()
    assert "1 item that it had brought is left out" in admin.get(f"/runs/{run}/undo").text
    done = post(admin, f"/runs/{run}/undo/again")
    assert "takes it in again" in admin.get(done.location).text
    rows.expire_all()
    assert rows.scalars(select(SkippedItem)).one().is_due


@pytest.mark.parametrize("name", ["anna", "boris", "viktor"])
def test_nobody_else_undoes(signed_in: SignIn, run: int, name: str, ids: dict[str, int]) -> None:
    client = signed_in(name)
    assert client.get(f"/runs/{run}/undo").status_code == 403
    assert post(client, f"/runs/{run}/undo").status_code == 403
    assert post(client, f"/runs/{run}/undo/again").status_code == 403
    assert "/undo" not in client.get(f"/mailboxes/{ids[f'anna@{OURS}']}").text


def test_what_cannot_be_undone_says_why(admin: Client, run: int, rows: Session) -> None:
    assert admin.get("/runs/999/undo").status_code == 404
    assert post(admin, f"/runs/{run}/undo/again").status_code == 409
    found = rows.get_one(SyncRun, run)
    found.updated = 5000
    rows.commit()
    page = admin.get(f"/runs/{run}/undo")
    assert (page.status_code, f"terracrm sync undo {run}" in page.text) == (409, True)
    found.updated, found.started_at = 1, NOW - timedelta(days=4000)
    rows.commit()
    assert "no longer kept" in admin.get(f"/runs/{run}/undo").text
    assert admin.post(f"/runs/{run}/undo").status_code == 400
