"""Attachments are fetched by policy and on demand, from any mailbox that holds them, and each content is kept once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from connectors.base import Account, Connector
from connectors.memory import MemoryConnector
from sync import attachments as fetching
from terracrm.domain.records import AttachmentInfo, Change, Folder
from terracrm.errors import AuthFailed, ConnectorError, InvalidInput, ItemRejected, Temporary, TooLarge
from terracrm.models import AttachmentContent, Mailbox, MessageAttachment, Stream, User, utcnow
from terracrm.services import attachments, mail_detail, mailboxes, mirror_attachments
from terracrm.services.access import RoleCode, Viewer
from tests.sync.conftest import DOMAIN, Office
from tests.sync.items import mail

PDF = b"%PDF-1.7 contract"
PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 30
CONTROLLER = Viewer(0, RoleCode.CONTROLLER)
Key = tuple[int, int]


def receive(
    office: Office, owner: str, subject: str = "Договор", content: bytes | ConnectorError = PDF, **info: object
) -> str:
    """A mail with one attachment in a mailbox's inbox; its id there."""
    remote_id = office.server.put(office.folder(owner, "Inbox"), mail(subject, to="anna@office.test,boris@office.test"))
    told = AttachmentInfo("", "договор.pdf", "application/pdf", len(content) if isinstance(content, bytes) else 5)
    office.server.attach(remote_id, replace(told, **info), content)
    return remote_id


def rows(office: Office) -> list[MessageAttachment]:
    with office.sessions() as session:
        return list(session.scalars(select(MessageAttachment).order_by(MessageAttachment.activity_id)))


def states(office: Office) -> list[str]:
    return [row.state for row in rows(office)]


def contents(office: Office) -> list[bytes]:
    with office.sessions() as session:
        return list(session.scalars(select(AttachmentContent.data)))


def ask(office: Office, key: Key | None = None) -> None:
    """A person who may read everything asks for an attachment, the first one unless another is named."""
    first = rows(office)[0]
    with office.sessions.begin() as session:
        attachments.request(session, CONTROLLER, office.settings, *(key or (first.activity_id, first.position)))


def is_due(office: Office, name: str) -> bool:
    with office.sessions() as session:
        return bool(session.scalar(select(Stream.due_at <= utcnow()).where(_mail_of(name))))


def _mail_of(name: str) -> object:
    return (Stream.kind == "mail") & (
        Stream.mailbox_id == select(Mailbox.id).where(Mailbox.address == f"{name}@{DOMAIN}").scalar_subquery()
    )


def test_a_file_stays_in_the_mailbox_until_somebody_asks_for_it(office: Office) -> None:
    receive(office, "anna")
    office.run("anna", "mail")
    assert states(office) == [""]
    assert not is_due(office, "anna")
    ask(office)
    assert (states(office), is_due(office, "anna")) == (["wanted"], True)
    office.run("anna", "mail")
    (row,) = rows(office)
    assert (row.state, row.error, row.requested_at, len(row.content_hash)) == ("stored", "", None, 64)
    assert contents(office) == [PDF]
    assert not is_due(office, "anna")


def test_small_images_of_the_text_arrive_with_their_mail(office: Office) -> None:
    receive(office, "anna", "Подпись", PNG, name="logo.png", is_inline=True, content_id="<logo@x>")
    receive(office, "anna", "Плакат", PNG, name="poster.png", is_inline=True, size=3_000_000)
    receive(office, "anna")
    office.run("anna", "mail")
    assert states(office) == ["stored", "", ""]
    assert contents(office) == [PNG]


@pytest.mark.parametrize(
    ("setting", "own", "expected"),
    [("all", "", "stored"), ("on_demand", "all", "stored"), ("all", "none", ""), ("none", "", "")],
)
def test_a_mailbox_may_differ_from_the_setting(office: Office, setting: str, own: str, expected: str) -> None:
    office.settings.mirror.attachments = setting
    with office.sessions.begin() as session:
        mailboxes.get(session, "anna@office.test").attachments = own
    receive(office, "anna")
    office.run("anna", "mail")
    assert states(office) == [expected]


def test_what_is_over_the_limit_is_neither_fetched_nor_asked_for(office: Office) -> None:
    office.settings.mirror.attachments = "all"
    office.settings.mirror.attachment_max_mb = 1
    receive(office, "anna", size=1024 * 1024 + 1)
    office.run("anna", "mail")
    with pytest.raises(InvalidInput):
        ask(office)
    assert states(office) == [""]
    assert not contents(office)


