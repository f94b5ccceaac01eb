"""Who gets a file, what is noted of it, and which contents stay (S12, A4, invariant 7), on both databases."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from terracrm.config import Settings
from terracrm.db import begin_write
from terracrm.errors import InvalidInput, NotFound
from terracrm.models import Activity, AttachmentContent, AuditEntry, Message, MessageAttachment, Thread, utcnow
from terracrm.services import attachments, mirror_attachments
from terracrm.services.mirror_attachments import Waiting
from tests.office import Office
from tests.services.conftest import Viewers

PDF = b"%PDF-1.7 contract"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(paths={"data_dir": tmp_path})


def attach(office: Office, key: str, name: str = "a.pdf", content: bytes | None = PDF) -> int:
    """Hang an attachment on a message, its content here unless it is None; the message's id."""
    message_id = office.activities[key].id
    position = office.session.query(MessageAttachment).filter_by(activity_id=message_id).count()
    office.add(MessageAttachment(activity_id=message_id, position=position, name=name, size=17))
    if content is not None:
        waiting = Waiting(message_id, position, name, "", 17)
        mirror_attachments.store(office.session, waiting, mirror_attachments.examined(waiting, content))
    return message_id


@pytest.mark.parametrize(
    ("key", "readers"),
    [
        ("pictures", {"anna", "galina", "viktor"}),
        ("secret", {"boris", "viktor"}),
        ("team", {"anna", "galina", "viktor"}),
        ("stranger", {"anna", "viktor"}),
    ],
)
def test_a_file_is_for_those_who_may_read_its_message(
    office: Office, viewer: Viewers, settings: Settings, key: str, readers: set[str]
) -> None:
    message_id = attach(office, key)
    for name in ("anna", "boris", "galina", "viktor", "admin"):
        who = viewer(name)
        if name in readers:
            assert [file.name for file in attachments.files(office.session, who, settings, message_id)] == ["a.pdf"]
            assert attachments.download(office.session, who, message_id, 0, is_warned=False).data == PDF
            continue
        with pytest.raises(NotFound):
            attachments.files(office.session, who, settings, message_id)
        with pytest.raises(NotFound):
            attachments.download(office.session, who, message_id, 0, is_warned=True)
        with pytest.raises(NotFound):
            attachments.image(office.session, who, message_id, 0)
        with pytest.raises(NotFound):
            attachments.request(office.session, who, settings, message_id, 0)


def test_the_audit_log_tells_each_download(office: Office, viewer: Viewers) -> None:
    message_id = attach(office, "pictures", "полка.pdf")
    for name in ("anna", "viktor", "anna"):
        attachments.download(office.session, viewer(name), message_id, 0, is_warned=False)
    found = office.session.execute(select(AuditEntry.user_id, AuditEntry.entity, AuditEntry.entity_id)).all()
    ids = [office.users[name].id for name in ("anna", "viktor", "anna")]
    assert found == [(user_id, "message", message_id) for user_id in ids]


def test_a_flagged_file_is_refused_to_who_was_not_warned(office: Office, viewer: Viewers) -> None:
    message_id = attach(office, "pictures", "a.exe")
    with pytest.raises(InvalidInput):
        attachments.download(office.session, viewer("anna"), message_id, 0, is_warned=False)
    assert office.session.scalars(select(AuditEntry)).all() == []
    assert attachments.download(office.session, viewer("anna"), message_id, 0, is_warned=True).name == "a.exe"


def test_a_file_that_nobody_has_or_keeps_is_not_found(office: Office, viewer: Viewers, settings: Settings) -> None:
    message_id = attach(office, "pictures", content=None)
    for position in (0, 7):
        with pytest.raises(NotFound):
            attachments.download(office.session, viewer("anna"), message_id, position, is_warned=False)
    with pytest.raises(NotFound):
        attachments.file(office.session, viewer("anna"), settings, message_id, 7)


def test_a_content_goes_with_the_last_message_that_has_it(office: Office) -> None:
    first, second = attach(office, "pictures"), attach(office, "vesna")
    attach(office, "vesna", "b.pdf", b"%PDF other")
    assert len(office.session.scalars(select(AttachmentContent.hash)).all()) == 2
    mirror_attachments.forget(office.session, [second])
    assert office.session.scalars(select(AttachmentContent.data)).all() == [PDF]
    mirror_attachments.forget(office.session, [first])
    assert office.session.scalars(select(AttachmentContent.data)).all() == []


def test_a_content_that_arrives_while_it_is_dropped_elsewhere_is_kept(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        ids = [_message(session, key) for key in ("first", "second")]
    content = mirror_attachments.examined(Waiting(ids[0], 0, "a.pdf", "", 17), PDF)
    with sessions.begin() as session:
        mirror_attachments.store(session, Waiting(ids[0], 0, "a.pdf", "", 17), content)

    def arrive() -> None:
        with sessions.begin() as session:
            begin_write(session)
            mirror_attachments.store(session, Waiting(ids[1], 0, "a.pdf", "", 17), content)

    with sessions.begin() as session:
        mirror_attachments.forget(session, ids[:1])
        arriving = threading.Thread(target=arrive)
        arriving.start()
        arriving.join(0.2)
    arriving.join(10)
    assert not arriving.is_alive()
    with sessions() as session:
        assert session.scalars(select(AttachmentContent.data)).all() == [PDF]
        assert session.scalars(select(MessageAttachment.state)).all() == ["stored"]


def _message(session: Session, key: str) -> int:
    """A bare message with an attachment that is not here."""
    activity = Activity(kind="mail", occurred_at=utcnow(), direction="in", subject=key)
    thread = Thread()
    session.add_all([activity, thread])
    session.flush()
    session.add(Message(activity_id=activity.id, message_key=key, thread_id=thread.id))
    session.flush()
    session.add(MessageAttachment(activity_id=activity.id, position=0, name="a.pdf", size=17))
    session.flush()
    return activity.id
