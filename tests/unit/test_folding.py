"""Quotations and signatures folded in the HTML of a mail: all in its place, nothing lost (S11)."""

from __future__ import annotations

import pytest
from hypothesis import given
from lxml import etree
from lxml import html as lxml_html

from terracrm.domain import html_lines
from terracrm.domain.folding import MOST_TAGS, fold
from terracrm.domain.replies import Kind, split_html
from tests.unit.test_replies import HEADERS, MARKUP

TITLES = {Kind.QUOTED: "Q", Kind.SIGNATURE: "S"}


def folded(html: str, says_quoted: bool = False) -> tuple[str, list[tuple[str, str]]]:
    """What is in sight, and each fold with its title."""
    page = lxml_html.fromstring(f"<div>{fold(html, ['Иван Петров'], TITLES, says_quoted)}</div>")
    folds = []
    for details in page.iter("details"):
        summary = details.find("summary")
        assert summary is not None
        title = f"{summary.text}{' open' if details.get('open') is not None else ''}"
        details.remove(summary)
        folds.append((title, " ".join(details.text_content().split())))
    for details in list(page.iter("details")):
        details.drop_tree()
    return " ".join(page.text_content().split()), folds


@pytest.mark.parametrize(
    ("html", "seen", "folds"),
    [
        pytest.param(
            f"<div><p>Да.<br>С уважением,<br>Иван</p><p>{HEADERS}</p><p>Старое</p></div>",
            "Да.",
            [("S", "С уважением,Иван"), ("Q", "От: АннаОтправлено: 2 мартаКому: ИванТема: МолокоСтарое")],
            id="a paragraph that is cut in two",
        ),
        pytest.param(
            "<p>Да</p><blockquote type=cite>раз</blockquote>Нет<blockquote type=cite>два</blockquote>",
            "ДаНет",
            [("Q open", "раз"), ("Q", "два")],
            id="answers between",
        ),
        pytest.param(
            "<table><tr><td>Да</td><td>x</td></tr><tr><td>-----Original Message-----<br>a</td><td>y</td></tr></table>z",
            "Даx",
            [("Q", "-----Original Message-----ayz")],
            id="a table that is cut in two",
        ),
        pytest.param("<ul><li>Да</li><li>-----Original Message-----</li><li>b</li></ul>z", "Да",
                     [("Q", "-----Original Message-----bz")], id="a list that is cut in two"),
        pytest.param("<p><b>Да<br>-----Original Message-----<br>b</b></p>", "Да",
                     [("Q", "-----Original Message-----b")], id="within bold letters"),
        pytest.param("<pre>Да\n-- \nИван\nЛавка</pre>", "Да", [("S", "-- ИванЛавка")], id="preformatted"),
        pytest.param("Да<br>-- <br>Иван<br>Лавка", "Да", [("S", "-- ИванЛавка")], id="bare text"),
        pytest.param("<p>Да<o:p w:x=1>&#11;<br>-----Original Message-----<br>b&#11;</o:p></p>", "Да",
                     [("Q", "-----Original Message-----b")], id="within what can be read and not made"),
        pytest.param("<pre>Да\x0b\n-- \nИван &#11;\nЛавка</pre>", "Да", [("S", "-- Иван Лавка")],
                     id="control characters"),
    ],
)  # fmt: skip
def test_what_is_not_said_is_folded_in_its_place(html: str, seen: str, folds: list[tuple[str, str]]) -> None:
    assert folded(html) == (seen, folds)


@pytest.mark.parametrize(
    "html", ["<p>Да</p>", "", "<blockquote>x</blockquote>", "<img src=cid:x><div>-----Original Message-----</div>"]
)
def test_what_quotes_nothing_stays_as_it_is(html: str) -> None:
    assert fold(html, [], TITLES) == html


def test_what_a_forward_carries_is_open() -> None:
    body = "<p>Смотрите</p><div>-----Original Message-----<br>From: a<br>Sent: b<p>Цены</p></div>"
    assert folded(body, says_quoted=True)[1][0][0] == "Q open"
    assert folded(body)[1][0][0] == "Q"


def test_a_picture_among_what_is_said_stays_in_sight() -> None:
    shown = fold("<img src=cid:shot><br>Да<br><div>-----Original Message-----<br>From: a</div>", [], TITLES)
    assert shown.index("cid:shot") < shown.index("<details")


@given(MARKUP)
def test_folding_keeps_every_word_in_its_order(pieces: list[str]) -> None:
    """And each where it belongs: what was said in sight, and the rest in the folds."""
    html = "".join(pieces)
    before = html_lines.read(html)
    after = html_lines.read(
        fold(html, [], TITLES).replace("<summary>Q</summary>", "").replace("<summary>S</summary>", "")
    )
    if before is None or after is None:
        assert before is after
        return
    assert "".join(after.body.itertext()).split() == "".join(before.body.itertext()).split()
    etree.strip_elements(after.body, "details", with_tail=False)
    seen = html_lines.read(lxml_html.tostring(after.body, encoding="unicode"))
    assert seen is not None
    assert "".join(line.text for line in seen.shown).replace(" ", "") == "".join(split_html(html).new.split())


def test_a_page_of_more_tags_than_anybody_writes_is_shown_as_it_is() -> None:
    html = "<p>new</p>" + "<br>" * MOST_TAGS + "<blockquote>quoted</blockquote>"
    assert fold(html, [], TITLES) == html
