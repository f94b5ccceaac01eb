"""Whose clients have a card in which mailbox (W1)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Engine, event, select
from sqlalchemy.orm import Session

from terracrm.config import Settings
from terracrm.domain.segments import Condition, Operator
from terracrm.errors import NotFound
from terracrm.models import (
    Company,
    Contact,
    Link,
    Mailbox,
    MirrorFolder,
    OutboxItem,
    Region,
    Stream,
    Team,
    User,
    utcnow,
)
from terracrm.services import client_writes, links, outbox, scopes, segments

SETTINGS = Settings()


class Clients:
    """Two teams of one region and one of another, people in them, and clients of every kind."""

    def __init__(self, session: Session) -> None:
        self.session = session
        north, south = Region(name="North"), Region(name="South")
        self.teams = {
            "sales": Team(name="Sales", region=north),
            "export": Team(name="Export", region=north),
            "south": Team(name="South", region=south),
            "loose": Team(name="Loose"),
        }
        session.add_all(self.teams.values())
        self.users = {
            name: User(name=name, role_code="manager", team=self.teams.get(team), email=f"{name}@x.test")
            for name, team in {
                "anna": "sales", "boris": "sales", "vera": "export", "gleb": "south", "dina": "loose", "egor": "",
            }.items()
        }  # fmt: skip
        session.add_all(self.users.values())
        session.flush()
        self.contacts: dict[int, str] = {}
        for user in self.users:
            self.client(f"{user}'s", owner=user)
        for team in self.teams:
            self.client(f"{team} team's", team=team)
        self.client("nobody's")
        self.client("of anna's company", company=self.company("Anna & Co", owner="anna"))
        self.client("of sales' company", company=self.company("Sales & Co", team="sales"))
        self.client("gleb's of anna's company", owner="gleb", company=self.company("Anna & Sons", owner="anna"))
        self.client("archived", owner="anna").archived_at = utcnow()
        self.client("merged", owner="anna").merged_into_id = next(iter(self.contacts))
        session.flush()

    def company(self, name: str, owner: str = "", team: str = "") -> Company:
        made = Company(name=name, name_key=name.lower(), owner=self.users.get(owner), team=self.teams.get(team))
        self.session.add(made)
        return made

    def client(self, name: str, owner: str = "", team: str = "", company: Company | None = None) -> Contact:
        made = Contact(
            display_name=name,
            name_key=name,
            owner=self.users.get(owner),
            team=self.teams.get(team),
            company=company,
            job_title="Buyer" if "anna" in name else "",
        )
        self.session.add(made)
        self.session.flush()
        self.contacts[made.id] = name
        return made

    def mailbox(self, scope: str, owner: str = "", team: str = "") -> Stream:
        mailbox = Mailbox(
            address=f"{owner}{team}{scope}@x.test",
            server="https://x.test",
            username="x",
            is_enabled=True,
            user=self.users.get(owner),
            team=self.teams.get(team),
        )
        stream = Stream(kind="contacts", direction="both", client_scope=scope, mailbox=mailbox)
        self.session.add_all([mailbox, stream])
        self.session.flush()
        return stream

    def within(self, stream: Stream) -> set[str]:
        found = select(Contact.id).where(scopes.condition(self.session, SETTINGS, stream))
        return {self.contacts[contact_id] for contact_id in self.session.scalars(found)}


@pytest.fixture
def clients(session: Session) -> Clients:
    """The clients of that office."""
    return Clients(session)


SALES = {"anna's", "boris's", "sales team's", "of anna's company", "of sales' company"}
NORTH = SALES | {"vera's", "export team's"}


@pytest.mark.parametrize(
    ("scope", "owner", "team", "expected"),
    [
        pytest.param(
            "mine", "anna", "", {"anna's", "of anna's company"}, id="her own, and of her company nobody else's"
        ),
        pytest.param("", "boris", "", {"boris's"}, id="as the settings say"),
        pytest.param("mine", "", "sales", SALES, id="of a shared mailbox they are the team's"),
        pytest.param("mine", "", "", set(), id="nobody's mailbox has none"),
        pytest.param("team", "", "", set(), id="nobody's mailbox has none in any scope"),
        pytest.param("team", "anna", "", SALES, id="the team's"),
        pytest.param("team", "egor", "", {"egor's"}, id="who is in no team has their own"),
        pytest.param("region", "anna", "", NORTH, id="all teams of the region"),
        pytest.param("region", "", "export", NORTH, id="all teams of the region of a shared mailbox"),
        pytest.param("region", "dina", "", {"dina's", "loose team's"}, id="a team in no region has its own"),
        pytest.param("region", "egor", "", {"egor's"}, id="nobody's region is oneself"),
        pytest.param("none", "anna", "", set(), id="none"),
    ],
)
def test_whose_clients_belong_into_a_mailbox(
    clients: Clients, scope: str, owner: str, team: str, expected: set[str]
) -> None:
    assert clients.within(clients.mailbox(scope, owner, team)) == expected


def test_a_segment_holds_whomever_it_says_but_no_archived_ones(clients: Clients) -> None:
    stream = clients.mailbox("segment", "boris")
    found = segments.add(clients.session, "Buyers", [Condition("job_title", Operator.IS, "Buyer")], None)
    stream.segment_id = found.id
    assert clients.within(stream) == {"anna's", "of anna's company", "gleb's of anna's company"}


def test_where_a_segment_is_no_more_nobody_knows_and_nothing_is_removed(clients: Clients) -> None:
    stream = clients.mailbox("segment", "boris")
    stream.segment_id = 999
    with pytest.raises(NotFound):
        client_writes.settle(clients.session, SETTINGS, stream)


class TestSettling:
    """What a mailbox lacks and what it has too much is owed, once, and by few queries."""

    def card(self, clients: Clients, stream: Stream, name: str, **values: object) -> Link:
        folder = next(iter(stream.folders), None)
        if folder is None:
            folder = MirrorFolder(remote_id=f"folder{stream.id}", role=outbox.CLIENTS, stream=stream)
            clients.session.add(folder)
            clients.session.flush()
        contact_id = next((key for key, value in clients.contacts.items() if value == name), 999)
        number = len(clients.session.scalars(select(Link)).all())
        told = {"match_method": links.WRITTEN, "rule": outbox.CLIENTS, "entity": "contact"} | values
        link = Link(
            mailbox_id=stream.mailbox_id, folder_id=folder.id, local_id=contact_id, remote_id=f"r{number}", **told
        )
        clients.session.add(link)
        clients.session.flush()
        return link

    def owed(self, clients: Clients, stream: Stream) -> dict[str, str]:
        client_writes.settle(clients.session, SETTINGS, stream)
        items = clients.session.scalars(select(OutboxItem).where(OutboxItem.mailbox_id == stream.mailbox_id))
        return {clients.contacts.get(item.local_id, "forgotten"): item.reason for item in items}

    def test_whom_it_lacks_and_whom_it_has_too_many(self, clients: Clients) -> None:
        stream = clients.mailbox("team", "anna")
        for name in ("anna's", "gleb's", "archived", "merged", "no such client"):
            self.card(clients, stream, name)
        self.card(clients, stream, "vera's", match_method="address")  # put there by a person: it stays
        self.card(clients, stream, "dina's", untracked_at=utcnow())  # made private: left alone
        self.card(clients, stream, "boris's", gone_at=utcnow(), untracked_at=utcnow())  # taken out by a person
        self.card(clients, stream, "sales team's")
        self.card(clients, stream, "sales team's")
        self.card(clients, stream, "egor's", rule="contacts_folder")  # an entry like any other
        gone = dict.fromkeys(("gleb's", "archived", "merged", "forgotten", "sales team's"), "left_scope")
        missing = dict.fromkeys(("of anna's company", "of sales' company"), "in_scope")
        assert self.owed(clients, stream) == gone | missing

    def test_what_is_owed_already_or_was_given_up_is_not_owed_again_and_again(self, clients: Clients) -> None:
        stream = clients.mailbox("mine", "boris")
        assert self.owed(clients, stream) == {"boris's": "in_scope"}
        item = clients.session.scalars(select(OutboxItem)).one()
        outbox.give_up(clients.session, item.id, item.revision, "refused")
        self.owed(clients, stream)
        clients.session.refresh(item)
        assert (item.state, item.revision) == ("given_up", 1)

    def test_what_waits_to_be_looked_at_again_is_not_on_the_list(self, clients: Clients) -> None:
        """Until the next meeting of the client, maybe: nobody waits so long for a card, nor for one to go."""
        stream = clients.mailbox("mine", "boris")
        boris, gleb = (
            next(key for key, name in clients.contacts.items() if name == who) for who in ("boris's", "gleb's")
        )
        self.card(clients, stream, "gleb's")
        later = utcnow() + timedelta(days=3)
        outbox.owe(clients.session, stream.mailbox_id, "contact", [boris, gleb], outbox.TIME, at=later)
        assert self.owed(clients, stream) == {"boris's": "in_scope", "gleb's": "left_scope"}
        assert len(outbox.due(clients.session, stream.mailbox_id, "contact")) == 2

    def test_what_has_failed_waits_for_its_next_try(self, clients: Clients) -> None:
        stream = clients.mailbox("mine", "boris")
        boris = next(key for key, name in clients.contacts.items() if name == "boris's")
        outbox.owe(clients.session, stream.mailbox_id, "contact", [boris], outbox.TIME)
        item = clients.session.scalars(select(OutboxItem)).one()
        outbox.failed(clients.session, item.id, "busy", utcnow() + timedelta(days=3), attempts=1)
        assert self.owed(clients, stream) == {"boris's": outbox.TIME}
        assert outbox.due(clients.session, stream.mailbox_id, "contact") == []

    def test_by_few_queries_however_many_there_are(self, clients: Clients, engine: Engine) -> None:
        stream = clients.mailbox("region", "anna")
        asked: list[str] = []
        event.listen(engine, "before_cursor_execute", lambda *found: asked.append(found[2]))
        client_writes.settle(clients.session, SETTINGS, stream)
        assert len([one for one in asked if one.startswith("SELECT")]) <= 8
