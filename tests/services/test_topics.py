"""What activities are about: set by hand, by token, and inherited in a conversation (M3)."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from terracrm.config import Settings
from terracrm.domain.names import name_key
from terracrm.domain.records import MessageRecord
from terracrm.domain.topics import Gift, Member, inherited, tokens
from terracrm.errors import Forbidden, InvalidInput, NotFound
from terracrm.models import (
    Activity,
    ActivityTopic,
    AuditEntry,
    Company,
    CompanyDomain,
    CompanyTimeline,
    Contact,
    ContactAddress,
    ContactTimeline,
    Mailbox,
    Participant,
    Team,
    User,
)
from terracrm.services import access, history, merges, timeline, topics
from terracrm.services.access import Viewer, operator
from tests.services.postbox import START, Postbox, letter

ANNA, OLGA, STRANGER = "anna@office.test", "olga@lavka.example", "olga.home@gmail.example"


class Clients:
    """Companies, contacts and what is said of their history."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.postbox = Postbox(session)

    def company(self, name: str, domain: str = "", **values: object) -> Company:
        made = Company(name=name, name_key=name_key(name), **values)
        made.domains = [CompanyDomain(domain=domain)] if domain else []
        self.session.add(made)
        self.session.flush()
        if domain:
            history.link_domain(self.session, domain)
        return made

    def contact(self, name: str, address: str, company: Company | None = None, **values: object) -> Contact:
        made = Contact(display_name=name, name_key=name_key(name), company=company, **values)
        made.addresses = [ContactAddress(address=address, written=address)]
        self.session.add(made)
        self.session.flush()
        history.link_addresses(self.session, [address])
        return made

    def history(self, client: Company | Contact) -> set[str]:
        """The names of the mails in a client's history."""
        table = CompanyTimeline if isinstance(client, Company) else ContactTimeline
        owner = CompanyTimeline.company_id if isinstance(client, Company) else ContactTimeline.contact_id
        ids = set(self.session.scalars(select(table.activity_id).where(owner == client.id)))
        known = set(self.session.scalars(select(Activity.id).where(Activity.is_matched)))
        assert ids <= known
        return {name for name in self.names() if self.postbox.id_of(name) in ids}

    def methods(self) -> dict[str, tuple[str, str]]:
        """By name of the mail: how it came by its topic, and from which mail."""
        names = {self.postbox.id_of(name): name for name in self.names()}
        rows = self.session.execute(
            select(ActivityTopic.activity_id, ActivityTopic.method, ActivityTopic.from_activity_id)
        )
        return {names[activity_id]: (method, names.get(giver or 0, "")) for activity_id, method, giver in rows}

    def names(self) -> list[str]:
        from terracrm.models import Message

        return [key.removesuffix("@x") for key in self.session.scalars(select(Message.message_key))]

    def about(self, name: str, client: Company | Contact, viewer: Viewer | None = None) -> None:
        """Say by hand what a mail is about."""
        entity = "company" if isinstance(client, Company) else "contact"
        topics.set_topic(self.session, viewer or operator(), self.postbox.id_of(name), entity, client.id)


@pytest.fixture
def clients(session: Session) -> Clients:
    return Clients(session)


def test_a_topic_is_that_of_the_whole_conversation_and_of_what_comes_later(clients: Clients) -> None:
    shop = clients.company("Лавка")
    clients.postbox.arrive(letter("1"), letter("2", answers="1"), letter("other", "Иное"))
    clients.about("2", shop)
    assert clients.history(shop) == {"1", "2"}
    clients.postbox.arrive(letter("3", answers="2"), letter("4", "Re: Договор поставки", day=1))
    clients.postbox.arrive(letter("5", answers="1"), mailbox="boris")
    assert clients.history(shop) == {"1", "2", "3", "4", "5"}
    assert clients.methods() == {
        "1": ("reply", "2"), "2": ("manual", ""), "3": ("reply", "2"), "4": ("subject", "2"), "5": ("reply", "2"),
    }  # fmt: skip


def test_a_topic_reaches_a_thread_that_joins_later(clients: Clients) -> None:
    shop = clients.company("Лавка")
    clients.postbox.arrive(letter("1"), letter("9", "Иное"))
    clients.about("1", shop)
    clients.postbox.arrive(letter("5", "Мост", names="1 9"))
    assert clients.history(shop) == {"1", "5", "9"}


