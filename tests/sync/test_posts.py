"""The history as posts in a folder that people share (W3)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from connectors.memory_items import Item
from sync.run import Summary
from terracrm.domain.records import Participant, PostRecord, Role, StreamKind
from terracrm.languages import Language
from terracrm.models import (
    Activity,
    Company,
    CompanyTimeline,
    Link,
    Message,
    Note,
    OutboxItem,
    Sharing,
    Stream,
    utcnow,
)
from terracrm.services import mailboxes, mirror_folders, posts, touches, users
from tests.sync.conftest import DOMAIN, Office
from tests.sync.items import NOON, contact, mail, meeting

SQLITE_FIRST = True

TOP = "TerraCRM History"
LAVKA = f"{TOP}/ООО «Лавка»"
SINCE = datetime(2026, 1, 1, tzinfo=UTC)


class History:
    """A shared mailbox that keeps posts, and Anna's mailbox that brings the history."""

    def __init__(self, office: Office) -> None:
        self.office, self.server = office, office.server
        office.add("history")
        self.put("Contacts", contact())
        office.run("anna", "contacts")
        with self.crm() as session:
            mailbox = mailboxes.get(session, f"history@{DOMAIN}")
            mailbox.streams.append(Stream(kind=StreamKind.POSTS, direction="out", posts_since=SINCE))

    def put(self, path: str, record: Any) -> str:
        """Something comes into Anna's mailbox."""
        return self.server.put(self.office.folder("anna", path), record)

    def mail(self, *args: Any, **changes: Any) -> str:
        """A mail comes to Anna, and is mirrored."""
        item = self.put("Inbox", mail(*args, **changes))
        self.office.run("anna", "mail")
        return item

    @contextmanager
    def crm(self) -> Iterator[Session]:
        """A transaction in the CRM."""
        with self.office.sessions.begin() as session:
            yield session

    def activity(self, subject: str) -> int:
        """The id of an activity."""
        with self.crm() as session:
            return session.scalars(select(Activity.id).where(Activity.subject == subject)).one()

    def touch(self, *activity_ids: int) -> None:
        """Something of these activities changed."""
        with self.crm() as session:
            touches.activities(session, activity_ids)

    def run(self) -> Summary:
        """Run the posts, all that is owed among it."""
        with self.crm() as session:
            session.execute(update(OutboxItem).values(next_try_at=utcnow() - timedelta(seconds=1)))
        summary = self.office.run("history", "posts")
        assert summary.state == "ok", summary.error
        return summary

    def settled(self) -> None:
        """Run until nothing is owed; then nothing is written any more."""
        for _ in range(3):
            self.run()
        before = self.server.writes
        assert self.run().counts.written == 0
        assert self.server.writes == before

    def posts(self, path: str = LAVKA) -> dict[str, Item]:
        """The posts of a folder by their subjects."""
        boxes = self.server._folders[f"history@{DOMAIN}"].values()
        box = next((box for box in boxes if box.folder.path == path), None)
        items = box.present() if box else []
        found = {item.record.subject: item for item in items if isinstance(item.record, PostRecord)}
        assert len(found) == len(items)
        return found

    def post(self, path: str = LAVKA) -> Item:
        """The only post."""
        (item,) = self.posts(path).values()
        return item

    def said(self, path: str = LAVKA) -> PostRecord:
        """What the only post says."""
        record = self.post(path).record
        assert isinstance(record, PostRecord)
        return record


@pytest.fixture
def crm(office: Office) -> History:
    return History(office)


