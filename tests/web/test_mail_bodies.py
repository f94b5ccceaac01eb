"""Bodies of mail made safe to show (S11)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import html

from web import mail_html

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<a href='javascript:alert(1)'>x</a>",
    "<a href='JaVa\tScript:alert(1)'>x</a>",
    "<a href='data:text/html,<script>alert(1)</script>'>x</a>",
    "<iframe src='https://evil.example'></iframe>",
    "<form action='https://evil.example'><input name=p></form>",
    "<svg><script>alert(1)</script></svg>",
    "<math><mtext><style><img src=x onerror=alert(1)></style></mtext></math>",
    "<link rel=stylesheet href='https://evil.example/x.css'>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "<base href='https://evil.example/'>",
    "<div style='background:url(https://evil.example/p.gif)'>x</div>",
    "<div style='position:fixed;top:0;left:0;width:100%;height:100%;z-index:9'>x</div>",
    "<table background='https://evil.example/p.gif'><tr><td>x</td></tr></table>",
    "<img srcset='https://evil.example/p.gif 1x' src='https://evil.example/p.gif'>",
    "<img src='//evil.example/p.gif'>",
    "<video poster='https://evil.example/p.gif' src='https://evil.example/v.mp4'></video>",
    "<object data='https://evil.example'></object><embed src='https://evil.example'>",
    "<style>@import 'https://evil.example/x.css'; body { background: url(https://evil.example) }</style>",
]


@pytest.mark.parametrize("mail", HOSTILE)
def test_nothing_runs_and_nothing_is_fetched(mail: str) -> None:
    clean = mail_html.clean(f"<p>before</p>{mail}<p>after</p>").html
    assert "before" in clean
    assert "after" in clean
    for unwanted in ("evil.example", "alert", "javascript", "position", "<form", "<iframe", "<style"):
        assert unwanted not in clean.lower()


def test_remote_images_are_counted_and_shown_only_when_wanted() -> None:
    mail = '<img src="https://a.example/1.gif"><img src="cid:logo"><img src="http://b.example/2.gif" alt="Two">'
    hidden = mail_html.clean(mail)
    assert hidden.remote_images == 2
    assert "example" not in hidden.html
    assert 'alt="Two"' in hidden.html
    shown = mail_html.clean(mail, remote_images=True)
    assert "https://a.example/1.gif" in shown.html
    assert "cid:" not in shown.html


def test_pictures_inside_the_mail_are_shown_but_not_svg() -> None:
    assert "data:image/png;base64,AAAA" in mail_html.clean('<img src="data:image/png;base64,AAAA">').html
    assert "svg" not in mail_html.clean('<img src="data:image/svg+xml;base64,AAAA">').html


def test_the_look_of_a_business_mail_stays() -> None:
    mail = '<table width="600"><tr><td style="color: #1f497d; position: absolute">Цена</td></tr></table>'
    clean = mail_html.clean(mail).html
    assert 'width="600"' in clean
    assert "color:#1f497d" in clean.replace(" ", "")
    assert "position" not in clean


def test_links_open_elsewhere_and_tell_nothing() -> None:
    [link] = html.fromstring(f"<div>{mail_html.clean('<a href=https://x.example>x</a>').html}</div>").xpath("//a")
    assert link.get("target") == "_blank"
    assert {"noopener", "noreferrer"} <= set(link.get("rel").split())


@given(st.text())
def test_any_text_can_be_cleaned(mail: str) -> None:
    assert "<script" not in mail_html.clean(mail).html.lower()


@pytest.mark.parametrize("depth", [4000, 100_000])
def test_of_a_body_nested_beyond_measure_the_words_are_shown(depth: int) -> None:
    found = mail_html.clean("<div>" * depth + "one &lt;b&gt; two" + "</div>" * depth)
    assert str(found.html) == "one &lt;b&gt; two"


def test_a_long_body_whose_elements_are_left_open_is_shown_as_it_is() -> None:
    found = mail_html.clean("<table><tr><td>cell" * 1 + "<p>line" * 5000 + "<ul>" + "<li>item" * 5000)
    assert str(found.html).count("<p>") == 5000
    assert str(found.html).count("<li>") == 5000