def test_the_same_content_is_kept_once(office: Office) -> None:
    office.settings.mirror.attachments = "all"
    for subject in ("Один", "Два", "Три"):
        receive(office, "anna", subject)
    receive(office, "boris", "Четыре", b"%PDF other")
    office.run("anna", "mail")
    office.run("boris", "mail")
    assert states(office) == ["stored"] * 4
    assert sorted(contents(office)) == sorted([PDF, b"%PDF other"])


def test_a_message_of_two_mailboxes_is_fetched_once_though_only_one_wants_all(office: Office) -> None:
    receive(office, "anna")
    receive(office, "boris")
    with office.sessions.begin() as session:
        mailboxes.get(session, "anna@office.test").attachments = "none"
        mailboxes.get(session, "boris@office.test").attachments = "all"
    office.run("anna", "mail")
    assert states(office) == [""]
    office.run("boris", "mail")
    assert states(office) == ["stored"]


def test_what_one_mailbox_deleted_comes_from_another(office: Office) -> None:
    gone = receive(office, "anna")
    receive(office, "boris")
    office.run("anna", "mail")
    office.run("boris", "mail")
    (change,) = MemoryConnector(_account("anna"), office.server).get(office.folder("anna", "Inbox"), [gone])
    office.server.change(gone, replace(change.record, attachments=()))  # removed to save space: the mail is there
    ask(office)
    office.run("anna", "mail")
    assert states(office) == ["stored"]


def test_a_mailbox_that_cannot_be_opened_is_tried_once_and_the_file_later(office: Office) -> None:
    opened: list[str] = []
    for subject in ("Один", "Два"):
        gone = receive(office, "anna", subject)
        receive(office, "boris", subject)
        office.run("anna", "mail")
        office.run("boris", "mail")
        office.server.change(gone, mail(subject, to="anna@office.test,boris@office.test"))
    for row in rows(office):
        ask(office, (row.activity_id, row.position))

    def connect(account: Account) -> Connector:
        opened.append(account.address)
        if account.address == "boris@office.test":
            raise AuthFailed("The server refused the user name or the password.")
        return office.connect(account)

    summary = office.run("anna", "mail", connect)
    assert (summary.error, opened) == ("", ["anna@office.test", "boris@office.test"])
    assert states(office) == ["failed", "failed"]
    assert all(row.requested_at and row.requested_at > utcnow() for row in rows(office))


def test_what_nobody_holds_any_more_is_gone(office: Office) -> None:
    gone = receive(office, "anna")
    office.run("anna", "mail")
    ask(office)
    office.server.delete(gone)
    office.run("anna", "mail")  # the pages tell that it left, so that nobody is left to ask
    assert states(office) == ["wanted"]
    with office.sessions() as session:
        (file,) = attachments.files(session, CONTROLLER, office.settings, rows(office)[0].activity_id)
    assert (file.state, file.may_be_asked) == ("gone", False)


def test_an_attachment_that_was_removed_from_its_mail_is_gone(office: Office) -> None:
    gone = receive(office, "anna")
    office.run("anna", "mail")
    ask(office)
    office.server.change(gone, mail("Договор", to="anna@office.test,boris@office.test"))
    assert office.run("anna", "mail").error == ""
    assert states(office) == ["gone"]
    assert not is_due(office, "anna")


