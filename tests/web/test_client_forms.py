"""Clients changed in the portal: without a script, with what somebody else did meanwhile, and put away (P2, P7)."""

from __future__ import annotations

import re
from html import unescape

import pytest
from sqlalchemy.orm import Session

from terracrm.models import Contact, FieldChange, Link, MirrorFolder, OutboxItem, Stream
from tests.web.conftest import Client, SignIn, token

MARIA = "maria@market.example"


@pytest.fixture
def path(ids: dict[str, int]) -> str:
    """Maria's profile."""
    return f"/contacts/{ids[MARIA]}"


@pytest.fixture
def anna(signed_in: SignIn) -> Client:
    """Maria's manager."""
    return signed_in("anna")


def filled(client: Client, path: str) -> dict[str, str]:
    """A form as a browser would send it without touching it."""
    return _fields(client.get(path).text)


def _fields(page: str) -> dict[str, str]:
    form = page[page.index('class="client-form"') :]
    found = {
        name: unescape(value)
        for tag in re.findall(r"<input [^>]*>", form)
        if 'type="radio"' not in tag
        for name, value in re.findall(r'name="([^"]+)" value="([^"]*)"', tag)
    }
    found |= {
        n: unescape(v) for n, v in re.findall(r'<textarea[^>]* name="([^"]+)"[^>]*>\n(.*?)</textarea>', form, re.S)
    }
    for name, options in re.findall(r'<select[^>]* name="([^"]+)"[^>]*>(.*?)</select>', form, re.S):
        chosen = re.search(r'value="([^"]*)" selected', options)
        found[name] = chosen[1] if chosen else ""
    return found


def test_a_form_that_is_sent_untouched_changes_nothing(anna: Client, path: str, rows: Session) -> None:
    before = rows.query(FieldChange).count()
    assert anna.post(f"{path}/edit", data=filled(anna, f"{path}/edit")).status_code == 302
    assert rows.query(FieldChange).count() == before


def test_all_that_is_entered_is_on_the_profile_and_in_its_changes(anna: Client, path: str) -> None:
    form = filled(anna, f"{path}/edit") | {
        "job_title": "Директор",
        "birthday": "1985-02-28",
        "stage": "договор",
        "phones-1-label": "mobile",
        "phones-1-number": "+7 916 555-03-04",
        "postal_addresses-1-city": "Тула",
        "owner": "",
    }
    answer = anna.post(f"{path}/edit", data=form)
    assert (answer.status_code, answer.location) == (302, path)
    page = anna.get(path).text
    for text in ("Директор", "28 Feb 1985", "договор", "+7 916 555-03-04", "Тула", "in the portal", "(mobile)"):
        assert text in page
    assert "Anna Sokolova" in anna.get(f"{path}/changes").text


def test_more_rows_keep_what_was_entered_and_change_nothing(anna: Client, path: str, rows: Session) -> None:
    form = filled(anna, f"{path}/edit") | {"job_title": "Директор", "more": "phones"}
    page = anna.post(f"{path}/edit", data=form).text
    assert len(re.findall(r'name="phones-\d+-number"', page)) == 6
    assert 'value="Директор"' in page
    assert rows.query(Contact).filter_by(job_title="Директор").count() == 0


def test_a_bad_value_is_marked_and_the_rest_is_kept(anna: Client, path: str) -> None:
    form = filled(anna, f"{path}/edit") | {"job_title": "Директор", "emails-1-address": "nobody", "birthday": "soon"}
    answer = anna.post(f"{path}/edit", data=form)
    assert answer.status_code == 400
    assert "This is no e-mail address." in answer.text
    assert "This is not a day that can be kept." in answer.text
    assert 'value="Директор"' in answer.text