def test_removing_a_topic_takes_along_what_inherited_it_and_no_other(clients: Clients) -> None:
    shop = clients.company("Лавка")
    clients.postbox.arrive(letter("1"), letter("2", answers="1"), letter("3", answers="2"))
    clients.about("1", shop)
    clients.about("3", shop)
    row = clients.session.scalars(
        select(ActivityTopic.id).where(ActivityTopic.activity_id == clients.postbox.id_of("1"))
    ).one()
    topics.remove(clients.session, operator(), row)
    assert clients.methods() == {"1": ("reply", "3"), "2": ("reply", "3"), "3": ("manual", "")}
    row = clients.session.scalars(select(ActivityTopic.id).where(ActivityTopic.method == "manual")).one()
    topics.remove(clients.session, operator(), row)
    assert (clients.methods(), clients.history(shop)) == ({}, set())
    assert not clients.session.scalars(select(Activity.id).where(Activity.is_matched)).all()
    acts = clients.session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)).all()
    assert acts == ["topic.set", "topic.set", "topic.remove", "topic.remove"]


def test_what_was_inherited_cannot_be_removed_alone(clients: Clients) -> None:
    shop = clients.company("Лавка")
    clients.postbox.arrive(letter("1"), letter("2", answers="1"))
    clients.about("1", shop)
    row = clients.session.scalars(select(ActivityTopic.id).where(ActivityTopic.method == "reply")).one()
    with pytest.raises(InvalidInput):
        topics.remove(clients.session, operator(), row)


def test_a_message_that_is_withdrawn_takes_its_topic_along(clients: Clients) -> None:
    shop = clients.company("Лавка")
    clients.postbox.arrive(letter("1"), letter("2", answers="1"))
    clients.about("1", shop)
    clients.postbox.withdraw("1")
    assert (clients.methods(), clients.history(shop)) == ({}, set())


def test_the_server_s_conversation_gives_a_topic_where_nothing_is_named(clients: Clients) -> None:
    shop = clients.company("Лавка")
    clients.postbox.arrive(letter("1", "Раз", conversation_id="c"), letter("2", "Два", conversation_id="c"))
    clients.about("1", shop)
    assert clients.methods()["2"] == ("conversation", "1")


def test_a_contact_s_conversation_is_also_that_of_the_contact_s_company(clients: Clients) -> None:
    shop, other = clients.company("Лавка"), clients.company("Опт")
    olga = clients.contact("Ольга", "o@nowhere.example", shop)
    clients.postbox.arrive(letter("1"))
    clients.about("1", olga)
    assert clients.history(olga) == clients.history(shop) == {"1"}
    olga.company = other
    clients.session.flush()
    history.move_contact(clients.session, olga.id, shop.id, other.id)
    assert (clients.history(shop), clients.history(other)) == (set(), {"1"})


def test_a_company_that_is_found_to_be_another_hands_over_what_is_about_it(clients: Clients) -> None:
    shop, other = clients.company("Лавка"), clients.company("Опт")
    clients.postbox.arrive(letter("1"), letter("2", answers="1"))
    clients.about("1", shop)
    clients.about("2", other)
    history.move_company(clients.session, shop.id, other.id)
    assert (clients.history(shop), clients.history(other)) == (set(), {"1", "2"})


def test_a_topic_survives_whatever_is_learned_of_people(clients: Clients) -> None:
    shop, other = clients.company("Лавка"), clients.company("Опт")
    clients.postbox.arrive(letter("1"))
    clients.about("1", shop)
    olga = clients.contact("Ольга", OLGA, other)
    assert clients.history(shop) == clients.history(other) == clients.history(olga) == {"1"}
    history.move_contact(clients.session, olga.id, other.id, None)
    assert (clients.history(shop), clients.history(other), clients.history(olga)) == ({"1"}, set(), {"1"})


def test_a_merge_takes_along_what_is_about_the_client_and_gives_it_back(clients: Clients) -> None:
    session = clients.session
    shop, other = clients.company("Лавка", "lavka.example"), clients.company("Опт")
    clients.postbox.arrive(*conversation(), letter("9", "Иное", sender="x@y.example"))
    clients.about("9", shop)
    before = clients.methods()
    made = merges.merge(session, operator(), "company", other.id, shop.id, {})
    assert (clients.history(shop), clients.history(other)) == (set(), {"1", "2", "3", "9"})
    assert clients.methods() == before
    merges.undo(session, Settings(mirror={"internal_domains": ["office.test"]}), operator(), made.id)
    assert (clients.history(shop), clients.history(other)) == ({"1", "2", "3", "9"}, set())
    assert clients.methods() == before


# --- strangers in a conversation -------------------------------------------------------------------------------


def conversation() -> list[MessageRecord]:
    """A company's mail, and an answer from an address that nobody knows."""
    return [
        letter("1", sender=ANNA, to=OLGA),
        letter("2", sender=STRANGER, answers="1", day=1),
        letter("3", sender=STRANGER, answers="2", day=2),
    ]


