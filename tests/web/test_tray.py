"""The pages of the tray: deciding, taking back, coming too late, and looking for others without scripts."""

from __future__ import annotations

from lxml import html
from sqlalchemy import select
from sqlalchemy.orm import Session

from terracrm.models import ContactAddress, Participant, SenderDecision
from tests.web.conftest import Client, SignIn, token

WHO = "who@nowhere.example"
SENDER = f"/tray/senders/{WHO}"


def decide(client: Client, **fields: object) -> str:
    """Send the form; where the answer leads."""
    answer = client.post(SENDER, data={"csrf_token": token(client, SENDER), **fields})
    assert answer.status_code == 302, answer.text
    return str(answer.location)


def who_is_it(rows: Session) -> tuple[int | None, int | None, str]:
    rows.rollback()
    row = rows.scalars(select(Participant).where(Participant.address == WHO)).one()
    return row.contact_id, row.company_id, row.match_method


def text_of(client: Client, path: str, xpath: str = "//main") -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return " ".join(" ".join(node.text_content() for node in html.fromstring(answer.text).xpath(xpath)).split())


def test_a_decision_is_told_and_can_be_taken_back_at_once(
    signed_in: SignIn, ids: dict[str, int], rows: Session
) -> None:
    anna, maria = signed_in("anna"), ids["maria@market.example"]
    after = decide(anna, who=f"contact:{maria}")
    assert who_is_it(rows) == (maria, ids["market.example"], "decision")
    page = html.fromstring(anna.get(after).text)
    [notice] = page.xpath("//*[@role='status']")
    assert f"{WHO} is Мария Иванова" in " ".join(notice.text_content().split())
    assert "The tray is empty" in text_of(anna, "/tray")
    [form] = notice.xpath(".//form")
    fields = {field.get("name"): field.get("value") for field in form.xpath(".//input")}
    assert anna.post(form.get("action"), data=fields).location == SENDER
    assert who_is_it(rows) == (None, None, "")
    assert WHO in text_of(anna, "/tray")


def test_others_are_looked_for_without_scripts(signed_in: SignIn, ids: dict[str, int], rows: Session) -> None:
    anna = signed_in("anna")
    page = html.fromstring(anna.get(f"{SENDER}?q=market").text)
    found = page.xpath("//input[@type='radio'][@name='who']/@value")
    assert found == [f"contact:{ids['maria@market.example']}", f"company:{ids['market.example']}"]
    assert "No client matches" in text_of(anna, f"{SENDER}?q=неттакого")
    decide(anna, who=f"company:{ids['market.example']}", takes_domain="1")
    assert who_is_it(rows) == (None, ids["market.example"], "decision")
    assert "nowhere.example" in anna.get(f"/companies/{ids['market.example']}").text


def test_a_new_contact_is_made_with_its_name_and_company(signed_in: SignIn, ids: dict[str, int], rows: Session) -> None:
    anna = signed_in("anna")
    assert html.fromstring(anna.get(SENDER).text).xpath("//input[@name='name']/@value") == [WHO]
    decide(anna, who="new", name="Кто Тоэто", company_id=ids["market.example"])
    contact_id, company_id, method = who_is_it(rows)
    assert (company_id, method) == (ids["market.example"], "decision")
    profile = text_of(anna, f"/contacts/{contact_id}")
    assert "Кто Тоэто" in profile
    assert "Unknown sender" in profile
    assert "nothing is left to decide" not in text_of(anna, SENDER)
    assert "Take back" in text_of(anna, SENDER)


def test_an_ignored_sender_is_listed_among_the_decided(signed_in: SignIn, rows: Session) -> None:
    anna = signed_in("anna")
    decide(anna, who="ignore")
    assert f"{WHO} is not a client." in text_of(anna, "/tray?kind=decided")
    assert "Take back" not in text_of(signed_in("viktor"), "/tray?kind=decided")
    assert WHO not in text_of(signed_in("boris"), "/tray?kind=decided")


def test_who_comes_too_late_sees_what_was_decided(signed_in: SignIn, ids: dict[str, int], rows: Session) -> None:
    anna = signed_in("anna")
    crumb = token(anna, SENDER)
    rows.add(SenderDecision(address=WHO, decision="ignore", user_id=ids["galina"]))
    rows.commit()
    answer = anna.post(SENDER, data={"csrf_token": crumb, "who": f"contact:{ids['maria@market.example']}"})
    page = text_of(anna, answer.location)
    assert "Somebody else was faster" in page
    assert "Galina Smirnova" in page
    rows.rollback()
    assert not rows.scalars(select(ContactAddress).where(ContactAddress.address == WHO)).all()


def test_forms_that_say_nothing_usable_are_refused(signed_in: SignIn, ids: dict[str, int], rows: Session) -> None:
    anna = signed_in("anna")
    crumb = token(anna, SENDER)
    hidden = ids["peter@vesna.example"]
    for fields, status in (
        ({}, 400), ({"who": "contact:"}, 400), ({"who": "contact:x"}, 400), ({"who": "nonsense:1"}, 400),
        ({"who": "new", "name": "\x00"}, 400), ({"who": f"contact:{hidden}"}, 404), ({"who": "company:999999"}, 404),
        ({"who": "contact:99999999999999999999"}, 400),
    ):  # fmt: skip
        assert anna.post(SENDER, data={"csrf_token": crumb, **fields}).status_code == status, fields
    assert (
        anna.post("/tray/senders/nobody@else.example", data={"csrf_token": crumb, "who": "ignore"}).status_code == 404
    )
    assert who_is_it(rows) == (None, None, "")


def test_a_sender_with_odd_letters_in_the_address_has_a_page(signed_in: SignIn, rows: Session) -> None:
    odd = "o'neil/sales+a&b#c%d@odd.example"
    rows.execute(Participant.__table__.update().where(Participant.address == WHO).values(address=odd))
    rows.commit()
    anna = signed_in("anna")
    [link] = html.fromstring(anna.get("/tray").text).xpath("//*[@class='tray-who']/h2/a/@href")
    assert odd in text_of(anna, link)


def test_a_controller_reads_the_tray_and_has_no_forms(signed_in: SignIn) -> None:
    page = html.fromstring(signed_in("viktor").get(SENDER).text)
    assert page.xpath("//main//form[@method='post']") == []
    assert html.fromstring(signed_in("viktor").get("/tray").text).xpath("//main//form[@method='post']") == []


def test_the_home_page_counts_unknown_senders(signed_in: SignIn) -> None:
    assert "1 unknown sender" in text_of(signed_in("anna"), "/", "//a[@href='/tray']").replace("1unknown", "1 unknown")
