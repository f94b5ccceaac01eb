"""Words, names and phone numbers made comparable (P5, M1)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terracrm.domain import words
from terracrm.domain.capture import SNIPPET_CHARS, snippet
from terracrm.domain.names import company_key, e164, name_key
from terracrm.domain.texts import html_to_text
from terracrm.domain.words import stem


@pytest.mark.parametrize(
    ("one", "other"),
    [("Договоры", "договор"), ("берёзовый", "БЕРЕЗОВОМУ"), ("Deliveries", "delivery"), ("молоко", "молока")],
)
def test_forms_of_one_word_are_one(one: str, other: str) -> None:
    assert stem(one) == stem(other)


def test_overlong_words_and_punctuation_do_no_harm() -> None:
    assert stem("!!! --- ???") == ""
    assert all(len(word) <= 40 for word in stem("x" * 10_000).split())


def test_what_is_remembered_of_words_stays_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "_MOST", 10)
    words._PIECES.clear()
    text = " ".join([*(f"договоры{number}" for number in range(25)), "x" * 100, "Договоры"])
    assert [stem(text) for _ in range(2)] == [" ".join(map(stem, text.split()))] * 2
    assert 0 < len(words._PIECES) <= 10
    assert "x" * 100 not in words._PIECES


@given(st.text(max_size=200))
def test_stemmed_text_holds_only_words_for_any_text(text: str) -> None:
    assert all(word.replace("_", "").isalnum() for word in stem(text).split())


@pytest.mark.parametrize("name", ["ООО «Лавка»", "Лавка", "ЛАВКА, ООО", "лавка"])
def test_a_companys_legal_form_quotes_and_case_do_not_count(name: str) -> None:
    assert company_key(name) == "лавка"


def test_a_company_that_is_named_by_its_legal_form_keeps_it() -> None:
    assert company_key("ООО") == "ооо"
    assert company_key(" «» ") == ""


def test_names_are_compared_without_case_and_yo() -> None:
    assert name_key("Пётр  АЛЁШИН") == name_key("петр алешин")


@pytest.mark.parametrize("number", ["8 (495) 555-01-02", "+7 495 555 01 02", "84955550102", "tel +7(495)5550102"])
def test_one_phone_number_has_one_form(number: str) -> None:
    assert e164(number) == "+74955550102"


@pytest.mark.parametrize("number", ["", "доб. 12", "1"])
def test_what_is_no_phone_number_has_none(number: str) -> None:
    assert e164(number) == ""


def test_a_snippet_is_one_line_cut_at_a_word() -> None:
    cut = snippet("Добрый день!\r\n\r\n  Высылаю   прайс. " + "слово " * 200)
    assert cut.startswith("Добрый день! Высылаю прайс.")
    assert len(cut) <= SNIPPET_CHARS + 1
    assert cut.endswith("слово…")


@given(st.text(max_size=300))
def test_any_html_has_a_text(html: str) -> None:
    assert isinstance(html_to_text(html), str)


def test_scripts_and_styles_are_no_text() -> None:
    assert html_to_text("<style>p{}</style><script>x()</script><p>Привет</p>") == "Привет"
