"""Full-text search: every form of a word, both alphabets, hostile input, and the access policy (P5)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from terracrm.models import Sharing
from terracrm.services import search, search_postgres, search_sqlite, timeline
from terracrm.services.access import viewer_of
from tests.office import NOW, OURS, Office, add_long_history
from tests.services.conftest import Viewers

HOSTILE = [
    '"', "'", "*", "(", ")", "AND", "NOT договор", "OR", "NEAR(a b)", "words:x", "a & | ! b", "-сметана", "\\", ":*",
    "'; DROP TABLE contacts; --", "договор\x00", "%", "_", "^a", "{a}", "+", "ё" * 500, "🥛", "a" * 100_000,
]  # fmt: skip


@pytest.fixture(params=["many", "some", "few"])
def few_at_a_time(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let both indexes go each of their ways: they choose by how many hits and words there are."""
    walk, longest, endings = {"many": (1000, 20_000, 100), "some": (8, 400, 3), "few": (1, 1, 1)}[request.param]
    monkeypatch.setattr(search_postgres, "WALK", walk)
    monkeypatch.setattr(search_postgres, "LONGEST_WALK", longest)
    monkeypatch.setattr(search_sqlite, "MOST_ENDINGS", endings)
    if request.param == "few":
        monkeypatch.setattr(search, "MOST_HITS", 7)


def subjects(office: Office, viewer: str, query: str) -> list[str]:
    found = search.find(office.session, viewer_of(office.session, office.users[viewer]), query)
    return [entry.subject for entry in found.history.entries]


@pytest.mark.parametrize("query", ["договоры", "ДОГОВОРУ", "договор сметана", "догов", "сметаны договора"])
def test_every_form_and_the_beginning_of_a_word_find_it(office: Office, query: str) -> None:
    assert subjects(office, "anna", query) == ["RE: Договор поставки сметаны", "Договор поставки сметаны"]


def test_all_words_are_needed(office: Office) -> None:
    assert subjects(office, "anna", "договор кефир") == []


def test_yo_and_ye_are_the_same(office: Office) -> None:
    office.mail("tree", "maria@market.example", ["anna@romashka.example"], subject="Ёлка зелёная", text="")
    assert subjects(office, "anna", "зеленая елка") == ["Ёлка зелёная"]


def test_clients_are_found_by_name_address_and_phone(office: Office, viewer: Viewers) -> None:
    def people(query: str) -> list[str]:
        return [row.name for row in search.find(office.session, viewer("anna"), query).contacts]

    assert people("мария") == people("maria@market.example") == people("123-45-67") == ["Мария Иванова"]
    found = search.find(office.session, viewer("anna"), "ромашка")
    assert [row.name for row in found.companies] == ["ООО «Ромашка-Маркет»"]


def test_what_is_hidden_is_not_found(office: Office, viewer: Viewers) -> None:
    assert subjects(office, "galina", "personal words") == []
    assert subjects(office, "boris", "personal words") == ["Only for Boris"]
    assert search.find(office.session, viewer("anna"), "vesna").companies == []
    assert search.find(office.session, viewer("anna"), "peter").contacts == []


def test_an_admin_finds_clients_but_no_history(office: Office, viewer: Viewers) -> None:
    found = search.find(office.session, viewer("admin"), "market")
    assert [row.name for row in found.companies] == ["ООО «Ромашка-Маркет»"]
    assert found.history.entries == []
    assert subjects(office, "admin", "договор") == []


@pytest.mark.parametrize("query", HOSTILE)
def test_no_query_breaks_the_syntax(office: Office, viewer: Viewers, query: str) -> None:
    search.find(office.session, viewer("anna"), query)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=st.text(max_size=60))
def test_any_text_is_a_query(office: Office, query: str) -> None:
    search.find(office.session, viewer_of(office.session, office.users["anna"]), query)


def test_an_empty_query_finds_nothing(office: Office, viewer: Viewers) -> None:
    found = search.find(office.session, viewer("anna"), "  …! ")
    assert (found.companies, found.contacts, found.history.entries) == ([], [], [])


def test_history_is_found_newest_first_over_several_pages(office: Office, viewer: Viewers) -> None:
    add_long_history(office, 45)
    first = search.find(office.session, viewer("anna"), "молоко ящики")
    assert first.history.next is not None
    second = search.find(office.session, viewer("anna"), "молоко ящики", first.history.next)
    assert second.companies == []
    found = [*first.history.entries, *second.history.entries]
    assert [entry.subject for entry in found] == [f"Заказ № {number}" for number in range(45)]
    assert second.history.next is None


