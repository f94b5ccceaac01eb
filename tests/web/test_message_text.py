"""The page of a message: what was said in sight, the rest one click away, and the whole as it was sent (S11)."""

from __future__ import annotations

from lxml import html
from sqlalchemy.orm import Session

from terracrm.models import Activity, MessageBody
from tests.web.conftest import Client, SignIn

TEXT = """Десять ящиков.

С уважением,
Мария Иванова

02.03.2026 10:15, Анна пишет:
> Сколько?
"""
HTML = (
    "<p>Десять <b>ящиков</b>.</p><div class=gmail_signature>Мария<br>Иванова</div>"
    "<blockquote type=cite>Сколько?<script>alert(1)</script><details onclick=x()>Когда?</details></blockquote>"
)


def texts(page: str) -> list[tuple[str, str]]:
    """The parts of the letter: "" for what is in sight, the title for a fold ("open" when it is)."""
    found = []
    for part in html.fromstring(page).xpath("//article//*[contains(@class, 'letter-text')]"):
        fold = part.getparent() if part.getparent().tag == "details" else None
        title = "" if fold is None else fold.findtext("summary") + (" open" if "open" in fold.attrib else "")
        found.append((title, " ".join(part.text_content().split())))
    return found


def write(rows: Session, message_id: int, subject: str = "RE: Молоко", **body: str) -> None:
    rows.get_one(Activity, message_id).subject = subject
    for name, value in {"text": "", "html": "", **body}.items():
        setattr(rows.get_one(MessageBody, message_id), name, value)
    rows.commit()


def page(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.text


def test_a_plain_mail_shows_what_was_said_and_folds_the_rest(
    signed_in: SignIn, rows: Session, ids: dict[str, int]
) -> None:
    write(rows, ids["question"], text=TEXT)
    path = f"/messages/{ids['question']}"
    assert texts(page(signed_in("anna"), path)) == [
        ("", "Десять ящиков."),
        ("Signature", "С уважением, Мария Иванова"),
        ("Quoted text", "02.03.2026 10:15, Анна пишет: > Сколько?"),
    ]
    whole = page(signed_in("anna"), f"{path}?as_sent=1")
    assert texts(whole) == [("", " ".join(TEXT.split()))]
    assert f'href="{path}"' in whole


def test_what_is_quoted_between_answers_and_what_a_forward_carries_starts_open(
    signed_in: SignIn, rows: Session, ids: dict[str, int]
) -> None:
    anna, path = signed_in("anna"), f"/messages/{ids['question']}"
    write(rows, ids["question"], text="> Сколько?\nДесять.\n> Когда?\nЗавтра.\n> И всё?\n")
    titles = [title for title, _ in texts(page(anna, path))]
    assert titles == ["Quoted text", "", "Quoted text open", "", "Quoted text"]
    write(rows, ids["question"], "FW: Молоко", text="Смотрите.\n\n-----Original Message-----\nFrom: a\n\nЦены\n")
    assert [title for title, _ in texts(page(anna, path))] == ["", "Quoted text open"]


def test_what_is_quoted_between_answers_of_an_html_mail_starts_open(
    signed_in: SignIn, rows: Session, ids: dict[str, int]
) -> None:
    quotes = [f"<blockquote type=cite>{number}</blockquote><p>Ответ</p>" for number in range(2)]
    write(rows, ids["pictures"], html="".join(quotes))
    folded = html.fromstring(page(signed_in("anna"), f"/messages/{ids['pictures']}/body"))
    assert ["open" in fold.attrib for fold in folded.iter("details")] == [False, True]


def test_an_html_mail_is_folded_and_still_made_safe(signed_in: SignIn, rows: Session, ids: dict[str, int]) -> None:
    write(rows, ids["pictures"], html=HTML)
    anna, path = signed_in("anna"), f"/messages/{ids['pictures']}/body"
    folded = html.fromstring(page(anna, path)).find("body")
    assert folded is not None
    assert [fold.findtext("summary") for fold in folded.iter("details")] == ["Signature", "Quoted text", None]
    for fold in list(folded.iter("details")):
        fold.drop_tree()
    assert " ".join(folded.text_content().split()) == "Десять ящиков."
    for address in (path, f"{path}?as_sent=1"):
        shown = page(anna, address)
        assert "Когда?" in shown
        assert "alert" not in shown
        assert "onclick" not in shown
    assert "Signature" not in page(anna, f"{path}?as_sent=1")
    assert f"{path}?as_sent=1" in page(anna, f"/messages/{ids['pictures']}?as_sent=1")


def test_a_mail_without_folds_has_no_second_view(signed_in: SignIn, rows: Session, ids: dict[str, int]) -> None:
    write(rows, ids["question"], text="Да.")
    assert "as_sent" not in page(signed_in("anna"), f"/messages/{ids['question']}")
