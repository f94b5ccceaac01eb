"""Addresses and domains made comparable (M1, S5)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terracrm.domain.addresses import DomainPolicy, is_no_reply, normalise, registrable

POLICY = DomainPolicy.of(["office.test", "corp.local"], ["mail.ru", "gmail.com"])


@pytest.mark.parametrize(
    ("written", "found"),
    [
        (" Olga@Lavka.Example ", "olga@lavka.example"),
        ("<olga@lavka.example>", "olga@lavka.example"),
        ("mailto:olga@lavka.example", "olga@lavka.example"),
        ("'olga@lavka.example'", "olga@lavka.example"),
        ("k..allen@enron.com", "k..allen@enron.com"),
        ("ольга@лавка.рф", "ольга@xn--80aaf6ac.xn--p1ai"),
        ("olga@lavka.example.", "olga@lavka.example"),
        ("", ""),
        ("Olga", ""),
        ("@lavka.example", ""),
        ("olga@", ""),
        ("/O=OFFICE/OU=X/CN=OLGA", ""),
        ("olga @lavka.example", ""),
    ],
)
def test_an_address_has_one_form_and_what_is_none_has_no_form(written: str, found: str) -> None:
    assert normalise(written) == found


@given(st.text(max_size=60))
def test_any_text_is_normalised_once_and_for_all(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once


@pytest.mark.parametrize(
    ("domain", "found"),
    [
        ("spb.lavka.example", "lavka.example"),
        ("lavka.com.ru", "lavka.com.ru"),
        ("a.b.co.uk", "b.co.uk"),
        ("localhost", "localhost"),
        ("", ""),
    ],
)
def test_a_domain_is_known_by_what_its_owner_registered(domain: str, found: str) -> None:
    assert registrable(domain) == found


def test_our_own_domains_include_their_subdomains_and_nothing_that_only_ends_alike() -> None:
    assert POLICY.is_internal("a@office.test")
    assert POLICY.is_internal("a@spb.office.test")
    assert not POLICY.is_internal("a@myoffice.test")
    assert not POLICY.is_internal("")
    assert not DomainPolicy().is_internal("a@office.test")


def test_only_a_companys_own_domain_tells_the_company() -> None:
    assert POLICY.company_domain("a@shop.lavka.example") == "lavka.example"
    assert POLICY.company_domain("a@mail.ru") == ""
    assert POLICY.company_domain("a@office.test") == ""
    assert POLICY.company_domain("") == ""


@pytest.mark.parametrize(
    "local", ["noreply", "no-reply", "do-not-reply", "mailer-daemon", "no_reply+7", "noreply-shop"]
)
def test_addresses_that_nobody_reads_are_known(local: str) -> None:
    assert is_no_reply(f"{local}@shop.example")


@pytest.mark.parametrize("local", ["olga", "norma", "post", "nora.reply"])
def test_people_are_not_taken_for_robots(local: str) -> None:
    assert not is_no_reply(f"{local}@shop.example")
