"""Full-text search: every form of a word, both alphabets, hostile input, and the access policy (P5)."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from terracrm.services import search
from terracrm.services.access import viewer_of
from tests.office import NOW, Office, add_long_history
from tests.services.conftest import Viewers

HOSTILE = [
    '"', "'", "*", "(", ")", "AND", "NOT договор", "OR", "NEAR(a b)", "words:x", "a & | ! b", "-сметана", "\\", ":*",
    "'; DROP TABLE contacts; --", "договор\x00", "%", "_", "^a", "{a}", "+", "ё" * 500, "🥛", "a" * 100_000,
]  # fmt: skip


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
