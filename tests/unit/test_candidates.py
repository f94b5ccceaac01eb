"""Who an unknown correspondent may be: named cases, and what holds for any names."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from terracrm.domain import candidates
from terracrm.domain.candidates import (
    LEAST,
    NameIndex,
    Organisation,
    Person,
    Reason,
    Stranger,
    account,
    likeness_of_names,
)
from terracrm.domain.names import e164, phones_in
from terracrm.domain.transliteration import likeness, skeletons

ONE_PERSON = {
    "Russian and passport": ("Павел Щербаков", "Pavel Shcherbakov"),
    "as a bank writes it": ("Щербаков Павел", "Pavel Scherbakov"),
    "as nobody writes it": ("Павел Щербаков", "Pavel Schherbakov"),
    "as a messenger writes it": ("Павел Щербаков", "Pavel Sherbakov"),
    "ё and е": ("Пётр Семёнов", "Петр Семенов"),
    "ё by ear": ("Пётр Семёнов", "Pyotr Semyonov"),
    "Yulia and Julia": ("Юлия Жукова", "Julia Zhukova"),
    "Iuliia of the passport": ("Юлия Жукова", "Iuliia Zhukova"),
    "Alexey and Aleksei": ("Алексей Харитонов", "Alexey Haritonov"),
    "ц in three ways": ("Цветков Дмитрий", "Dmitriy Tsvetkov"),
    "the other order": ("Иван Петров", "Петров Иван"),
    "a comma between": ("Петров, Иван", "Иван Петров"),
    "with the patronymic": ("Иван Петров", "Петров Иван Сергеевич"),
    "initial first": ("И. Петров", "Петров Иван Сергеевич"),
    "initials behind": ("Петров И.С.", "Иван Сергеевич Петров"),
    "a Latin initial": ("I. Petrov", "Петров Иван"),
    "a slip of the pen": ("Щербоков Павел", "Павел Щербаков"),
    "the company written beside it": ("Иван Петров, ООО «Лавка»", "Петров Иван"),
    "in capitals": ("ИВАН ПЕТРОВ", "Иван Петров"),
}
TWO_PEOPLE = {
    "another surname": ("Иван Петров", "Иван Сидоров"),
    "another given name": ("Иван Петров", "Анна Петрова"),
    "only the patronymic agrees": ("Иван Иванович Петров", "Пётр Иванович Сидоров"),
    "name and patronymic agree": ("Иван Иванович Петров", "Иван Иванович Сидоров"),
    "another initial": ("А. Петров", "Иван Петров"),
    "only the given name": ("Иван", "Иван Петров"),
    "nothing": ("", ""),
    "punctuation": ("—", "«»"),
    "initials alone": ("И. П.", "Иван Петров"),
    "alike only in sound": ("Анна Иванова", "Яна Ивашова"),
}


@pytest.mark.parametrize(("one", "other"), ONE_PERSON.values(), ids=ONE_PERSON.keys())
def test_names_of_one_person(one: str, other: str) -> None:
    assert likeness_of_names(one, other) >= 0.6
    stranger = Stranger("someone@mail.ru", (one,))
    assert NameIndex([(7, other), (8, "Кто-то Другой")]).near(stranger, 10) == [7]
    [found] = candidates.people(stranger, [Person(7, other)])
    assert (found.id, found.reasons) == (7, (Reason.SIMILAR_NAME,))


@pytest.mark.parametrize(("one", "other"), TWO_PEOPLE.values(), ids=TWO_PEOPLE.keys())
def test_names_of_two_people(one: str, other: str) -> None:
    assert candidates.people(Stranger("someone@mail.ru", (one,)), [Person(7, other)]) == []


PETROV = Person(
    1, "Петров Иван Васильевич", frozenset({"ivan.petrov@lavka.example"}), frozenset({"+74951234567"}),
    frozenset({"lavka.example"}),
)  # fmt: skip


@pytest.mark.parametrize(
    "local", ["ivan.petrov", "petrov.ivan", "i.petrov", "petrov_iv", "petrov-i", "ipetrov", "ivanpetrov", "petroviv",
              "petrov.i.v", "ivan_petrov85", "i.petrov+shop"],
)  # fmt: skip
def test_an_address_that_reads_like_the_name(local: str) -> None:
    stranger = Stranger(f"{local}@gmail.com")
    assert NameIndex([(1, PETROV.name)]).near(stranger, 10) == [1]
    [found] = candidates.people(stranger, [PETROV])
    assert found.reasons == (Reason.SIMILAR_ADDRESS,)


@pytest.mark.parametrize("local", ["petrov", "ivan", "info", "sales", "sidorov", "p.sidorov", "x", "1985"])
def test_an_address_that_does_not(local: str) -> None:
    assert candidates.people(Stranger(f"{local}@gmail.com"), [PETROV]) == []


@pytest.mark.parametrize(
    "written", ["8 (495) 123-45-67", "+7 495 123-45-67", "+7(495)1234567", "8-495-123-45-67", "007 495 123 45 67"]
)
def test_phones_are_the_same_however_they_are_written(written: str) -> None:
    assert e164("8 (495) 123-45-67") == "+74951234567"
    found = phones_in(f"С уважением, Иван\nтел. {written.replace('007', '+7')}, доб. 12")
    [candidate] = candidates.people(Stranger("x@mail.ru", phones=frozenset(found)), [PETROV])
    assert candidate.reasons == (Reason.SAME_PHONE,)


@pytest.mark.parametrize(
    ("one", "other"),
    [("ivan.petrov@gmail.com", "ivanpetrov@googlemail.com"), ("ivan@gmail.com", "ivan+shop@gmail.com"),
     ("yana@ya.ru", "yana@yandex.ru"), ("yana@yandex.com", "yana@yandex.kz"), ("yana.k@ya.ru", "yana-k@yandex.by"),
     ("olga+news@lavka.example", "olga@lavka.example")],
)  # fmt: skip
def test_addresses_of_one_account_are_offered(one: str, other: str) -> None:
    assert account(one) == account(other)
    [found] = candidates.people(Stranger(one), [Person(1, "Имя", frozenset({other}))])
    assert Reason.SAME_ACCOUNT in found.reasons
    assert candidates.bare(other) in candidates.bare_addresses(account(one)) or "+" in other


@pytest.mark.parametrize(
    ("one", "other"),
    [("ivan.petrov@mail.ru", "ivanpetrov@mail.ru"), ("ivan@gmail.com", "ivan@mail.ru"), ("", ""), ("@a.b", "@a.b")],
)
def test_other_providers_count_dots(one: str, other: str) -> None:
    assert account(one) != account(other) or not account(one)


def test_several_reasons_count_for_more_and_are_named_the_strongest_first() -> None:
    stranger = Stranger("petrov@gmail.com", ("Иван Петров",), frozenset({"+74951234567"}), "lavka.example")
    namesake = Person(2, "Иван Петров")
    first, second = candidates.people(stranger, [namesake, PETROV])
    assert (first.id, second.id) == (1, 2)
    assert first.reasons == (
        Reason.SAME_PHONE, Reason.SIMILAR_NAME, Reason.SIMILAR_ADDRESS, Reason.SAME_COMPANY
    )  # fmt: skip
    assert first.score > second.score


def test_who_has_the_address_comes_first() -> None:
    people = [Person(1, "Иван Петров"), Person(2, "Отдел", frozenset({"both@mail.ru"}))]
    found = candidates.people(Stranger("both@mail.ru", ("Иван Петров",)), people)
    assert [(c.id, c.score) for c in found] == [(2, 100), (1, 83)]


def test_companies_by_name_website_people_and_words() -> None:
    known = [
        Organisation(1, "ООО «Ромашка-Маркет»"), Organisation(2, "ЗАО Юг", website="https://www.romashka-market.ru/about"),
        Organisation(3, "Север", domains=frozenset({"romashka-market.ru"})), Organisation(4, "Лавка чудес"),
        Organisation(5, "Совсем другое"), Organisation(6, ""),
    ]  # fmt: skip
    stranger = Stranger("a@romashka-market.ru", ("Иван (Лавка чудес)",), domain="romashka-market.ru")
    found = {c.id: c.reasons for c in candidates.organisations(stranger, known)}
    assert found == {
        1: (Reason.SIMILAR_NAME,), 2: (Reason.SAME_WEBSITE,), 3: (Reason.SAME_DOMAIN,), 4: (Reason.SIMILAR_NAME,)
    }  # fmt: skip
    assert candidates.organisations(Stranger("a@mail.ru"), known) == []


NAMES = st.one_of(
    st.text(alphabet="абвгдежийклмнопрстуфхцчшщъыьэюяё .-", max_size=30),
    st.text(alphabet="abcdefghijklmnopqrstuvwxyz .-'", max_size=30),
    st.text(max_size=30),
)


@settings(max_examples=200)
@given(NAMES, NAMES)
def test_likeness_is_the_same_either_way_round(one: str, other: str) -> None:
    there, back = likeness_of_names(one, other), likeness_of_names(other, one)
    assert there == pytest.approx(back)
    assert 0 <= there <= 1


@settings(max_examples=100)
@given(NAMES, NAMES, st.text(max_size=20), st.sets(st.text(max_size=10), max_size=3))
def test_nothing_matches_who_is_told_by_nothing(name: str, other: str, address: str, phones: set[str]) -> None:
    person = Person(1, name, frozenset({address, ""}), frozenset(phones | {""}), frozenset({other, ""}))
    assert candidates.people(Stranger(""), [person]) == []
    assert candidates.people(Stranger("", ("",), frozenset({""})), [person, Person(2, "")]) == []


@settings(max_examples=100)
@given(st.lists(NAMES, max_size=4), st.lists(NAMES, max_size=6), st.text(max_size=20))
def test_the_answer_is_sorted_and_does_not_hang_on_the_order(names: list[str], known: list[str], address: str) -> None:
    people = [Person(n, name) for n, name in enumerate(known)]
    stranger = Stranger(address, tuple(names))
    found = candidates.people(stranger, people)
    assert found == candidates.people(stranger, list(reversed(people)))
    assert all(LEAST <= c.score <= 100 and c.reasons for c in found)
    assert [c.score for c in found] == sorted((c.score for c in found), reverse=True)


WORDS = st.text(alphabet="абвгдежийклмнопрстуфхцчшщыьэюя", min_size=2, max_size=12)


@settings(max_examples=200)
@given(WORDS, WORDS)
def test_whoever_is_likely_by_name_is_looked_up(given_name: str, surname: str) -> None:
    name = f"{given_name} {surname}"
    assert NameIndex([(1, name)]).near(Stranger("x@mail.ru", (f"{surname} {given_name}",)), 5) in ([1], [])
    if len(given_name) > 2 and len(surname) > 2 and given_name != surname:
        assert NameIndex([(1, name)]).near(Stranger("x@mail.ru", (f"{surname} {given_name}",)), 5) == [1]


@given(WORDS)
def test_a_word_is_like_itself_in_any_alphabet(word: str) -> None:
    assert likeness(word, word) == 1 or not skeletons(word)