def test_indexing_again_replaces_what_was_there(office: Office) -> None:
    row = office.activities["question"]
    search.index_activities(office.session, [(row.id, row.occurred_at, "йогурт")])
    assert subjects(office, "anna", "йогурты") == ["Договор поставки сметаны"]
    assert subjects(office, "anna", "договор") == ["RE: Договор поставки сметаны"]


def test_what_was_removed_is_found_no_more(office: Office, viewer: Viewers) -> None:
    search.remove(office.session, "activity_search", [office.activities["question"].id])
    search.remove(office.session, "contact_search", [office.contacts["maria@market.example"].id])
    assert subjects(office, "anna", "договор") == ["RE: Договор поставки сметаны"]
    assert search.find(office.session, viewer("anna"), "мария").contacts == []


def test_text_without_words_can_be_indexed(office: Office) -> None:
    search.index_activities(office.session, [(office.activities["question"].id, NOW, "… !")])
    search.index_contacts(office.session, [])
    assert subjects(office, "anna", "договор") == ["RE: Договор поставки сметаны"]


def test_who_reads_a_part_of_the_hits_pages_through_all_of_that_part(office: Office, few_at_a_time: None) -> None:
    for number in range(100):
        sharing = Sharing.EVERYONE if number % 3 else Sharing.PRIVATE
        office.mail(
            f"m{number}", "maria@market.example", [f"boris@{OURS}"], subject=f"Творог № {number}", text="",
            sharing=sharing, occurred_at=NOW - timedelta(days=9, minutes=number),
        )  # fmt: skip
    galina = viewer_of(office.session, office.users["galina"])
    found, after = [], None
    while True:
        page = search.find(office.session, galina, "творог", after).history
        found += [entry.subject for entry in page.entries]
        if (after := page.next) is None:
            break
        assert len(page.entries) == timeline.PAGE_SIZE
    assert found == [f"Творог № {number}" for number in range(100) if number % 3]


def test_ids_beyond_32_bits_are_found(office: Office) -> None:
    if office.session.get_bind().dialect.name == "sqlite":
        pytest.skip("of SQLite's places an id has 31 bits")
    office.mail("late", "maria@market.example", [f"anna@{OURS}"], subject="Кумыс", text="", id=2**31 + 5)
    assert subjects(office, "anna", "кумыс") == ["Кумыс"]


def test_the_history_is_in_the_order_of_time_however_it_was_read(office: Office, few_at_a_time: None) -> None:
    order = [3, 0, 4, 1, 2]
    for number in order:
        office.mail(
            f"m{number}", "maria@market.example", [f"anna@{OURS}"], subject=f"Творог № {number}", text="",
            occurred_at=NOW - timedelta(days=9, minutes=number),
        )  # fmt: skip
    assert subjects(office, "anna", "творог") == [f"Творог № {number}" for number in sorted(order)]


def test_what_moves_to_another_time_is_found_there(office: Office) -> None:
    tasting, question = office.activities["tasting"], office.activities["question"]
    for row in (tasting, question):
        search.index_activities(office.session, [(row.id, row.occurred_at, "сливки")])
    assert subjects(office, "anna", "сливки") == [tasting.subject, question.subject]
    tasting.occurred_at = question.occurred_at - timedelta(days=1)
    search.index_activities(office.session, [(tasting.id, tasting.occurred_at, "сливки")])
    assert subjects(office, "anna", "сливки") == [question.subject, tasting.subject]


def test_what_is_findable_and_no_longer_there_is_left_out(office: Office) -> None:
    search.index_activities(office.session, [(9_999, NOW, "сметана")])
    assert subjects(office, "viktor", "сметана") == ["RE: Договор поставки сметаны", "Договор поставки сметаны"]


@pytest.mark.parametrize("year", [1, 1601, 1969, 2105, 2106, 4501, 9999])
def test_any_date_can_be_indexed_paged_and_removed(office: Office, year: int) -> None:
    row = office.activities["question"]
    row.occurred_at = datetime(year, 6, 1, tzinfo=UTC)
    search.index_activities(office.session, [(row.id, row.occurred_at, "сливки")])
    assert subjects(office, "anna", "сливки") == [row.subject]
    before = timeline.Cursor(row.occurred_at, row.id)
    assert search.find(
        office.session, viewer_of(office.session, office.users["anna"]), "сливки", before
    ) == search.Found([], [], timeline.Page([], None))
    search.remove(office.session, "activity_search", [row.id])
    assert subjects(office, "anna", "сливки") == []