def test_what_became_private_meanwhile_is_not_read(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    remote_id = receive(office, "anna")
    office.run("anna", "mail")
    ask(office)
    waiting = mirror_attachments.waiting

    def become_private(*args: object) -> object:
        found = waiting(*args)  # type: ignore[arg-type]
        (change,) = MemoryConnector(_account("anna"), office.server).get(office.folder("anna", "Inbox"), [remote_id])
        office.server.change(remote_id, replace(change.record, is_private=True))
        return found

    with monkeypatch.context() as patch:
        patch.setattr(mirror_attachments, "waiting", become_private)
        office.run("anna", "mail")
    assert (states(office), contents(office)) == (["gone"], [])
    office.run("anna", "mail")
    assert rows(office) == []


def test_withdrawing_a_message_drops_the_content_that_it_alone_had(office: Office) -> None:
    office.settings.mirror.attachments = "all"
    shared = receive(office, "anna", "Один")
    receive(office, "anna", "Два")
    alone = receive(office, "anna", "Три", b"%PDF alone")
    office.run("anna", "mail")
    assert len(contents(office)) == 2
    for remote_id, left in ((alone, [PDF]), (shared, [PDF])):
        (change,) = MemoryConnector(_account("anna"), office.server).get(office.folder("anna", "Inbox"), [remote_id])
        office.server.change(remote_id, replace(change.record, is_private=True))
        office.run("anna", "mail")
        assert contents(office) == left


def test_keeping_only_the_headers_drops_the_content_too(office: Office) -> None:
    office.settings.mirror.attachments = "all"
    receive(office, "anna")
    office.run("anna", "mail")
    with office.sessions.begin() as session:
        mail_detail.cut(session, [rows(office)[0].activity_id])
    assert (rows(office), contents(office)) == ([], [])


def test_a_mail_of_which_only_the_headers_are_kept_has_no_attachments(office: Office) -> None:
    office.settings.mirror.attachments = "all"
    office.settings.mirror.detail = "headers"
    receive(office, "anna")
    office.run("anna", "mail")
    assert (rows(office), contents(office)) == ([], [])


@pytest.mark.parametrize(
    ("error", "state", "is_retried"),
    [
        (ItemRejected("The attached item is marked private."), "failed", False),
        (TooLarge("larger than what is handed out"), "too_large", False),
        (Temporary("The server had a passing trouble."), "failed", True),
    ],
)
def test_the_failure_of_one_is_its_own(office: Office, error: ConnectorError, state: str, is_retried: bool) -> None:
    office.settings.mirror.attachments = "all"
    receive(office, "anna", "Больное", error)
    receive(office, "anna", "Здоровое")
    summary = office.run("anna", "mail")
    assert (summary.error, summary.state) == ("", "ok")
    sick, healthy = rows(office)
    assert (sick.state, healthy.state) == (state, "stored")
    assert (sick.requested_at is not None) == is_retried
    assert not is_due(office, "anna")


def test_a_failed_one_is_tried_again_when_its_time_has_come_or_somebody_asks(office: Office) -> None:
    office.settings.mirror.attachments = "all"
    remote_id = receive(office, "anna", content=Temporary("The server had a passing trouble."))
    office.run("anna", "mail")
    (info,) = _listed(office, remote_id)
    office.server._contents[info.remote_id] = b"12345"
    office.run("anna", "mail")
    assert states(office) == ["failed"]
    with office.sessions.begin() as session:
        session.scalars(select(MessageAttachment)).one().requested_at = utcnow() - timedelta(seconds=1)
    office.run("anna", "mail")
    assert states(office) == ["stored"]


def test_a_broken_rule_costs_one_attachment_and_not_the_stream(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    office.settings.mirror.attachments = "all"
    receive(office, "anna")

    def slip(*_: object) -> object:
        raise ZeroDivisionError

    monkeypatch.setattr(mirror_attachments, "examined", slip)
    assert office.run("anna", "mail").error == ""
    assert [(row.state, row.error) for row in rows(office)] == [("failed", fetching.UNEXPECTED)]


def test_a_server_that_fails_again_and_again_is_left_alone(office: Office) -> None:
    office.settings.mirror.attachments = "all"
    for number in range(5):
        receive(office, "anna", f"Письмо {number}", Temporary("The server had a passing trouble."))
    summary = office.run("anna", "mail")
    assert summary.state == "backoff"
    assert sorted(states(office)) == ["failed"] * 3 + ["wanted"] * 2


def test_a_server_that_asks_to_wait_is_obeyed_at_once(office: Office) -> None:
    office.settings.mirror.attachments = "all"
    for number in range(2):
        receive(office, "anna", f"Письмо {number}", Temporary("The server is busy.", 600))
    assert office.run("anna", "mail").state == "backoff"
    assert sorted(states(office)) == ["failed", "wanted"]


def test_a_run_fetches_so_many_and_the_next_one_comes_at_once(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "FILES_PER_RUN", 2)
    office.settings.mirror.attachments = "all"
    for number in range(3):
        receive(office, "anna", f"Письмо {number}", f"%PDF {number}".encode())
    office.run("anna", "mail")
    assert (sorted(states(office)), is_due(office, "anna")) == (["stored", "stored", "wanted"], True)
    office.run("anna", "mail")
    assert (states(office), is_due(office, "anna")) == (["stored"] * 3, False)


def test_what_somebody_asked_for_comes_before_what_the_policy_wants(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        receive(office, "anna", f"Письмо {number}", f"%PDF {number}".encode())
    office.run("anna", "mail")
    with office.sessions.begin() as session:
        mailbox = mailboxes.get(session, "anna@office.test")
        assert mirror_attachments.set_policy(session, office.settings.mirror, mailbox, "all") == 3
    assert is_due(office, "anna")
    ask(office)
    monkeypatch.setattr(fetching, "FILES_PER_RUN", 1)
    office.run("anna", "mail")
    assert states(office) == ["stored", "wanted", "wanted"]


def test_all_that_is_wanted_of_a_mail_is_listed_once(office: Office) -> None:
    office.settings.mirror.attachments = "all"
    remote_id = receive(office, "anna")
    for number in range(3):
        info = AttachmentInfo("", f"{number}.pdf", "application/pdf", 6)
        office.server.attach(remote_id, info, f"%PDF {number}".encode())
    asked: list[int] = []

    class Counting(MemoryConnector):
        def get(self, folder: Folder, remote_ids: Sequence[str]) -> list[Change]:
            asked.append(len(remote_ids))
            return super().get(folder, remote_ids)

    office.run("anna", "mail", lambda account: Counting(account, office.server))
    assert (states(office), asked) == (["stored"] * 4, [1])
    assert sorted(contents(office)) == sorted([PDF, b"%PDF 0", b"%PDF 1", b"%PDF 2"])


def test_a_request_that_comes_while_a_run_ends_is_not_lost(office: Office) -> None:
    receive(office, "anna")
    office.run("anna", "mail")

    class Late(MemoryConnector):
        def close(self) -> None:
            ask(office)

    office.run("anna", "mail", lambda account: Late(account, office.server))
    assert (states(office), is_due(office, "anna")) == (["wanted"], True)


def test_another_policy_takes_back_what_nobody_asked_for(office: Office, session: Session) -> None:
    office.settings.mirror.attachments = "all"
    for number in range(2):
        receive(office, "anna", f"Письмо {number}", Temporary("The server is busy.", 600))
    office.run("anna", "mail")
    assert sorted(states(office)) == ["failed", "wanted"]
    with office.sessions.begin() as writing:
        mailbox = mailboxes.get(writing, "anna@office.test")
        assert mirror_attachments.set_policy(writing, office.settings.mirror, mailbox, "none") == 0
    assert sorted(states(office)) == ["", "failed"]


@pytest.mark.parametrize("who", ["paused", "refused", "none"])
def test_nobody_is_asked_who_cannot_answer(office: Office, who: str) -> None:
    receive(office, "anna")
    office.run("anna", "mail")
    with office.sessions.begin() as session:
        mailbox = mailboxes.get(session, "anna@office.test")
        if who == "paused":
            mailboxes.pause(session, mailbox)
        elif who == "refused":
            next(stream for stream in mailbox.streams if stream.kind == "mail").state = "credentials"
        else:
            mailbox.attachments = "none"
    with office.sessions() as session:
        (file,) = attachments.files(session, CONTROLLER, office.settings, rows(office)[0].activity_id)
    assert not file.may_be_asked


def test_a_viewer_s_own_mailbox_is_asked_first(office: Office) -> None:
    for name in ("anna", "boris"):
        receive(office, name)
        office.run(name, "mail")
    with office.sessions.begin() as session:
        boris = mailboxes.get(session, "boris@office.test")
        user = User(name="boris", email="boris@office.test", role_code="manager", password_hash="x")
        session.add(user)
        session.flush()
        viewer = Viewer(user.id, RoleCode.MANAGER, None, frozenset([boris.id]))
        attachments.request(session, viewer, office.settings, rows(office)[0].activity_id, 0)
    assert (is_due(office, "anna"), is_due(office, "boris")) == (False, True)


def test_a_link_into_the_cloud_is_shown_and_never_fetched(office: Office) -> None:
    office.settings.mirror.attachments = "all"
    receive(office, "anna", location="https://disk.example/f", is_link=True, size=0)
    office.run("anna", "mail")
    (row,) = rows(office)
    assert (row.state, row.content_id) == ("link", "https://disk.example/f")


def test_a_dangerous_name_is_flagged_before_and_a_disguised_content_after(office: Office) -> None:
    receive(office, "anna", "Программа", name="счёт.pdf.exe")
    receive(office, "anna", "Обман", b"MZ" + b"\x00" * 80)
    office.run("anna", "mail")
    program, disguised = rows(office)
    assert (program.danger, disguised.danger) == ("deceptive", "")
    ask(office, (disguised.activity_id, 0))
    office.run("anna", "mail")
    assert rows(office)[1].danger == "disguised"


def _listed(office: Office, remote_id: str) -> tuple[AttachmentInfo, ...]:
    connector = MemoryConnector(_account("anna"), office.server)
    (change,) = connector.get(office.folder("anna", "Inbox"), [remote_id])
    return change.record.attachments  # type: ignore[union-attr]


def _account(name: str) -> Account:
    return Account(f"{name}@{DOMAIN}", "", f"{name}@{DOMAIN}", "secret")