def test_a_stranger_s_answer_is_about_the_client_of_the_conversation_in_any_order(clients: Clients) -> None:
    for order in permutations(range(4)):
        with clients.session.begin_nested() as tried:
            for step in order:
                if step == 3:
                    shop = clients.company("Лавка", "lavka.example")
                else:
                    clients.postbox.arrive(conversation()[step])
            assert clients.history(shop) == {"1", "2", "3"}
            assert clients.methods() == {"2": ("reply", "1"), "3": ("reply", "1")}
            tried.rollback()
            clients.postbox.sources.clear()


def test_a_stranger_who_is_known_then_has_a_history_of_their_own(clients: Clients) -> None:
    shop = clients.company("Лавка", "lavka.example")
    clients.postbox.arrive(*conversation())
    other = clients.company("Опт")
    olga = clients.contact("Ольга", STRANGER, other)
    assert (clients.history(shop), clients.history(other), clients.history(olga)) == ({"1"}, {"2", "3"}, {"2", "3"})
    assert clients.methods() == {}


def test_a_person_who_is_forgotten_is_a_stranger_in_the_conversation(clients: Clients) -> None:
    shop, other = clients.company("Лавка", "lavka.example"), clients.company("Опт")
    olga = clients.contact("Ольга", STRANGER, other)
    clients.postbox.arrive(*conversation())
    assert clients.history(shop) == {"1"}
    olga.addresses.clear()
    clients.session.flush()
    policy = clients.postbox.source().policy
    history.rematch(clients.session, policy, Participant.contact_id == olga.id)
    assert (clients.history(shop), clients.history(other)) == ({"1", "2", "3"}, set())


def test_a_stranger_between_two_clients_is_nobody_s(clients: Clients) -> None:
    shop, other = clients.company("Лавка", "lavka.example"), clients.company("Опт", "opt.example")
    clients.postbox.arrive(*conversation())
    assert clients.history(shop) == {"1", "2", "3"}
    clients.postbox.arrive(letter("4", sender="petr@opt.example", answers="3", day=3))
    assert (clients.history(shop), clients.history(other), clients.methods()) == ({"1"}, {"4"}, {})
    clients.postbox.withdraw("4")
    assert clients.history(shop) == {"1", "2", "3"}


def test_a_stranger_answers_a_person_without_a_company(clients: Clients) -> None:
    olga = clients.contact("Ольга", OLGA)
    clients.postbox.arrive(*conversation())
    assert clients.history(olga) == {"1", "2", "3"}


def test_a_stranger_with_a_known_person_is_in_that_person_s_history_anyhow(clients: Clients) -> None:
    shop = clients.company("Лавка", "lavka.example")
    clients.postbox.arrive(conversation()[0], letter("2", sender=STRANGER, to=f"{ANNA},{OLGA}", answers="1"))
    assert (clients.history(shop), clients.methods()) == ({"1", "2"}, {})


# --- tokens ----------------------------------------------------------------------------------------------------


def test_tokens_are_read_in_both_alphabets() -> None:
    assert tokens("Re: [#C-12] счет [#p-7] [# С-12 ]") == [("company", 12), ("contact", 7)]
    assert tokens("[#X-1] [C-1] #C-1 [#C-1234567890] [#C-]") == []


def test_a_token_holds_in_what_we_sent_and_in_the_answers_to_it_in_any_order(clients: Clients) -> None:
    shop = clients.company("Лавка")
    mails = [
        letter("1", f"Счет [#C-{shop.id}]", sender=ANNA, to=STRANGER),
        letter("2", f"Другое дело [#C-{shop.id}]", sender=STRANGER, day=1),
        letter("3", f"Мошенничество [#C-{shop.id}]", sender="thief@nowhere.example", day=2),
    ]
    for order in permutations(mails):
        with clients.session.begin_nested() as tried:
            for mail in order:
                clients.postbox.arrive(mail)
            assert clients.history(shop) == {"1", "2"}
            assert clients.methods() == {"1": ("token", ""), "2": ("token", "1")}
            clients.postbox.arrive(letter("4", answers="2", sender=STRANGER))
            assert clients.methods()["4"] == ("reply", "2")
            clients.postbox.withdraw("1")
            assert (clients.history(shop), clients.methods()) == (set(), {})
            tried.rollback()
            clients.postbox.sources.clear()


def test_a_token_of_nobody_says_nothing(clients: Clients) -> None:
    clients.postbox.arrive(letter("1", "Счет [#C-999999999] [#P-5]", sender=ANNA, to=STRANGER))
    assert clients.methods() == {}


