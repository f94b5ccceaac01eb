"""How names, links, sizes and codes are written."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask, g

from terracrm.models import ActivityKind, Sharing, StreamState
from terracrm.services.access import RoleCode
from web import formats, words


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("Мария Иванова", "МИ"),
        ("anna", "A"),
        ("Anna Maria Lopez", "AM"),
        ("7 дней", "Д"),
        ("42", "4"),
        ("…", "?"),
        ("", "?"),
    ],
)
def test_initials(name: str, letters: str) -> None:
    assert formats.initials(name) == letters


def test_a_legal_form_is_no_initial() -> None:
    assert formats.company_initials("ООО «Ромашка-Маркет»") == "РМ"


@pytest.mark.parametrize(
    ("address", "url"),
    [("romashka.example", "https://romashka.example"), ("http://a.example/x?y=1", "http://a.example/x?y=1"),
     ("ромашка.рф", "https://%D1%80%D0%BE%D0%BC%D0%B0%D1%88%D0%BA%D0%B0.%D1%80%D1%84"), ("javascript:alert(1)", ""),
     ("data:text/html,x", ""), ("no site", ""), ("", ""), ("http://[bad", "")],
)  # fmt: skip
def test_only_web_addresses_become_links(address: str, url: str) -> None:
    assert formats.site_url(address) == url


def test_a_phone_link_has_only_what_can_be_dialled() -> None:
    assert formats.tel_url("+7 (495) 123-45-67, доб. 12") == "tel:+7495123456712"


@pytest.mark.parametrize(("language", "texts"), [("en", ("1,234", "512 B", "47 KB", "1.5 MB")),
                                                  ("ru", ("1\xa0234", "512 Б", "47 КБ", "1,5 МБ"))])  # fmt: skip
def test_numbers_and_sizes_follow_the_language(portal: Flask, language: str, texts: tuple[str, ...]) -> None:
    with portal.test_request_context():
        g.language = language
        sizes = tuple(formats.file_size(size) for size in (512, 48_213, 1_572_864))
        assert (formats.number(1234), *sizes) == texts


@pytest.mark.usefixtures("in_moscow")
def test_a_day_is_the_reader_s_day(portal: Flask) -> None:
    with portal.test_request_context():
        g.language = "en"
        assert str(formats.local_day(datetime(2026, 11, 22, 21, 30, tzinfo=UTC))) == "2026-11-23"
        assert formats.day_and_time(datetime(2026, 11, 22, 21, 30, tzinfo=UTC)) == "23 Nov 2026, 00:30"


@pytest.mark.usefixtures("in_moscow")
def test_a_meeting_over_midnight_names_the_day_of_its_end(portal: Flask) -> None:
    with portal.test_request_context():
        g.language = "en"
        start = datetime(2026, 11, 23, 10, tzinfo=UTC)
        assert formats.span(start, start + timedelta(hours=1)) == "13:00–14:00"
        assert formats.span(start, start + timedelta(days=1)) == "13:00 – 24 Nov 2026, 13:00"
        assert formats.span(start, None) == "13:00"


def test_every_code_of_the_tables_has_its_word() -> None:
    for codes, group in (
        (ActivityKind, words.KINDS),
        (StreamState, words.STATES),
        (RoleCode, words.ROLES),
        ([str(int(level)) for level in Sharing], words.SHARING),
    ):
        assert set(map(str, codes)) <= set(group)


def test_the_catalogues_are_whole() -> None:
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "tools/translations.py", "check"], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert done.returncode == 0