@pytest.mark.parametrize(("side", "stays"), [("mine", "Товаровед"), ("theirs", "Директор")])
def test_what_somebody_else_changed_meanwhile_is_asked(
    anna: Client, signed_in: SignIn, path: str, rows: Session, side: str, stays: str
) -> None:
    mine = filled(anna, f"{path}/edit") | {"job_title": "Товаровед", "department": "Склад"}
    galina = signed_in("galina")
    galina.post(f"{path}/edit", data=filled(galina, f"{path}/edit") | {"job_title": "Директор", "surname": "Петрова"})
    answer = anna.post(f"{path}/edit", data=mine)
    assert answer.status_code == 409
    assert "somebody else has changed the same fields" in answer.text
    assert "<b>Директор</b>" in answer.text
    again = _fields(answer.text) | {"take-job_title": side}
    assert anna.post(f"{path}/edit", data=again).status_code == 302
    maria = rows.query(Contact).filter_by(display_name="Мария Иванова").one()
    assert (maria.job_title, maria.department, maria.surname) == (stays, "Склад", "Петрова")


def test_a_new_contact_and_a_new_company(anna: Client) -> None:
    form = filled(anna, "/contacts/new") | {"given_name": "Олег", "emails-0-address": "oleg@market.example"}
    answer = anna.post("/contacts/new", data=form)
    assert "Олег" in anna.get(answer.location).text
    form = filled(anna, "/companies/new") | {"name": "Гастроном", "domains": "gastronom.example\n", "city": "Тула"}
    answer = anna.post("/companies/new", data=form)
    page = anna.get(answer.location).text
    assert "gastronom.example" in page
    assert "became known" in page
    assert anna.post("/companies/new", data=form).status_code == 400


def test_an_archived_contact_is_out_of_the_list_and_comes_back(anna: Client, path: str) -> None:
    anna.post(f"{path}/archive", data={"csrf_token": token(anna, path)})
    assert f'href="{path}"' not in anna.get("/contacts").text
    assert "Take out of the archive" in anna.get(path).text
    anna.post(f"{path}/restore", data={"csrf_token": token(anna, path)})
    assert f'href="{path}"' in anna.get("/contacts").text


def test_the_profile_says_in_which_outlooks_the_client_is(
    anna: Client, signed_in: SignIn, path: str, rows: Session, ids: dict[str, int]
) -> None:
    mailbox_id = ids["anna@romashka.example"]
    folder = rows.query(MirrorFolder).filter_by(remote_id="inbox-anna").one()
    card = Link(
        mailbox_id=mailbox_id, folder_id=folder.id, entity="contact", local_id=ids[MARIA], remote_id="c", rule="clients"
    )
    rows.add_all([card, Stream(kind="contacts", direction="both", mailbox_id=mailbox_id)])
    rows.commit()
    assert "Up to date" in anna.get(path).text
    rows.add(OutboxItem(mailbox_id=mailbox_id, entity="contact", local_id=ids[MARIA]))
    rows.commit()
    assert "A change waits to be written." in anna.get(path).text
    assert "anna@romashka.example" not in _outlooks(signed_in("galina").get(path).text)
    assert "anna@romashka.example" in _outlooks(signed_in("viktor").get(path).text)


def _outlooks(page: str) -> str:
    found = re.search(r'aria-labelledby="outlooks".*?</section>', page, re.S)
    return found[0] if found else ""


def test_older_changes_are_pages_away(anna: Client, path: str, rows: Session, ids: dict[str, int]) -> None:
    rows.add_all(
        FieldChange(entity="contact", entity_id=ids[MARIA], field="notes", old=f"text {n}", new=f"text {n + 1}")
        for n in range(70)
    )
    rows.commit()
    shown = anna.get(path).text
    link = re.search(r'href="([^"]+/changes\?before=\d+)"', shown)
    assert link
    page = anna.get(link[1]).text
    assert "text 59" in page
    older = re.search(r'rel="next" href="([^"]+)"', page)
    assert older
    assert "text 3<" in anna.get(unescape(older[1])).text