class TestWhatIsTold:
    def test_a_mail_says_who_when_to_whom_and_what_was_new(self, crm: History) -> None:
        quoted = "Пришлите договор.\n\n02.03.2026 10:00, Анна пишет:\n> Старый текст\n"
        crm.mail("Договор", body_text=quoted)
        crm.settled()
        assert crm.said().subject == "2 Mar 2026, mail received, olga@lavka.example → anna@office.test: Договор"
        head, text, link = crm.said().body.split("\n\n")
        assert head.splitlines() == [
            "When: 2 Mar 2026, 15:00",
            "From: olga@lavka.example",
            "To: anna@office.test",
        ]
        assert text == "Пришлите договор."
        assert link.startswith("Profile: http")
        assert link.endswith("/companies/1")

    def test_blind_copies_are_never_told(self, crm: History) -> None:
        people = (
            Participant(Role.FROM, "anna@office.test", "Анна"),
            Participant(Role.TO, "olga@lavka.example", "Ольга"),
            Participant(Role.BCC, "boss@office.test", "Тайный Читатель"),
        )
        crm.put("Sent Items", mail("Цены", participants=people))
        crm.office.run("anna", "mail")
        crm.settled()
        assert "Ольга" in crm.said().body
        assert "Тайный" not in crm.said().body + crm.said().subject
        assert "boss" not in crm.said().body

    def test_the_folder_of_a_company_does_not_tell_that_its_people_got_a_blind_copy(self, crm: History) -> None:
        crm.put("Contacts", contact("Пётр", "petr@rynok.example", company_name="ООО «Рынок»"))
        crm.office.run("anna", "contacts")
        sender, blind = Participant(Role.FROM, "anna@office.test"), Participant(Role.BCC, "olga@lavka.example")
        for number, to in enumerate(("petr@rynok.example", "nobody@else.example")):
            people = sender, Participant(Role.TO, to), blind
            crm.put("Sent Items", mail(f"Цены {number}", participants=people))
        crm.office.run("anna", "mail")
        crm.settled()
        assert crm.posts() == {}
        assert [subject.rpartition(": ")[2] for subject in crm.posts(f"{TOP}/ООО «Рынок»")] == ["Цены 0"]

    def test_of_a_mail_that_is_headers_only_the_headers_are_told(self, crm: History) -> None:
        with crm.crm() as session:
            mailboxes.get(session, f"anna@{DOMAIN}").detail = "headers"
        crm.mail("Тайна", body_text="Секретный текст")
        crm.settled()
        post = crm.said()
        assert "Тайна" not in post.subject + post.body
        assert "Секретный" not in post.body
        assert post.subject == "2 Mar 2026, mail received, olga@lavka.example → anna@office.test"

    def test_a_meeting_is_told_when_it_took_place_and_follows_when_it_moves(self, crm: History) -> None:
        item = crm.put("Calendar", meeting("Дегустация"))
        crm.office.run("anna", "calendar")
        crm.settled()
        assert crm.said().subject.startswith("2 Mar 2026, 15:00, meeting")
        assert "When: 2 Mar 2026, 15:00 – 16:00" in crm.said().body
        later = NOON + timedelta(days=1)
        record = crm.server._item(item).record
        crm.server.change(item, replace(record, start=later, end=later + timedelta(hours=2), location="Склад"))  # type: ignore[call-arg]
        crm.office.run("anna", "calendar")
        crm.settled()
        assert "When: 3 Mar 2026, 15:00 – 17:00\nPlace: Склад" in crm.said().body

    def test_what_is_yet_to_come_is_no_history(self, crm: History) -> None:
        soon = utcnow() + timedelta(days=3)
        crm.put("Calendar", meeting("Дегустация", start=soon, end=soon + timedelta(hours=1)))
        crm.office.run("anna", "calendar")
        crm.settled()
        assert not crm.posts()

    def test_notes_are_told(self, crm: History) -> None:
        with crm.crm() as session:
            activity = Activity(kind="note", occurred_at=NOON, is_matched=True, snippet="Звонила Ольга")
            session.add(activity)
            session.flush()
            session.add(Note(activity_id=activity.id, text="Звонила Ольга\nХочет скидку"))
            session.add(CompanyTimeline(company_id=1, occurred_at=NOON, activity_id=activity.id, kind="note"))
        crm.settled()
        assert crm.said().subject == "2 Mar 2026, note: Звонила Ольга"
        assert "Хочет скидку" in crm.said().body

    def test_control_characters_do_not_stop_a_post(self, crm: History) -> None:
        crm.mail("Цены\x07", body_text="a\x01b")
        crm.settled()
        assert "a b" in crm.said().body


