"""Merging in the portal: choose, compare, merge, undo, and the list of likely duplicates (M4)."""

from __future__ import annotations

import re

import pytest
from sqlalchemy.orm import Session

from terracrm.models import Contact, ContactAddress, Merge
from tests.office import OURS
from tests.web.conftest import Client, SignIn, token


@pytest.fixture
def twin(rows: Session, ids: dict[str, int]) -> int:
    """Мария Иванова once more, with another address, a position and the same phone."""
    maria = rows.get_one(Contact, ids["maria@market.example"])
    for phone in maria.phones:
        phone.e164 = "+74951234567"
    twin = Contact(
        display_name="Мария Иванова",
        name_key="мария иванова",
        job_title="Директор по закупкам",
        department="Закупки",
        owner_id=maria.owner_id,
        team_id=maria.team_id,
    )
    twin.addresses = [ContactAddress(address="maria@home.example", written="maria@home.example")]
    rows.add(twin)
    rows.commit()
    return twin.id


@pytest.fixture
def anna(signed_in: SignIn) -> Client:
    return signed_in("anna")


def post(client: Client, path: str, **fields: str):  # type: ignore[no-untyped-def]
    return client.post(path, data={"csrf_token": token(client, "/"), **fields})


def test_a_manager_finds_compares_merges_and_undoes(anna: Client, ids: dict[str, int], twin: int) -> None:
    maria = ids["maria@market.example"]
    profile = anna.get(f"/contacts/{maria}").text
    assert f'href="/contacts/{maria}/merge"' in profile
    assert f'value="{twin}"' in anna.get(f"/contacts/{maria}/merge").text
    chosen = anna.get(f"/contacts/{maria}/merge?other={twin}")
    assert chosen.status_code == 302
    page = anna.get(chosen.location).text
    assert "maria@home.example" in page
    assert re.search(r'name="field-job_title" value="winner" checked', page)
    assert re.search(r'name="field-department" value="loser" checked', page)
    done = post(anna, f"/contacts/{maria}/merge/{twin}", **{"field-job_title": "loser"})
    assert done.status_code == 302
    page = anna.get(done.location).text
    assert "Директор по закупкам" in page
    assert "maria@home.example" in page
    undo = re.search(r'action="(/merges/\d+/undo)"', page)
    assert undo
    assert anna.get(f"/contacts/{twin}").location == f"/contacts/{maria}"
    undone = post(anna, undo[1])
    assert "The merge was undone" in anna.get(undone.location).text
    assert anna.get(f"/contacts/{twin}").status_code == 200
    assert "maria@home.example" not in anna.get(f"/contacts/{maria}").text


def test_what_was_merged_is_in_no_list(anna: Client, signed_in: SignIn, ids: dict[str, int], twin: int) -> None:
    post(anna, f"/contacts/{ids['maria@market.example']}/merge/{twin}")
    assert anna.get("/contacts?name=мария").text.count("Мария Иванова") == 1
    assert signed_in("boris").get(f"/contacts/{twin}").status_code == 404
    assert signed_in("viktor").get(f"/contacts/{twin}").status_code == 302


def test_the_other_can_be_kept_instead(anna: Client, ids: dict[str, int], twin: int) -> None:
    maria = ids["maria@market.example"]
    assert f'href="/contacts/{twin}/merge/{maria}"' in anna.get(f"/contacts/{maria}/merge/{twin}").text


def test_a_merge_that_cannot_be_says_why(anna: Client, ids: dict[str, int], twin: int, rows: Session) -> None:
    maria = ids["maria@market.example"]
    assert anna.get(f"/contacts/{maria}/merge/{maria}").status_code == 409
    post(anna, f"/contacts/{maria}/merge/{twin}")
    merge_id = rows.query(Merge.id).scalar()
    assert post(anna, f"/contacts/{maria}/merge/{twin}").status_code == 404
    assert post(anna, f"/merges/{merge_id}/undo").status_code == 302
    again = post(anna, f"/merges/{merge_id}/undo")
    assert again.status_code == 409
    assert "undone already" in again.text


@pytest.mark.parametrize(("name", "expected"), [("viktor", 403), ("admin", 403), ("boris", 404)])
def test_who_may_not_merge_is_refused(
    signed_in: SignIn, ids: dict[str, int], twin: int, name: str, expected: int
) -> None:
    client, maria = signed_in(name), ids["maria@market.example"]
    assert client.get(f"/contacts/{maria}/merge").status_code == expected
    assert client.get(f"/contacts/{maria}/merge/{twin}").status_code == expected
    assert post(client, f"/contacts/{maria}/merge/{twin}").status_code == expected
    if name != "boris":
        assert f"/contacts/{maria}/merge" not in client.get(f"/contacts/{maria}").text


def test_nothing_is_merged_without_the_token(anna: Client, ids: dict[str, int], twin: int) -> None:
    assert anna.post(f"/contacts/{ids['maria@market.example']}/merge/{twin}").status_code == 400


def test_likely_duplicates_are_listed_with_why(anna: Client, ids: dict[str, int], twin: int) -> None:
    maria = ids["maria@market.example"]
    page = anna.get("/contacts/duplicates").text
    assert f"/contacts/{maria}/merge/{twin}" in page
    assert "same name" in page
    assert "Nobody seems to be here twice" in anna.get("/companies/duplicates").text
    assert "/contacts/duplicates" in anna.get("/contacts").text


def test_companies_are_merged_the_same_way(anna: Client, ids: dict[str, int]) -> None:
    market, harbour = ids["market.example"], ids["harbour.example"]
    found = anna.get(f"/companies/{market}/merge?q=harbour").text
    assert f'value="{harbour}"' in found
    page = anna.get(f"/companies/{market}/merge/{harbour}").text
    assert "harbour.example" in page
    done = post(anna, f"/companies/{market}/merge/{harbour}", **{"field-name": "loser"})
    page = anna.get(done.location).text
    assert "<h1>Free Harbour</h1>" in page
    assert "Igor Lapin" in page
    assert anna.get(f"/companies/{harbour}").location == f"/companies/{market}"
    assert OURS not in page.split("Mail domains")[1][:200]


def test_two_of_one_name_are_told_apart_by_their_addresses(anna: Client, ids: dict[str, int], twin: int) -> None:
    page = anna.get(f"/contacts/{ids['maria@market.example']}/merge/{twin}").text
    assert "Мария Иванова (maria@market.example)" in page
    assert "Мария Иванова (maria@home.example)" in page