# --- access ----------------------------------------------------------------------------------------------------


@pytest.fixture
def teams(clients: Clients) -> dict[str, User]:
    """Anna's team has a company of its own; Boris is of another team with another company."""
    session = clients.session
    found = {}
    for name in ("anna", "boris"):
        team = Team(name=name)
        session.add(team)
        session.flush()
        user = User(name=name, password_hash="", role_code="manager", team_id=team.id)
        session.add(user)
        session.flush()
        clients.postbox.source(name)
        session.scalars(select(Mailbox).where(Mailbox.address == f"{name}@office.test")).one().user_id = user.id
        found[name] = user
    session.flush()
    return found


def test_a_topic_opens_nobody_s_mail(clients: Clients, teams: dict[str, User]) -> None:
    """Boris got one mail of a conversation of Anna's client; what he says of it does not open the rest to his team."""
    session = clients.session
    annas = clients.company("Лавка", "lavka.example", team_id=teams["anna"].team_id)
    boris_own = clients.company("Опт", team_id=teams["boris"].team_id)
    clients.postbox.arrive(letter("1"), letter("2", answers="1"))
    clients.postbox.arrive(letter("3", answers="2", to="boris@office.test"), mailbox="boris")
    boris = access.viewer_of(session, teams["boris"])
    clients.about("3", boris_own, boris)
    clients.postbox.arrive(letter("4", answers="3"))
    assert clients.history(boris_own) == {"3"}
    assert clients.history(annas) == {"1", "2", "3", "4"}
    page = timeline.everywhere(session, boris)
    assert [entry.id for entry in page.entries] == [clients.postbox.id_of("3")]


def test_only_who_may_read_and_decide_sets_topics_and_only_on_clients_they_see(
    clients: Clients, teams: dict[str, User]
) -> None:
    session = clients.session
    annas = clients.company("Лавка", "lavka.example", team_id=teams["anna"].team_id)
    clients.postbox.arrive(letter("1"))
    clients.postbox.arrive(letter("2", "Иное", sender="x@y.example"), mailbox="boris")
    boris = access.viewer_of(session, teams["boris"])
    with pytest.raises(NotFound):
        clients.about("1", annas, boris)
    with pytest.raises(NotFound):
        clients.about("2", annas, boris)
    with pytest.raises(Forbidden):
        clients.about("1", annas, Viewer(9, "controller"))
    with pytest.raises(Forbidden):
        clients.about("1", annas, Viewer(9, "admin"))
    clients.about("1", annas, access.viewer_of(session, teams["anna"]))
    assert [row.name for row in topics.of_activity(session, operator(), clients.postbox.id_of("1"))] == ["Лавка"]
    assert topics.of_activity(session, boris, clients.postbox.id_of("1")) == []


# --- the pure part ---------------------------------------------------------------------------------------------


@given(st.data())
@settings(max_examples=60)
def test_what_is_inherited_does_not_depend_on_the_order(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 6))
    members = [
        Member(
            n,
            f"{n}",
            data.draw(st.sampled_from(["", "0", "1", "2", "lost"])),
            data.draw(st.integers(1, 2)),
            START + timedelta(days=data.draw(st.integers(0, 2))),
            frozenset(data.draw(st.sampled_from([[], [("company", 1)], [("company", 2)], [("contact", 1)]]))),
            data.draw(st.booleans()),
        )
        for n in range(size)
    ]
    own = data.draw(st.lists(st.tuples(st.integers(0, size - 1), st.just(("company", 5))), max_size=2))
    first = inherited(members, own)
    assert inherited(data.draw(st.permutations(members)), own[::-1]) == first
    if own:
        assert {key[0] for key in first if key[1] == ("company", 5)} == set(range(size)) - {n for n, _ in own}


def test_the_surest_way_counts() -> None:
    members = [
        Member(1, "a", "", 1, START),
        Member(2, "b", "a", 1, START),
        Member(3, "c", "", 2, START),
        Member(4, "d", "", 1, START),
    ]
    found = inherited(members, [(1, ("company", 5)), (3, ("company", 5))])
    assert found[2, ("company", 5)] == Gift("reply", 1)
    assert found[4, ("company", 5)] == Gift("conversation", 1)


def test_a_topic_of_a_meeting_is_its_own(session: Session, clients: Clients) -> None:
    shop = clients.company("Лавка")
    meeting = Activity(kind="meeting", occurred_at=START)
    session.add(meeting)
    session.flush()
    topics.set_topic(session, operator(), meeting.id, "company", shop.id)
    assert session.scalars(select(CompanyTimeline.activity_id)).all() == [meeting.id]
