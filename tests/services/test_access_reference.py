"""Whatever an office looks like, everybody sees what the rules say, told here in plain Python once more (A1, A2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from terracrm.errors import NotFound
from terracrm.models import Activity, Company, Contact, Note, Sharing, Task, Team, User
from terracrm.services import access, companies, contacts, search, task_list, timeline
from terracrm.services.access import Viewer, viewer_of
from tests.office import OURS, Office

TEAMS = ("North", "South")
ROUNDS = 6


class World:
    """An office made by chance; what is in it is changed by chance, too."""

    def __init__(self, office: Office, random: Random) -> None:
        self.office, self.random = office, random
        self.held: dict[int, set[int]] = {}
        self.parties: dict[int, set[int]] = {}
        self.named: dict[int, tuple[set[Company], set[Contact]]] = {}
        for number, role in enumerate(("manager", "manager", "manager", "manager", "controller", "admin")):
            office.user(f"user{number}", role, random.choice(("", *TEAMS)))
        for team in TEAMS:
            office.teams.setdefault(team, Team(name=team))
            office.mailbox(f"shared-{team.lower()}", team=office.teams[team])
        office.mailbox("nobody")
        for number in range(5):
            office.company(f"Company {number}", f"c{number}.example")
        for number in range(10):
            domain = random.choice([*office.companies, "elsewhere.example"])
            office.contact(f"Person {number}", f"p{number}@{domain}")
        self.shuffle_owners()
        for number in range(40):
            self.happen(number)

    def shuffle_owners(self) -> None:
        """Everybody may change the team, every client the owner and the team; some clients are merged away."""
        choice = self.random.choice
        users, teams = list(self.office.users.values()), [None, *self.office.teams.values()]
        for user in users:
            user.team = choice(teams)
        for box in self.office.mailboxes.values():
            box.user, box.team = choice((None, *users)), choice(teams)
        for rows in (self.office.companies, self.office.contacts):
            everybody = list(rows.values())
            for row in everybody:
                row.owner, row.team = choice([None, None, *users]), choice([None, None, *teams])
                row.merged_into_id = choice([None, None, None, everybody[0].id]) if row is not everybody[0] else None
        for activity in self.office.activities.values():
            activity.sharing = choice(list(Sharing))
        self.office.session.flush()

    def happen(self, number: int) -> None:
        random, office = self.random, self.office
        kind = random.choice(("mail", "mail", "meeting", "note", "task"))
        addresses = random.sample(list(office.contacts), random.randint(0, 2))
        boxes = random.sample(list(office.mailboxes), random.randint(0, 2)) if kind in ("mail", "meeting") else []
        people = [("to", address) for address in addresses] + [("from", f"somebody@{OURS}")]
        sharing = random.choice(list(Sharing))
        row = office.activity(f"a{number}", kind, people, boxes, subject=f"zebra {number}", sharing=sharing)
        users = list(office.users.values())
        if kind == "note":
            author = random.choice(users)
            office.add(Note(activity_id=row.id, author_id=author.id, text=""))
            self.parties[row.id] = {author.id}
        if kind == "task":
            author, responsible = random.choices(users, k=2)
            office.add(Task(activity_id=row.id, author_id=author.id, responsible_id=responsible.id, text=""))
            self.parties[row.id] = {author.id, responsible.id}
        self.held[row.id] = {office.mailboxes[name].id for name in boxes}
        found = [office._whom(address) for address in addresses]
        self.named[row.id] = ({c for _, c in found if c is not None}, {c for c, _ in found if c is not None})

    def sees_client(self, user: User, client: Company | Contact) -> bool:
        if client.merged_into_id is not None:
            return False
        if user.role_code != "manager":
            return True
        if self.is_theirs(user, client):
            return True
        is_free = client.owner is None and client.team is None
        if isinstance(client, Company):
            return is_free
        employer = client.company
        if employer is None:
            return is_free
        return self.is_theirs(user, employer) or (is_free and employer.owner is None and employer.team is None)

    @staticmethod
    def is_theirs(user: User, client: Company | Contact) -> bool:
        team = {} if user.team is None else {client.team, client.owner.team if client.owner else None}
        return client.owner is user or user.team in team

    def sees(self, user: User, activity: Activity) -> bool:
        if user.role_code != "manager":
            return True
        boxes = [box for box in self.office.mailboxes.values() if box.id in self.held[activity.id]]
        is_own = any(box.user is user or (box.user is None and box.team and box.team is user.team) for box in boxes)
        if is_own or user.id in self.parties.get(activity.id, ()):
            return True
        of_team = [box for box in boxes if user.team in (box.team, box.user.team if box.user else None)]
        is_shared = activity.sharing == Sharing.EVERYONE or (
            activity.sharing == Sharing.TEAM and user.team is not None and bool(of_team)
        )
        clients = [*self.named[activity.id][0], *self.named[activity.id][1]]
        return is_shared and any(self.sees_client(user, client) for client in clients)


def agree_on_history(world: World, viewer: Viewer, seen: set[int]) -> None:
    """The condition, the whole history, both searches, and the history, counts and tasks of each client."""
    session, rows = world.office.session, world.office.activities.values()
    assert set(session.scalars(select(Activity.id).where(access.activities(viewer)))) == seen
    assert paged(lambda after: timeline.everywhere(session, viewer, after=after)) == seen
    found = paged(lambda after: search.history(session, viewer, "zeb", after))
    assert found == (seen if viewer.reads_content else set())
    assert set(ranked(session, viewer, "zeb")) == found
    for company in companies_of(world, viewer):
        mine = {row.id for row in rows if company in world.named[row.id][0]}
        page = timeline.of_client(session, viewer, "company", company.id, timeline.Filters())
        counts = companies.profile(session, viewer, company.id).counts
        tasks = task_list.of_client(session, viewer, "company", company.id)
        agree_on_client(world, viewer, page, counts, tasks, mine & seen)
    for contact in contacts_of(world, viewer):
        mine = {row.id for row in rows if contact in world.named[row.id][1]}
        page = timeline.of_client(session, viewer, "contact", contact.id, timeline.Filters())
        counts = contacts.profile(session, viewer, contact.id).counts
        tasks = task_list.of_client(session, viewer, "contact", contact.id)
        agree_on_client(world, viewer, page, counts, tasks, mine & seen)


def agree_on_client(
    world: World,
    viewer: Viewer,
    page: timeline.Page,
    counts: timeline.Counts,
    tasks: Sequence[task_list.TaskRow],
    expected: set[int],
) -> None:
    kinds = {row.id: row.kind for row in world.office.activities.values()}
    assert {entry.id for entry in page.entries} == expected
    assert sum(counts.of.values()) == len(expected)
    readable = {id_ for id_ in expected if kinds[id_] == "task"} if viewer.reads_content else set()
    assert len(tasks) == min(len(readable), task_list.SHOWN_OF_CLIENT)
    assert {task.id for task in tasks} <= readable


def agree_on_clients(world: World, viewer: Viewer, user: User) -> None:
    session, office = world.office.session, world.office
    seen_companies = {row.id for row in office.companies.values() if world.sees_client(user, row)}
    seen_contacts = {row.id for row in office.contacts.values() if world.sees_client(user, row)}
    assert {row.id for row in companies_of(world, viewer)} == seen_companies
    assert {row.id for row in contacts_of(world, viewer)} == seen_contacts
    assert {row.id for row in companies.listing(session, viewer).rows} == seen_companies
    assert {row.id for row in contacts.listing(session, viewer).rows} == seen_contacts
    for id_ in {row.id for row in office.companies.values()} - seen_companies:
        with pytest.raises(NotFound):
            companies.profile(session, viewer, id_)
    for id_ in {row.id for row in office.contacts.values()} - seen_contacts:
        with pytest.raises(NotFound):
            contacts.profile(session, viewer, id_)


def companies_of(world: World, viewer: Viewer) -> Sequence[Company]:
    return world.office.session.scalars(select(Company).where(access.companies(viewer))).all()


def contacts_of(world: World, viewer: Viewer) -> Sequence[Contact]:
    return world.office.session.scalars(select(Contact).where(access.contacts(viewer))).all()


def paged(read: Callable[[timeline.Cursor | None], timeline.Page]) -> set[int]:
    """All that the pages show, none of it twice."""
    ids, after = list[int](), None
    while True:
        page = read(after)
        ids += [entry.id for entry in page.entries]
        if (after := page.next) is None:
            assert len(ids) == len(set(ids))
            return set(ids)


def ranked(session: Session, viewer: Viewer, query: str) -> list[int]:
    """All that the ranked pages show."""
    ids, page = list[int](), 1
    while page:
        found = search.ranked(session, viewer, query, page)
        assert found.among is None
        ids += [entry.id for entry in found.entries]
        page = found.next or 0
    assert len(ids) == len(set(ids))
    return ids


@pytest.mark.parametrize("seed", range(3))
def test_everybody_sees_what_the_rules_say(session: Session, seed: int) -> None:
    world = World(Office(session), Random(seed))
    differ = set()
    for _ in range(ROUNDS):
        for user in world.office.users.values():
            viewer = viewer_of(session, user)
            seen = {row.id for row in world.office.activities.values() if world.sees(user, row)}
            agree_on_history(world, viewer, seen)
            agree_on_clients(world, viewer, user)
            differ.add(len(seen))
        world.shuffle_owners()
    assert len(differ) > ROUNDS