def test_a_beginning_finds_all_words_that_have_it(office: Office, few_at_a_time: None) -> None:
    for number, word in enumerate(("мед", "медведь", "медуза", "медь", "мел")):
        office.mail(
            word, "maria@market.example", [f"anna@{OURS}"], subject=f"Новое {word}", text="",
            occurred_at=NOW - timedelta(days=9, minutes=number),
        )  # fmt: skip
    assert subjects(office, "anna", "новое мед") == ["Новое мед", "Новое медведь", "Новое медуза", "Новое медь"]
    assert subjects(office, "anna", "новое м") == []


def test_the_index_of_sqlite_has_the_words_of_its_rows_and_no_others(office: Office) -> None:
    if office.session.get_bind().dialect.name != "sqlite":
        pytest.skip("FTS5")
    ids = [office.activities[key].id for key in ("question", "answer")]
    search.index_activities(office.session, [(id_, NOW, "сливки") for id_ in ids])
    search.remove(office.session, "activity_search", ids[:1])
    office.session.execute(text("INSERT INTO activity_search (activity_search, rank) VALUES ('integrity-check', 1)"))
    terms = office.session.scalars(text("SELECT term FROM activity_search_terms WHERE term = 'сливк'")).all()
    assert len(terms) == 1


def test_new_words_are_found_while_they_wait_and_after_they_followed(office: Office) -> None:
    office.mail("new", "maria@market.example", ["anna@romashka.example"], subject="Пломбир", text="")
    assert subjects(office, "anna", "пломбир") == ["Пломбир"]
    search.settle(office.session)
    assert subjects(office, "anna", "пломбир") == ["Пломбир"]
    if not search._is_sqlite(office.session):
        waiting = text("SELECT gin_clean_pending_list(CAST('ix_activity_search_words' AS regclass))")
        assert office.session.scalar(waiting) == 0


def ranked(office: Office, viewer: str, query: str, page: int = 1) -> list[str]:
    found = search.ranked(office.session, viewer_of(office.session, office.users[viewer]), query, page)
    return [entry.subject for entry in found.entries]


def add_cheeses(office: Office) -> None:
    """Mail about cheese and its price; the newest has both words where its text goes on."""
    said = (("Nothing", ""), ("Lunch", "Cheese at a good price"), ("The cheese", "Price"), ("Cheese price", "Cheese"))
    for number, (subject, text_) in enumerate((*said, ("The cheese", "Price"))):
        row = office.mail(
            f"c{number}", "maria@market.example", [f"anna@{OURS}"], subject=subject, text=text_,
            occurred_at=NOW - timedelta(days=9, minutes=number),
        )  # fmt: skip
        search.index_activities(office.session, [(row.id, row.occurred_at, f"{subject} {text_} tea cheese price")])


def test_the_most_relevant_come_first_and_of_equals_the_newest(office: Office) -> None:
    add_cheeses(office)
    assert subjects(office, "anna", "cheese price")[0] == "Nothing"
    assert ranked(office, "anna", "cheeses pric") == ["Cheese price", "The cheese", "The cheese", "Lunch", "Nothing"]
    found = search.ranked(office.session, viewer_of(office.session, office.users["anna"]), "cheese price")
    assert [entry.occurred_at.minute for entry in found.entries[1:3]] == [
        (NOW - timedelta(minutes=number)).minute for number in (2, 4)
    ]
    assert (found.next, found.among) == (None, None)


def test_only_the_newest_are_compared_and_that_is_said(
    office: Office, viewer: Viewers, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_cheeses(office)
    monkeypatch.setattr(search, "RANKED", 3)
    monkeypatch.setattr(timeline, "PAGE_SIZE", 2)
    for name in ("anna", "viktor"):
        first = search.ranked(office.session, viewer(name), "cheese price")
        assert [entry.subject for entry in first.entries] == ["The cheese", "Lunch"]
        assert (first.next, first.among) == (2, 3)
        second = search.ranked(office.session, viewer(name), "cheese price", 2)
        assert [entry.subject for entry in second.entries] == ["Nothing"]
        assert (second.next, second.among) == (None, 3)
    monkeypatch.setattr(search, "RANKED", 5)
    assert search.ranked(office.session, viewer("anna"), "cheese price").among is None


def test_what_is_looked_at_to_rank_it_is_bounded(
    office: Office, viewer: Viewers, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_cheeses(office)
    monkeypatch.setattr(search, "MOST_TO_RANK", 2)
    found = search.ranked(office.session, viewer("anna"), "cheese price")
    assert ([entry.subject for entry in found.entries], found.among) == (["Lunch", "Nothing"], 2)


def test_what_is_hidden_is_not_ranked(office: Office) -> None:
    assert ranked(office, "boris", "personal words") == ["Only for Boris"]
    assert ranked(office, "galina", "personal words") == []
    assert ranked(office, "admin", "договор") == []
    assert ranked(office, "anna", " …! ") == []
