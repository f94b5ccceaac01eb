"""An office in which every mailbox has a card of every client, and what its people and its mail do (W2, W5).

`Cards.overdue` tells the cards that no longer say what was written into Outlook and that nobody owes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from terracrm.config import Settings
from terracrm.domain.addresses import DomainPolicy
from terracrm.domain.capture import Decision, Detail
from terracrm.domain.records import MessageRecord, Participant, Role
from terracrm.errors import TerraCRMError
from terracrm.models import (
    Activity,
    ActivityTopic,
    Company,
    Contact,
    Link,
    Mailbox,
    Meeting,
    Merge,
    Message,
    MirrorFolder,
    OutboxItem,
    Sharing,
    Stream,
    SyncRun,
    Task,
    User,
    utcnow,
)
from terracrm.services import (
    capture_rules,
    client_history,
    company_edits,
    contact_data,
    contact_edits,
    field_history,
    mail_detail,
    mailboxes,
    merges,
    mirror_calendar,
    mirror_mail,
    rule_effects,
    sender_decisions,
    tasks,
    topics,
    users,
)
from terracrm.services.access import Viewer, operator
from terracrm.services.client_history import Facts
from terracrm.services.mail_text import MailText
from terracrm.services.mirror_mail import Arrival
from terracrm.services.sender_decisions import Choice, Ignore, NewContact, ToCompany, ToContact
from terracrm.services.sources import Source, source_of
from tests.services.postbox import OURS, letter
from tests.sync.calendar_items import meeting

PEOPLE = {"anna": "North", "galina": "North", "boris": "South"}
LEVELS = {"anna": Sharing.EVERYONE, "galina": Sharing.TEAM, "boris": Sharing.PRIVATE, "orders": Sharing.EVERYONE}
SENDERS = ("olga@lavka.example", "ivan@lavka.example", "petr@opt.example", "new@lavka.example", "who@else.example")
POLICY = DomainPolicy.of([OURS], [])
SETTINGS = Settings(mirror={"internal_domains": [OURS], "create_contacts": "off"})  # type: ignore[arg-type]


@dataclass
class Cards:
    """The office. Operations that the services refuse do nothing."""

    session: Session
    now = utcnow() + timedelta(days=1)
    sources: dict[str, Source] = field(default_factory=dict)
    written: dict[tuple[int, int], Facts] = field(default_factory=dict)
    items: int = 0

    def __post_init__(self) -> None:
        for name, team in PEOPLE.items():
            users.add(self.session, name, "manager", "correct horse", email=f"{name}@{OURS}", team=team)
        for name, level in LEVELS.items():
            self._add_mailbox(name, level)
        for name, owner, address in (("Olga", "anna", SENDERS[0]), ("Ivan", "galina", SENDERS[1]),
                                     ("Petr", "boris", SENDERS[2])):  # fmt: skip
            contact = Contact(display_name="", name_key="", owner_id=self.user(owner).id)
            self.session.add(contact)
            entry = {"label": "1", "address": address}
            contact_data.change(self.session, self.origin, POLICY, contact, {"display_name": name, "emails": [entry]})
        self.write()

    origin = field_history.of_viewer(operator())

    def overdue(self) -> dict[tuple[int, int], tuple[Facts, Facts]]:
        """The cards that are not what was written, and are not owed now: what was written, and what they are to be."""
        owed = set(
            self.session.execute(
                select(OutboxItem.mailbox_id, OutboxItem.local_id).where(
                    OutboxItem.state == "owed", OutboxItem.entity == "contact", OutboxItem.next_try_at <= self.now
                )
            ).all()
        )
        there = set(self.session.execute(select(Link.mailbox_id, Link.local_id).where(Link.rule == "clients")).all())
        now = self._facts()
        return {
            key: (was, now[key])
            for key, was in self.written.items()
            if key in there and now[key] != was and key not in owed
        }

    def write(self) -> None:
        """Everything owed is written; every client has a card again in every mailbox."""
        self.session.flush()
        self.session.execute(delete(OutboxItem))
        self.session.execute(delete(Link).where(Link.rule == "clients"))
        contacts = self.session.scalars(select(Contact.id)).all()
        for stream in self._streams():
            for contact_id in contacts:
                self.items += 1
                self.session.add(
                    Link(
                        mailbox_id=stream.mailbox_id,
                        folder_id=stream.folders[0].id,
                        entity="contact",
                        local_id=contact_id,
                        remote_id=f"card-{self.items}",
                        rule="clients",
                    )
                )
        self.session.flush()
        self.written = self._facts()

    def attempt(self, operation: Callable[[Cards, int], None], number: int) -> None:
        """Do something; what is refused is undone."""
        with self.session.begin_nested() as attempt:
            try:
                operation(self, number)
                self.session.flush()
            except TerraCRMError:
                attempt.rollback()

    def user(self, name: str) -> User:
        return users.get(self.session, name)

    def viewer(self) -> Viewer:
        return operator()

    def source(self, name: str, kind: str) -> Source:
        """The folder of a mailbox that holds things of a kind."""
        key = f"{name}/{kind}"
        if key not in self.sources:
            stream = next(s for s in self.mailbox(name).streams if s.kind == kind)
            folder = MirrorFolder(remote_id=key, path=kind)
            stream.folders.append(folder)
            run = SyncRun(stream_id=stream.id)
            self.session.add(run)
            self.session.flush()
            self.sources[key] = source_of(SETTINGS, stream.mailbox, folder, run.id)
        return self.sources[key]

    def mailbox(self, name: str) -> Mailbox:
        return mailboxes.get(self.session, f"{name}@{OURS}")

    def some(self, rows: object, number: int) -> object | None:
        """One of the rows, or None."""
        found = self.session.scalars(rows).all()  # type: ignore[call-overload]
        return found[number % len(found)] if found else None

    def _add_mailbox(self, name: str, level: Sharing) -> None:
        team = "North" if name == "orders" else None
        box = mailboxes.add(self.session, f"{name}@{OURS}", "https://mail.test", name, team=team)
        box.sharing = level
        contacts = next(stream for stream in box.streams if stream.kind == "contacts")
        contacts.direction = "both"
        contacts.folders.append(MirrorFolder(remote_id=f"clients-{name}", path="Clients", role="clients"))
        self.session.flush()

    def _streams(self) -> list[Stream]:
        found = select(Stream).where(Stream.kind == "contacts").order_by(Stream.id)
        return list(self.session.scalars(found))

    def _facts(self) -> dict[tuple[int, int], Facts]:
        self.session.expire_all()
        contacts = self.session.scalars(select(Contact.id)).all()
        return {
            (stream.mailbox_id, contact_id): replace(facts, until=None)
            for stream in self._streams()
            for contact_id, facts in client_history.facts(self.session, SETTINGS, stream, contacts, self.now).items()
        }


def arrive(office: Cards, number: int, detail: Detail = Detail.FULL) -> None:
    """A mail comes to a mailbox, perhaps not the first; some are about others by a token, some copy others blindly."""
    seed = number % 40
    sender, to = SENDERS[seed % len(SENDERS)], list(LEVELS)[seed % len(LEVELS)]
    other = SENDERS[seed // 5 % len(SENDERS)]
    people: tuple[Participant, ...] = (Participant(Role.FROM, sender), Participant(Role.TO, f"{to}@{OURS}"))
    if seed % 2:
        people = (Participant(Role.FROM, f"{to}@{OURS}"), Participant(Role.TO, sender), Participant(Role.BCC, other))
    token = f" [#P{seed % 4}]" if seed % 3 == 0 else ""
    record = letter(f"m{seed}", subject=f"Заказ {seed % 7}{token}", day=seed % 11, participants=people)
    deliver(office, list(LEVELS)[(seed + number // 40) % len(LEVELS)], record, detail)


def arrive_bare(office: Cards, number: int) -> None:
    """A mail comes of which only the headers are kept."""
    arrive(office, number, Detail.HEADERS)


def deliver(office: Cards, name: str, record: MessageRecord, detail: Detail) -> None:
    office.items += 1
    source = office.source(name, "mail")
    arrival = Arrival(
        f"mail-{office.items}", "v1", record, Decision(True, "mail", detail), MailText(record, source.full_text_chars)
    )
    mirror_mail.store(office.session, source, [arrival])


def withdraw(office: Cards, number: int) -> None:
    """One copy of a mail becomes private."""
    link = office.some(select(Link).where(Link.entity == "message").order_by(Link.id), number)
    if isinstance(link, Link):
        mirror_mail.withdraw(office.session, office.source("anna", "mail"), link)


def cut(office: Cards, number: int) -> None:
    """Nobody keeps what a mail says any more."""
    message = office.some(select(Message).order_by(Message.activity_id), number)
    if isinstance(message, Message):
        mail_detail.cut(office.session, [message.activity_id])


def set_topic(office: Cards, number: int) -> None:
    """A person says whom an entry is about."""
    activity = office.some(select(Activity).order_by(Activity.id), number)
    client = office.some(select(Contact).where(Contact.merged_into_id.is_(None)).order_by(Contact.id), number // 3)
    if isinstance(activity, Activity) and isinstance(client, Contact):
        topics.set_topic(office.session, office.viewer(), activity.id, "contact", client.id)


def remove_topic(office: Cards, number: int) -> None:
    """A person takes that back."""
    topic = office.some(
        select(ActivityTopic).where(ActivityTopic.method == "manual").order_by(ActivityTopic.id), number
    )
    if isinstance(topic, ActivityTopic):
        topics.remove(office.session, office.viewer(), topic.id)


def decide(office: Cards, number: int) -> None:
    """A person says who a stranger is."""
    contact = office.some(select(Contact).where(Contact.merged_into_id.is_(None)).order_by(Contact.id), number)
    company = office.some(select(Company).where(Company.merged_into_id.is_(None)).order_by(Company.id), number)
    choices: list[Choice] = [Ignore(), NewContact(f"New {number % 5}")]
    if isinstance(contact, Contact):
        choices.append(ToContact(contact.id))
    if isinstance(company, Company):
        choices.append(ToCompany(company.id, takes_domain=bool(number % 2)))
    choice = choices[number // 5 % len(choices)]
    sender_decisions.decide(office.session, POLICY, office.viewer(), SENDERS[3 + number % 2], choice)


def undo_decision(office: Cards, number: int) -> None:
    """A person takes that back."""
    sender_decisions.undo(office.session, POLICY, office.viewer(), SENDERS[3 + number % 2])


def merge(office: Cards, number: int) -> None:
    """Two clients are one."""
    model, entity = ((Contact, "contact"), (Company, "company"))[number % 2]
    rows = office.session.scalars(select(model.id).where(model.merged_into_id.is_(None)).order_by(model.id)).all()
    if len(rows) > 1:
        winner, loser = rows[number % len(rows)], rows[(number + 1) % len(rows)]
        merges.merge(office.session, office.viewer(), entity, winner, loser)  # type: ignore[arg-type]


def undo_merge(office: Cards, number: int) -> None:
    """They are two after all."""
    made = office.some(select(Merge).where(Merge.undone_at.is_(None)).order_by(Merge.id.desc()), 0)
    if isinstance(made, Merge):
        merges.undo(office.session, SETTINGS, office.viewer(), made.id)


def edit(office: Cards, number: int) -> None:
    """The data of a client change: its name, its employer, its addresses, or where the relationship stands."""
    contact = office.some(select(Contact).where(Contact.merged_into_id.is_(None)).order_by(Contact.id), number)
    if isinstance(contact, Contact):
        addresses = [{"label": "1", "address": SENDERS[number // 4 % len(SENDERS)]}]
        changes: tuple[dict[str, object], ...] = (
            {"display_name": f"Name {number % 4}"},
            {"company_name": f"ООО {number % 3}"},
            {"emails": addresses},
            {"stage": f"Stage {number // 4 % 3}"},
        )
        contact_edits.edit(office.session, POLICY, office.viewer(), contact.id, changes[number % 4])


def edit_company(office: Cards, number: int) -> None:
    """A company is called otherwise, or takes or gives up a domain."""
    company = office.some(select(Company).where(Company.merged_into_id.is_(None)).order_by(Company.id), number)
    if isinstance(company, Company):
        domains = [[], ["lavka.example"], ["else.example"], ["opt.example"]][number // 2 % 4]
        values: dict[str, object] = {"domains": domains} if number % 2 else {"name": f"ООО {number % 9}"}
        company_edits.edit(office.session, POLICY, office.viewer(), company.id, values)


def hand_over(office: Cards, number: int) -> None:
    """A client or a company comes to somebody else, or nobody."""
    owner = [*PEOPLE, None][number // 7 % 4]
    user = office.user(owner) if owner else None
    values = {"owner_id": user.id if user else None, "team_id": user.team_id if user and number % 3 else None}
    client = office.some(
        select((Contact, Company)[number % 2]).order_by((Contact, Company)[number % 2].id), number // 2
    )
    if isinstance(client, Contact):
        contact_edits.assign(office.session, office.viewer(), client.id, **values)
    elif isinstance(client, Company):
        company_edits.assign(office.session, office.viewer(), client.id, **values)


def put_away(office: Cards, number: int) -> None:
    """A client is archived, or taken out again: mail is matched anew."""
    contact = office.some(select(Contact).where(Contact.merged_into_id.is_(None)).order_by(Contact.id), number // 2)
    if isinstance(contact, Contact):
        act = contact_edits.restore if number % 2 else contact_edits.archive
        act(office.session, office.viewer(), contact.id)


def change_rules(office: Cards, number: int) -> None:
    """A mailbox keeps less of its mail, or none."""
    box = office.mailbox(list(LEVELS)[number % len(LEVELS)])
    old = capture_rules.of(box)
    new = replace(old, capture=("all", "known", "none")[number % 3], detail=("full", "headers")[number // 3 % 2])
    plan = rule_effects.plan(office.session, SETTINGS, box, old, new)
    box.capture, box.detail = new.capture, new.detail
    rule_effects.perform(office.session, SETTINGS, box, plan)


def add_task(office: Cards, number: int) -> None:
    """Somebody is to do something for a client."""
    contact = office.some(select(Contact).where(Contact.merged_into_id.is_(None)).order_by(Contact.id), number)
    if isinstance(contact, Contact):
        draft = tasks.Draft(f"Task {number % 5}", due_on=date(2026, 12, 28 - number % 28) if number % 3 else None)
        who = office.user(list(PEOPLE)[number % 3]).id
        tasks.add(office.session, office.viewer(), draft, contact_id=contact.id, responsible_id=who)


def work_on_task(office: Cards, number: int) -> None:
    """A task is changed, handed on, done, cancelled or opened again."""
    task = office.some(select(Task).order_by(Task.activity_id), number)
    if not isinstance(task, Task):
        return
    id_, session, viewer = task.activity_id, office.session, office.viewer()
    acts: tuple[Callable[[], object], ...] = (
        lambda: tasks.change(session, viewer, id_, {"subject": f"Changed {number % 5}"}),
        lambda: tasks.change(session, viewer, id_, {"due_on": date(2026, 12, 1 + number % 28)}),
        lambda: tasks.assign(session, viewer, id_, office.user(list(PEOPLE)[number % 3]).id),
        lambda: tasks.done(session, viewer, id_),
        lambda: tasks.cancel(session, viewer, id_),
        lambda: tasks.reopen(session, viewer, id_),
    )
    acts[number // 2 % len(acts)]()


def meet(office: Cards, number: int) -> None:
    """A meeting with a client is called, moved, called otherwise, cancelled, made private by one, or is a series."""
    name, client = list(PEOPLE)[number % 3], SENDERS[number // 3 % 3]
    people = (Participant(Role.ORGANIZER, f"{name}@{OURS}"), Participant(Role.REQUIRED, client))
    start = f"{office.now + timedelta(days=number % 9 - 4):%Y-%m-%d} 10:00"
    record = meeting(start, uid=f"uid-{number % 5}", participants=people, subject=f"Встреча {number % 4}",
                     is_cancelled=number % 4 == 0, body_text=f"Текст {number % 3}")  # fmt: skip
    source = office.source(name, "calendar")
    mirror_calendar.store(office.session, source, f"meeting-{name}-{number % 5}", f"v{office.items}", record)


def withdraw_meeting(office: Cards, number: int) -> None:
    """One copy of a meeting becomes private."""
    link = office.some(select(Link).where(Link.entity == "meeting").order_by(Link.id), number)
    if isinstance(link, Link) and office.session.get(Meeting, link.local_id) is not None:
        mirror_calendar.withdraw(office.session, office.source("anna", "calendar"), link)


def change_user(office: Cards, number: int) -> None:
    """Somebody changes the team or the role, reads another language, or leaves."""
    user = office.user(list(PEOPLE)[number % 3])
    acts: tuple[Callable[[], None], ...] = (
        lambda: users.change(office.session, user, team=("North", "South", "")[number // 3 % 3]),
        lambda: users.change(office.session, user, role=("manager", "controller", "admin")[number // 3 % 3]),
        lambda: users.change(office.session, user, language=("en", "ru")[number // 3 % 2]),
        lambda: users.change(office.session, user, is_active=bool(number // 3 % 2)),
    )
    acts[number // 2 % len(acts)]()


def give_mailbox(office: Cards, number: int) -> None:
    """A mailbox comes to somebody else, to a team, or to nobody."""
    box = office.mailbox(list(LEVELS)[number % len(LEVELS)])
    owners: tuple[dict[str, str], ...] = ({"user": "anna"}, {"user": "boris"}, {"team": "North"}, {"team": "South"}, {})
    mailboxes.give(office.session, box, **owners[number // 4 % len(owners)])


OPERATIONS: dict[str, Callable[[Cards, int], None]] = {
    operation.__name__: operation
    for operation in (
        arrive, arrive_bare, withdraw, cut, set_topic, remove_topic, decide, undo_decision, merge, undo_merge, edit,
        edit_company, hand_over, put_away, add_task, work_on_task, meet, withdraw_meeting, change_user, give_mailbox,
        change_rules,
    )
}  # fmt: skip
