"""What a signature says of a person (S11): better nothing than a wrong suggestion."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terracrm.domain.signatures import Facts, host_key, read

SENDER = ("Иван Петров", "i.petrov@lavka.example")
RUSSIAN = """С уважением,
Петров Иван Сергеевич
Менеджер по закупкам
ООО «Лавка у дома»
тел.: +7 (495) 123-45-67 доб. 105
моб.: 8 916 123-45-67
www.lavka.example
"""
ENGLISH = """Best regards,

Ivan Petrov | Purchasing Manager
Lavka Trading Ltd.
T: +44 20 7946 0958 | M: +44 7911 123456 | F: +44 20 7946 0959
https://www.lavka.example/
"""


def phones(facts: Facts) -> list[tuple[str, str]]:
    return [(phone.label, phone.number) for phone in facts.phones]


def test_a_russian_signature_is_read() -> None:
    facts = read(RUSSIAN, SENDER, "lavka.example")
    assert phones(facts) == [("business", "+7 495 123-45-67 ext. 105"), ("mobile", "+7 916 123-45-67")]
    assert [phone.e164 for phone in facts.phones] == ["+74951234567", "+79161234567"]
    assert facts.job_title == "Менеджер по закупкам"
    assert facts.company_name == "ООО «Лавка у дома»"
    assert facts.website == "www.lavka.example"


def test_an_english_signature_is_read() -> None:
    facts = read(ENGLISH, SENDER, "lavka.example")
    assert phones(facts) == [
        ("business", "+44 20 7946 0958"),
        ("mobile", "+44 7911 123456"),
        ("business_fax", "+44 20 7946 0959"),
    ]
    assert (facts.job_title, facts.company_name) == ("Purchasing Manager", "Lavka Trading Ltd.")
    assert facts.website == "www.lavka.example"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("тел. 8 (495) 123-45-67", [("business", "+7 495 123-45-67")]),
        ("т. 8(495)123-45-67 вн. 12", [("business", "+7 495 123-45-67 ext. 12")]),
        ("Тел.: (812) 333-22-11 (доб. 5)", [("business", "+7 812 333-22-11 ext. 5")]),
        ("+7(495)1234567*105", [("business", "+7 495 123-45-67 ext. 105")]),
        ("тел./факс: +7 495 123 45 67", [("business_fax", "+7 495 123-45-67")]),
        ("факс 8 495 123 45 68", [("business_fax", "+7 495 123-45-68")]),
        ("Моб. тел.: +7-916-123-45-67", [("mobile", "+7 916 123-45-67")]),
        ("м. +79161234567, т. +74951234567", [("mobile", "+7 916 123-45-67"), ("business", "+7 495 123-45-67")]),
        ("сот. 8-916-123-45-67", [("mobile", "+7 916 123-45-67")]),
        ("+7 916 123 45 67 (WhatsApp)", [("mobile", "+7 916 123-45-67")]),
        ("+7 495 123 45 67 (моб.)", [("mobile", "+7 495 123-45-67")]),
        ("+7 916 123-45-67", [("mobile", "+7 916 123-45-67")]),
        ("Direct: +49 30 901820", [("business", "+49 30 901820")]),
        ("Cell +1 212 555 2368", [("mobile", "+1 212-555-2368")]),
        ("Mobile: +375 29 123-45-67", [("mobile", "+375 29 123-45-67")]),
        ("тел. 123-45-67", []),
        ("ИНН 7701234567 КПП 770101001", []),
        ("р/с 40702810400000000001, БИК 044525225", []),
        ("8-800-555-35-35", []),
        ("По вопросам доставки: 8 (495) 765-43-21", []),
        ("Приёмная: +7 495 765-43-21", []),
        ("Заказ № 84951234567", []),
        ("84951234567890123", []),
        ("x84951234567@lavka.example", []),
    ],
)
def test_phones_are_read_with_their_kind_and_extension(line: str, expected: list[tuple[str, str]]) -> None:
    assert phones(read(f"С уважением,\nИван Петров\n{line}\n", SENDER)) == expected


def test_an_american_number_without_its_country_is_not_guessed() -> None:
    assert phones(read("Best regards,\nIvan Petrov\nTel. (713) 853-1234\n", SENDER)) == []


def test_the_numbers_of_many_offices_are_nobodys() -> None:
    offices = "\n".join(f"тел. +7 495 123-45-6{digit}" for digit in range(6))
    assert phones(read(f"С уважением,\nИван Петров\n{offices}\n", SENDER)) == []


@pytest.mark.parametrize(
    ("lines", "position"),
    [
        ("Иван Петров\nДиректор", "Директор"),
        ("Иван Петров, директор", "директор"),
        ("Иван Петров | Head of Sales | Lavka", "Head of Sales"),
        ("Иван Петров\nЗам. генерального директора по логистике", "Зам. генерального директора по логистике"),
        ("Ведущий специалист отдела закупок\nИван Петров", "Ведущий специалист отдела закупок"),
        ("Иван Петров\nДиректор ООО «Лавка»", "Директор"),
        ("Иван Петров\nОтдел закупок", ""),
        ("Иван Петров\nВаш персональный менеджер", ""),
        ("Иван Петров\nЗвоните нашему менеджеру!", ""),
        ("Иван Петров\n\nООО «Лавка»\nг. Тула\nМенеджер по рекламе: Ольга", ""),
    ],
)
def test_the_position_is_read_beside_the_name(lines: str, position: str) -> None:
    assert read(f"С уважением,\n{lines}\n", SENDER).job_title == position


@pytest.mark.parametrize(
    ("lines", "company"),
    [
        ("ООО «Лавка»", "ООО «Лавка»"),
        ('ЗАО "Торговый Дом Лавка"', 'ЗАО "Торговый Дом Лавка"'),
        ("ООО Лавка", "ООО Лавка"),
        ("Менеджер ГК «Лавка», Тула", "ГК «Лавка»"),
        ("ИП Петров И.С.", "ИП Петров И.С."),
        ("Lavka GmbH", "Lavka GmbH"),
        ("Purchasing | Lavka & Sons, Inc.", "Lavka & Sons, Inc."),
        ("ООО «Лавка»\nдилер ООО «Ромашка»", ""),
        ("Мы рады работать с вами", ""),
        ("Limited offer", ""),
    ],
)
def test_the_company_is_read_where_there_is_one(lines: str, company: str) -> None:
    assert read(f"С уважением,\nИван Петров\n{lines}\n", SENDER).company_name == company


@pytest.mark.parametrize(
    ("lines", "website"),
    [
        ("www.lavka.example", "www.lavka.example"),
        ("http://lavka.example/", "lavka.example"),
        ("www.lavka.example, t.me/lavka, https://vk.com/lavka", "www.lavka.example"),
        ("www.one.example www.two.example", ""),
        ("www.two.example\nhttps://lavka.example", "lavka.example"),
        ("https://lavka.example/price?utm=1", ""),
        ("https://www.linkedin.com", ""),
        ("ivan@www.example", ""),
    ],
)
def test_the_home_page_is_read(lines: str, website: str) -> None:
    assert read(f"С уважением,\nИван Петров\n{lines}\n", SENDER, "lavka.example").website == website


@pytest.mark.parametrize(
    "signature",
    [
        "С уважением,\nМария Петрова\nДиректор\n+7 916 123-45-67",
        "С уважением,\nООО «Лавка»\n+7 916 123-45-67",
        "Sent from my iPhone",
        "",
    ],
)
def test_a_signature_of_somebody_else_or_of_nobody_says_nothing(signature: str) -> None:
    assert read(signature, SENDER) == Facts()


@pytest.mark.parametrize("name", ["Иван Петров", "Ivan Petrov", "I. Petrov", "Петров И.С.", "Иван", "Петров Иван"])
def test_the_sender_is_known_in_either_alphabet_and_by_initials(name: str) -> None:
    assert read(f"С уважением, {name}\nДиректор", SENDER).job_title == "Директор"


def test_a_sender_known_only_by_address_is_found_by_it() -> None:
    assert read("Ivan Petrov\nCEO", ["", "petrov@lavka.example"]).job_title == "CEO"


def test_websites_are_compared_by_their_host() -> None:
    assert host_key("HTTPS://www.lavka.example/x") == host_key("lavka.example")


@given(st.text(max_size=400), st.lists(st.text(max_size=30), max_size=3))
def test_any_signature_can_be_read(signature: str, sender: list[str]) -> None:
    assert isinstance(read(signature, sender), Facts)
    host_key(signature)
