"""What the pages show, read with an HTML parser."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from lxml import html
from sqlalchemy import update
from sqlalchemy.orm import Session

from terracrm.models import Activity, ContactTimeline, Stream, User
from terracrm.services import search, timeline
from tests.office import Office
from tests.web.conftest import Client, SignIn, token


def texts(client: Client, path: str, xpath: str) -> list[str]:
    answer = client.get(path)
    assert answer.status_code == 200
    return [" ".join(node.text_content().split()) for node in html.fromstring(answer.text).xpath(xpath)]


TITLES = "//*[@id='timeline']//*[@class='entry-title']"


def test_a_contact_profile_shows_all_that_is_known(signed_in: SignIn, ids: dict[str, int]) -> None:
    page = signed_in("anna").get(f"/contacts/{ids['maria@market.example']}").text
    for fact in ("Мария Иванова", "Закупщик", "tel:+74951234567", "mailto:maria@market.example", "125009 Moscow",
                 "Anna Sokolova", "North", "Менеджер", f"/companies/{ids['market.example']}"):  # fmt: skip
        assert fact in page


def test_a_profile_shows_the_history_with_days_directions_and_attachments(
    signed_in: SignIn, ids: dict[str, int]
) -> None:
    anna = signed_in("anna")
    path = f"/companies/{ids['market.example']}"
    assert texts(anna, path, TITLES) == [
        "Tasting of new cheeses", "Фото полки", "RE: Договор поставки сметаны",
        "Договор поставки сметаны with attachments",
    ]  # fmt: skip
    marks = texts(anna, path, "//*[@id='timeline']//*[@class='entry-icon']")
    assert marks == ["Meeting", "Received", "Sent", "Received"]
    assert "Yesterday" in texts(anna, path, "//*[@id='timeline']//h3")[-1:]


def test_filters_narrow_the_history(signed_in: SignIn, ids: dict[str, int]) -> None:
    anna = signed_in("anna")
    path = f"/companies/{ids['market.example']}"
    assert texts(anna, f"{path}?kind=meeting", TITLES) == ["Tasting of new cheeses"]
    assert texts(anna, f"{path}?kind=note", "//*[@id='timeline']//p[1]") == ["Nothing fits these filters"]
    assert texts(anna, f"{path}?until=2001-01-01", TITLES) == []
    assert len(texts(anna, f"{path}?person={ids['maria@market.example']}", TITLES)) == 4


def test_older_entries_follow_without_scripts_and_as_a_fragment(
    signed_in: SignIn, rows: Session, ids: dict[str, int]
) -> None:
    office = Office(rows)
    _long_history(office, ids)
    anna = signed_in("anna")
    path = f"/companies/{ids['market.example']}"
    first = html.fromstring(anna.get(path).text)
    [more] = first.xpath("//li[@class='more']/a")
    assert more.get("href") == more.get("hx-get")
    titles = [" ".join(node.text_content().split()) for node in first.xpath(TITLES)]
    whole = texts(anna, more.get("href"), TITLES)
    fragment = anna.get(more.get("href"), headers={"HX-Request": "true"}).text
    assert "<html" not in fragment
    assert len(titles) == 30
    assert not set(titles) & set(whole)
    assert all(title in fragment for title in whole)


def test_a_text_mail_links_addresses_and_folds_what_it_quotes(signed_in: SignIn, ids: dict[str, int]) -> None:
    page = html.fromstring(signed_in("anna").get(f"/messages/{ids['answer']}").text)
    [link] = page.xpath("//div[@class='letter-text']/a")
    assert (link.get("href"), link.get("target")) == ("https://romashka.example/doc", "_blank")
    assert "noopener" in link.get("rel")
    assert "Пришлите договоры" in page.xpath("//details[@class='quoted']")[0].text_content()


def test_a_message_shows_its_thread_copies_attachments_and_reason(signed_in: SignIn, ids: dict[str, int]) -> None:
    anna = signed_in("anna")
    path = f"/messages/{ids['question']}"
    [first, second] = texts(anna, path, "//ol[@class='thread']/li")
    assert "this message" in first
    assert "Высылаю договор" in second
    assert "заявка.pdf" in texts(anna, path, "//section[@id='attachments']")[0]
    assert "anna@romashka.example" in texts(anna, path, "//section[@aria-labelledby='copies']")[0]
    assert "known by the address" in texts(anna, path, "//section[@aria-labelledby='why']")[0]


def test_an_html_mail_is_framed_without_scripts_and_remote_images(signed_in: SignIn, ids: dict[str, int]) -> None:
    anna = signed_in("anna")
    page = html.fromstring(anna.get(f"/messages/{ids['pictures']}").text)
    [frame] = page.xpath("//iframe")
    assert "allow-scripts" not in frame.get("sandbox")
    body = anna.get(frame.get("src"))
    assert "Полка <b>готова</b>" in body.text
    for unwanted in ("evil.example", "script", "onclick"):
        assert unwanted not in body.text
    policy = body.headers["Content-Security-Policy"]
    assert "img-src 'self' data:;" in policy
    assert "sandbox allow-same-origin" in policy
    assert "allow-scripts" not in policy


def test_images_are_shown_for_once_and_only_when_asked(signed_in: SignIn, ids: dict[str, int]) -> None:
    anna = signed_in("anna")
    path = f"/messages/{ids['pictures']}"
    answer = anna.post(f"{path}/images", data={"csrf_token": token(anna, path)})
    [frame] = html.fromstring(answer.text).xpath("//iframe")
    body = anna.get(frame.get("src"))
    assert 'src="https://evil.example/p.gif"' in body.text
    assert "img-src 'self' data: https: http:;" in body.headers["Content-Security-Policy"]
    assert "evil.example" not in anna.get(f"{path}/body").text
    assert "evil.example" not in anna.get(f"{path}/body?images=1").text
    viktor = signed_in("viktor").get(frame.get("src"))
    assert "evil.example" not in viktor.text


def test_a_meeting_shows_when_where_and_who(signed_in: SignIn, ids: dict[str, int]) -> None:
    page = signed_in("anna").get(f"/meetings/{ids['tasting']}").text
    for fact in ("Tasting of new cheeses", "Office, room 4", "Bring samples.", "Мария Иванова", "no answer yet"):
        assert fact in page


def test_mailboxes_show_state_errors_and_runs(signed_in: SignIn, rows: Session, ids: dict[str, int]) -> None:
    stream = rows.query(Stream).filter_by(mailbox_id=ids["anna@romashka.example"], kind="mail").one()
    stream.state, stream.last_error = "credentials", "the server refused the password of anna"
    rows.commit()
    admin = signed_in("admin")
    page = admin.get(f"/mailboxes/{stream.mailbox_id}").text
    facts = ("cannot sign in", "the server refused the password of anna", "when somebody has mended it", ">12<", "done")
    for fact in facts:
        assert fact in page
    assert "look here" in admin.get("/").text
    assert "https://mail.romashka.example" in page
    assert "https://mail.romashka.example" not in signed_in("anna").get(f"/mailboxes/{stream.mailbox_id}").text


def test_unmatched_mail_is_listed_for_who_holds_it(signed_in: SignIn) -> None:
    subjects = "//*[@class='tray']//*[contains(@class, 'tray-items')]/li"
    assert texts(signed_in("anna"), "/tray", subjects) == ["Unknown sender"]
    assert texts(signed_in("boris"), "/tray", subjects) == []
    assert signed_in("anna").get("/messages/unmatched").location == "/tray"


def test_the_search_finds_clients_and_history(signed_in: SignIn, ids: dict[str, int]) -> None:
    anna = signed_in("anna")
    page = anna.get("/search?q=договоры").text
    assert f"/messages/{ids['question']}" in page
    assert f"/contacts/{ids['maria@market.example']}" in anna.get("/search?q=мар").text
    assert "Nothing has all these words" in anna.get("/search?q=кефир").text


def test_the_search_is_sorted_by_relevance_when_asked_for(
    signed_in: SignIn, rows: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna, asked = signed_in("anna"), "/search?q=договор&sort=relevant"
    newest = texts(anna, "/search?q=договор", TITLES)
    assert newest[0].startswith("RE: ")
    assert texts(anna, "/search?q=договор&sort=newest", TITLES) == newest
    assert texts(anna, asked, TITLES) == newest
    newer = rows.query(Activity).filter(Activity.subject.startswith("RE: ")).one()
    newer.subject = "Лук"
    rows.commit()
    assert texts(anna, "/search?q=договор", TITLES)[0] == "Лук"
    assert texts(anna, asked, TITLES)[-1] == "Лук"
    assert "are compared here" not in anna.get(asked).text
    monkeypatch.setattr(search, "RANKED", 2)
    monkeypatch.setattr(timeline, "PAGE_SIZE", 1)
    (more,) = html.fromstring(anna.get(asked).text).xpath("//*[@class='more']/a/@href")
    assert texts(anna, more, TITLES) == ["Лук"]
    monkeypatch.setattr(search, "RANKED", 1)
    assert "Only the newest 1 are compared here" in anna.get(asked).text
    assert anna.get("/search?q=договор&sort=oldest").status_code == 400


def test_lists_are_filtered_and_sorted(signed_in: SignIn) -> None:
    anna = signed_in("anna")
    names = "//table//tbody//th//a/span[last()]"
    assert texts(anna, "/companies?sort=name", names) == ["Free Harbour", "ООО «Ромашка-Маркет»"]
    assert texts(anna, "/contacts?name=ромашка", names) == ["Мария Иванова Закупщик"]
    assert "No company has this name" in anna.get("/companies?name=zzz").text
    assert "There is no such page of the list" in anna.get("/companies?page=9").text


@pytest.mark.parametrize("word", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>'])
def test_what_people_and_senders_write_is_never_markup(
    signed_in: SignIn, rows: Session, ids: dict[str, int], word: str
) -> None:
    for row in rows.query(Activity):
        row.subject = row.snippet = word
    rows.query(User).filter_by(name="anna").one().full_name = word
    rows.commit()
    anna = signed_in("anna")
    for path in ("/", f"/companies/{ids['market.example']}", f"/messages/{ids['question']}", f"/search?q={word}",
                 f"/companies?name={word}"):  # fmt: skip
        assert word not in anna.get(path).text


def _long_history(office: Office, ids: dict[str, int]) -> None:
    from terracrm.models import CompanyTimeline

    for number in range(40):
        row = Activity(kind="mail", occurred_at=datetime(2026, 1, 1, number % 24, 0, tzinfo=UTC), is_matched=True,
                       subject=f"Old {number:02}")  # fmt: skip
        office.add(row)
        office.add(
            CompanyTimeline(
                company_id=ids["market.example"], occurred_at=row.occurred_at, activity_id=row.id, kind="mail"
            )
        )
    office.session.commit()


@pytest.mark.usefixtures("in_moscow")
def test_a_day_that_is_asked_for_begins_at_midnight_of_the_office(
    signed_in: SignIn, ids: dict[str, int], rows: Session
) -> None:
    quarter_past = datetime(2026, 11, 20, 21, 15, tzinfo=UTC)  # of the 21st in Moscow
    mine = ContactTimeline.activity_id == ids["pictures"]
    rows.execute(update(ContactTimeline).where(mine).values(occurred_at=quarter_past))
    rows.commit()
    profile = f"/contacts/{ids['maria@market.example']}"
    assert "Фото полки" in signed_in("anna").get(f"{profile}?since=2026-11-21&until=2026-11-21").text
    assert "Фото полки" not in signed_in("anna").get(f"{profile}?until=2026-11-20").text