class TestWhichAreTold:
    @pytest.mark.parametrize("sharing", [Sharing.PRIVATE, Sharing.PARTICIPANTS, Sharing.TEAM])
    def test_only_what_everybody_may_read_is_posted_and_goes_when_it_is_no_longer(
        self, crm: History, sharing: Sharing
    ) -> None:
        crm.mail()
        crm.settled()
        assert crm.posts()
        with crm.crm() as session:
            session.execute(update(Activity).values(sharing=sharing))
        crm.settled()
        assert not crm.posts()
        with crm.crm() as session:
            session.execute(update(Activity).values(sharing=Sharing.EVERYONE))
        crm.settled()
        assert crm.posts()

    @pytest.mark.parametrize("sharing", [Sharing.PRIVATE, Sharing.PARTICIPANTS, Sharing.TEAM])
    def test_what_only_the_people_of_the_mailbox_may_read_is_not_posted_there_either(
        self, crm: History, sharing: Sharing
    ) -> None:
        with crm.crm() as session:
            users.add(session, "anna", "manager", "correct horse", email=f"anna@{DOMAIN}", language="en")
            mailbox = mailboxes.get(session, f"anna@{DOMAIN}")
            mailbox.user_id, mailbox.sharing = 1, sharing
            mailbox.streams.append(Stream(kind=StreamKind.POSTS, direction="out", posts_since=SINCE))
        crm.mail()
        crm.office.run("anna", "posts")
        assert crm.activity("Цены")
        with crm.crm() as session:
            assert not session.scalars(select(Link).where(Link.entity == "post")).all()

    def test_what_is_withdrawn_goes_even_when_somebody_changed_the_post(self, crm: History) -> None:
        item = crm.mail()
        crm.settled()
        crm.server.change(crm.post().remote_id, replace(crm.said(), subject="Mine"))
        crm.server.change(item, mail(is_private=True))
        crm.office.run("anna", "mail")
        crm.settled()
        assert not crm.posts()

    def test_what_is_withdrawn_after_its_post_was_deleted_is_as_good_as_gone(self, crm: History) -> None:
        item = crm.mail()
        crm.settled()
        crm.server.delete(crm.post().remote_id)
        crm.server.change(item, mail(is_private=True))
        crm.office.run("anna", "mail")
        crm.settled()
        with crm.crm() as session:
            assert session.scalars(select(Link).where(Link.entity == "post", Link.gone_at.is_(None))).all() == []

    def test_clients_whom_the_people_of_the_mailbox_do_not_see_are_not_told_of(self, crm: History) -> None:
        crm.mail()
        crm.settled()
        with crm.crm() as session:
            users.add(session, "vera", "manager", "correct horse", email="vera@office.test", language="en")
            company = session.get_one(Company, 1)
            company.owner_id = 1
        crm.settled()
        assert not crm.posts()

    def test_older_history_and_that_of_nobody_stays_out(self, crm: History) -> None:
        crm.mail("Старое", sent_at=SINCE - timedelta(days=1), received_at=SINCE - timedelta(days=1))
        crm.mail("Чужое", sender="who@nowhere.example")
        crm.mail("Наше")
        crm.settled()
        assert len(crm.posts()) == 1
        assert "Наше" in crm.said().subject

    def test_a_backlog_is_written_some_at_a_time_newest_first(
        self, crm: History, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(posts, "MOST", 1)
        for number in range(5):
            when = NOON + timedelta(days=number)
            crm.put("Inbox", mail(f"Письмо {number}", sent_at=when, received_at=when))
        crm.office.run("anna", "mail")
        crm.run()
        assert "4" in {subject[-1] for subject in crm.posts()}
        assert len(crm.posts()) < 5
        crm.settled()
        assert len(crm.posts()) == 5


class TestInOutlook:
    def test_a_post_that_was_deleted_stays_deleted(self, crm: History) -> None:
        crm.mail()
        crm.settled()
        crm.server.delete(crm.post().remote_id)
        crm.settled()
        with crm.crm() as session:
            session.execute(update(Activity).values(subject="Новая тема"))
        crm.touch(1)
        crm.settled()
        assert not crm.posts()

    def test_a_post_that_was_changed_is_left_alone(self, crm: History) -> None:
        crm.mail()
        crm.settled()
        mine = replace(crm.said(), body="My own words")
        crm.server.change(crm.post().remote_id, mine)
        with crm.crm() as session:
            session.execute(update(Activity).values(subject="Новая тема"))
        crm.touch(1)
        crm.settled()
        assert crm.said() == mine

    def test_a_version_that_is_new_only_for_the_server_is_no_change(self, crm: History) -> None:
        crm.server.second_change = True
        crm.mail()
        crm.settled()
        with crm.crm() as session:
            session.execute(update(Activity).values(subject="Новая тема"))
        crm.touch(1)
        crm.settled()
        assert "Новая тема" in crm.said().subject

    def test_nothing_is_written_when_nothing_changed(self, crm: History) -> None:
        crm.mail()
        crm.settled()
        before = crm.server.writes
        crm.touch(1)
        crm.run()
        assert crm.server.writes == before

    def test_the_folder_is_called_in_the_language_of_the_office(
        self, crm: History, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """And what lies in it is read as mail in no language."""
        monkeypatch.setattr(Language, "gettext", lambda self, text: f"{text} ({self.code})")
        settings = crm.office.settings
        settings.web.default_language = "ru"
        crm.mail("Договор")
        crm.settled()
        assert crm.posts(f"{TOP} (ru)/ООО «Лавка»")
        assert {f"{TOP} (ru)", f"{TOP} (en)"} <= set(mirror_folders.left_out_paths(settings, ()))

    def test_a_company_keeps_its_folder_when_either_is_renamed(self, crm: History) -> None:
        crm.mail("Первое")
        crm.settled()
        with crm.crm() as session:
            session.get_one(Company, 1).name = "Лавка и сыновья"
        crm.mail("Второе")
        crm.settled()
        assert len(crm.posts()) == 2

    def test_two_companies_of_one_name_have_each_a_folder(self, crm: History) -> None:
        crm.put("Contacts", contact("Пётр", "petr@other.example", company_name="Другая"))
        crm.office.run("anna", "contacts")
        with crm.crm() as session:
            first = session.get_one(Company, 1)
            for company in session.scalars(select(Company).where(Company.id != 1)):
                company.name, company.name_key = first.name, first.name_key
                second = company.id
        crm.put("Inbox", mail("Одно"))
        crm.put("Inbox", mail("Другое", sender="petr@other.example"))
        crm.office.run("anna", "mail")
        crm.settled()
        assert len(crm.posts()) == 1
        assert len(crm.posts(f"{LAVKA} ({second})")) == 1

    def test_a_folder_that_was_deleted_is_not_made_again(self, crm: History) -> None:
        crm.mail("Первое")
        crm.settled()
        crm.server.remove_folder(crm.office.folder("history", LAVKA))
        crm.mail("Второе")
        crm.settled()
        assert not crm.posts()
        crm.server.remove_folder(crm.office.folder("history", TOP))
        crm.settled()
        assert TOP not in {box.folder.path for box in crm.server._folders[f"history@{DOMAIN}"].values()}

    def test_a_folder_is_made_again_when_an_admin_says_so(self, crm: History) -> None:
        crm.mail("Первое")
        crm.settled()
        crm.server.remove_folder(crm.office.folder("history", LAVKA))
        crm.settled()
        with crm.crm() as session:
            stream = session.scalars(select(Stream).where(Stream.kind == "posts")).one()
            assert posts.make_folders_again(session, stream)
        crm.mail("Второе")
        crm.settled()
        assert "Второе" in crm.said().subject

    def test_a_folder_that_comes_back_is_kept_up_to_date_again(self, crm: History) -> None:
        crm.mail()
        crm.settled()
        boxes = crm.server._folders[f"history@{DOMAIN}"].values()
        box = next(box for box in boxes if box.folder.path == LAVKA)
        there, box.folder = box.folder, replace(box.folder, path="Deleted Items/Лавка", well_known="deleteditems")
        crm.settled()
        box.folder = there
        crm.settled()
        assert len(crm.posts()) == 1
        with crm.crm() as session:
            session.execute(update(Activity).values(sharing=Sharing.PRIVATE))
        crm.settled()
        assert not crm.posts()

    def test_posts_are_not_mirrored_as_mail(self, crm: History) -> None:
        crm.office.run("history", "mail")
        crm.mail()
        crm.settled()
        crm.office.run("history", "mail")
        with crm.crm() as session:
            assert len(session.scalars(select(Message)).all()) == 1
            stream = session.scalars(
                select(Stream).where(Stream.kind == "mail", Stream.mailbox.has(address=f"history@{DOMAIN}"))
            ).one()
            read = [row.path for row in stream.folders if row.gone_at is None and not row.is_excluded]
            assert "Inbox" in read
            assert not [path for path in read if path.startswith(TOP)]

    def test_a_post_follows_its_activity_to_another_company(self, crm: History) -> None:
        crm.mail()
        crm.put("Contacts", contact("Пётр", "petr@other.example", company_name="Другая"))
        crm.office.run("anna", "contacts")
        crm.settled()
        with crm.crm() as session:
            other = session.scalars(select(Company).where(Company.id != 1)).one()
            session.execute(update(CompanyTimeline).values(company_id=other.id))
        crm.touch(crm.activity("Цены"))
        crm.settled()
        assert not crm.posts()
        assert len(crm.posts(f"{TOP}/Другая")) == 1

    def test_a_post_leaves_its_company_for_one_whose_folder_was_deleted(self, crm: History) -> None:
        crm.put("Contacts", contact("Пётр", "petr@other.example", company_name="Другая"))
        crm.office.run("anna", "contacts")
        crm.mail("Одно")
        crm.mail("Другое", sender="petr@other.example")
        crm.settled()
        crm.server.remove_folder(crm.office.folder("history", f"{TOP}/Другая"))
        with crm.crm() as session:
            other = session.scalars(select(Company.id).where(Company.id != 1)).one()
            session.execute(update(CompanyTimeline).values(company_id=other))
        crm.touch(crm.activity("Одно"))
        crm.settled()
        assert not crm.posts()

    def test_a_post_stays_where_it_is_when_its_company_is_merged(self, crm: History) -> None:
        crm.mail()
        crm.put("Contacts", contact("Пётр", "petr@other.example", company_name="Другая"))
        crm.office.run("anna", "contacts")
        crm.settled()
        with crm.crm() as session:
            other = session.scalars(select(Company).where(Company.id != 1)).one()
            session.execute(update(CompanyTimeline).values(company_id=other.id))
            session.get_one(Company, 1).merged_into_id = other.id
        crm.touch(crm.activity("Цены"))
        crm.settled()
        assert len(crm.posts()) == 1


class TestTrouble:
    def test_a_lost_answer_makes_no_second_post(self, crm: History) -> None:
        crm.mail()
        crm.server.lose_answers()
        summary = crm.office.run("history", "posts")
        assert summary.state != "ok"
        crm.settled()
        assert len(crm.posts()) == 1

    def test_a_lost_answer_to_a_change_or_a_removal_does_no_harm(self, crm: History) -> None:
        item = crm.mail()
        crm.settled()
        with crm.crm() as session:
            session.execute(update(Activity).values(subject="Новая тема"))
        crm.touch(1)
        crm.server.lose_answers()
        crm.office.run("history", "posts")
        crm.settled()
        assert "Новая тема" in crm.said().subject
        crm.server.change(item, mail(is_private=True))
        crm.office.run("anna", "mail")
        crm.server.lose_answers()
        crm.office.run("history", "posts")
        crm.settled()
        assert not crm.posts()
