"""A client's contact and its card in Outlook: what comes here, what goes there, who wins (W1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from terracrm.domain.client_merge import (
    BOTH,
    CRM,
    IN,
    LATEST,
    OFF,
    OUT,
    OUTLOOK,
    Cell,
    Disagreement,
    Merged,
    decide,
    differing,
    merge,
    outgoing,
    outward,
    project,
    record_of,
)
from terracrm.domain.client_slots import BLANK, cells, same, tidy_list
from terracrm.domain.contact_merge import LISTS, SCALARS, Snapshot, snapshot
from terracrm.domain.outlook_slots import LABELS, places

EARLIER, LATER = datetime(2026, 11, 20, 9, tzinfo=UTC), datetime(2026, 11, 20, 10, tzinfo=UTC)


def said(**values: Any) -> Snapshot:
    """A snapshot with these fields; lists as pairs of label and value."""
    names = {"emails": "address", "phones": "number"}
    lists = {
        name: [{"label": label, names[name]: value} for label, value in values.pop(name)]
        for name in names
        if name in values
    }
    return BLANK | lists | values


def merged(
    base: Snapshot | None,
    sent: Snapshot | None,
    local: Snapshot,
    remote: Snapshot,
    *,
    rule: str = LATEST,
    directions: dict[str, str] | None = None,
    remote_at: datetime | None = LATER,
    local_at: datetime | None = EARLIER,
) -> Merged:
    return merge(
        base=base,
        sent=sent,
        local=local,
        remote=remote,
        directions=directions or {},
        rule=rule,
        remote_at=remote_at,
        changed_at=lambda _: local_at,
    )


def phones(*numbers: tuple[str, str]) -> list[dict[str, str]]:
    return [{"label": label, "number": number} for label, number in numbers]


ONE, TWO, THREE = "+7 495 000-00-01", "+7 495 000-00-02", "+7 495 000-00-03"


@dataclass(frozen=True)
class Case:
    """What both agreed on, what each says now, and what must come of it; `sent` is `base` where it is not given."""

    base: Snapshot | None
    local: Snapshot
    remote: Snapshot
    changes: Snapshot
    goes_out: set[str] = field(default_factory=set)
    lost: tuple[tuple[str, Any, Any, str, str], ...] = ()
    sent: Snapshot | None = None
    rule: str = LATEST
    directions: dict[str, str] = field(default_factory=dict)
    local_at: datetime | None = EARLIER


CASES = {
    "nothing changed": Case(said(job_title="CEO"), said(job_title="CEO"), said(job_title="CEO"), {}),
    "changed in Outlook": Case(
        said(job_title="CEO"), said(job_title="CEO"), said(job_title="CTO"), {"job_title": "CTO"}
    ),
    "emptied in Outlook": Case(said(job_title="CEO"), said(job_title="CEO"), said(), {"job_title": ""}),
    "changed here": Case(said(job_title="CEO"), said(job_title="CFO"), said(job_title="CEO"), {}, {"job_title"}),
    "changed to the same on both sides": Case(
        said(job_title="CEO"), said(job_title="CTO"), said(job_title="CTO"), {}, set()
    ),
    "different fields changed": Case(
        said(job_title="CEO", website="a.test"),
        said(job_title="CFO", website="a.test"),
        said(job_title="CEO", website="b.test"),
        {"website": "b.test"},
        {"job_title"},
    ),
    "both changed, Outlook later": Case(
        said(job_title="CEO"),
        said(job_title="CFO"),
        said(job_title="CTO"),
        {"job_title": "CTO"},
        lost=(("job_title", "CFO", "CTO", OUTLOOK, LATEST),),
    ),
    "both changed, here later": Case(
        said(job_title="CEO"),
        said(job_title="CFO"),
        said(job_title="CTO"),
        {},
        {"job_title"},
        lost=(("job_title", "CFO", "CTO", CRM, LATEST),),
        local_at=datetime(2026, 11, 20, 11, tzinfo=UTC),
    ),
    "both changed, the CRM always wins": Case(
        said(job_title="CEO"),
        said(job_title="CFO"),
        said(job_title="CTO"),
        {},
        {"job_title"},
        lost=(("job_title", "CFO", "CTO", CRM, CRM),),
        rule=CRM,
    ),
    "what the server makes of a value is no change": Case(
        said(website="http://a.test/"),
        said(website="a.test"),
        said(website="http://a.test/"),
        {},
        sent=said(website="a.test"),
    ),
    "line ends of notes are no change": Case(said(notes="a\nb"), said(notes="a\nb"), said(notes="a\r\nb\r\n"), {}),
    "met for the first time: each fills what the other lacks": Case(
        None,
        said(job_title="CEO", phones=[("business", ONE)]),
        said(website="a.test", phones=[("mobile", TWO)]),
        {"website": "a.test", "phones": phones(("business", ONE), ("mobile", TWO))},
        {"job_title", "phones"},
    ),
    "met for the first time: a difference is a conflict": Case(
        None,
        said(job_title="CEO"),
        said(job_title="CTO"),
        {"job_title": "CTO"},
        lost=(("job_title", "CEO", "CTO", OUTLOOK, LATEST),),
    ),
    "met for the first time: a number stands where there was room": Case(
        None,
        said(phones=[("business", TWO), ("business", ONE)]),
        said(phones=[("business", TWO), ("business_2", ONE)]),
        {},
    ),
    "changed in Outlook where it does not come in": Case(
        said(job_title="CEO"),
        said(job_title="CEO"),
        said(job_title="CTO"),
        {},
        {"job_title"},
        lost=(("job_title", "CEO", "CTO", CRM, "direction"),),
        directions={"job_title": OUT},
    ),
    "changed here where it does not go out": Case(
        said(job_title="CEO"), said(job_title="CFO"), said(job_title="CEO"), {}, directions={"job_title": IN}
    ),
    "changed in Outlook where it only comes in": Case(
        said(job_title="CEO"),
        said(job_title="CEO"),
        said(job_title="CTO"),
        {"job_title": "CTO"},
        directions={"job_title": IN},
    ),
    "changed on both sides where it neither comes nor goes": Case(
        said(job_title="CEO"), said(job_title="CFO"), said(job_title="CTO"), {}, directions={"job_title": OFF}
    ),
    "a number added on each side": Case(
        said(phones=[("business", ONE)]),
        said(phones=[("business", ONE), ("mobile", TWO)]),
        said(phones=[("business", ONE), ("mobile", THREE)]),
        {"phones": phones(("business", ONE), ("mobile", TWO), ("mobile", THREE))},
        {"phones"},
    ),
    "a number removed in Outlook": Case(
        said(phones=[("business", ONE), ("mobile", TWO)]),
        said(phones=[("business", ONE), ("mobile", TWO)]),
        said(phones=[("mobile", TWO)]),
        {"phones": phones(("mobile", TWO))},
    ),
    "a number put in place of another": Case(
        said(phones=[("business", ONE), ("mobile", TWO)]),
        said(phones=[("business", ONE), ("mobile", TWO)]),
        said(phones=[("business", THREE), ("mobile", TWO)]),
        {"phones": phones(("business", THREE), ("mobile", TWO))},
    ),
    "a number spelled and placed otherwise in Outlook": Case(
        said(phones=[("business", ONE)]),
        said(phones=[("business", ONE)]),
        said(phones=[("mobile", "8 (495) 000 00 01")]),
        {"phones": phones(("mobile", "8 (495) 000 00 01"))},
    ),
    "a number spelled otherwise there keeps the label it has here": Case(
        said(phones=[("business", TWO), ("business_2", ONE)]),
        said(phones=[("business", TWO), ("business", ONE)]),
        said(phones=[("business", TWO), ("business_2", "8 (495) 000 00 01")]),
        {"phones": phones(("business", TWO), ("business", "8 (495) 000 00 01"))},
    ),
    "a number removed there and spelled otherwise here": Case(
        said(phones=[("business", ONE)]),
        said(phones=[("business", "8 (495) 000 00 01")]),
        said(),
        {"phones": []},
        lost=(("phones", {"label": "business", "number": "8 (495) 000 00 01"}, None, OUTLOOK, LATEST),),
    ),
    "the same number twice in Outlook is left alone": Case(
        said(phones=[("business", ONE), ("mobile", ONE)]),
        said(phones=[("business", ONE)]),
        said(phones=[("business", ONE), ("mobile", ONE), ("home", ONE)]),
        {},
        sent=said(phones=[("business", ONE)]),
    ),
    "what is no address is left alone": Case(
        said(emails=[("1", "a@client.test")]),
        said(emails=[("1", "a@client.test")]),
        said(emails=[("1", "a@client.test"), ("2", "ask Anna")]),
        {},
    ),
    "the fourth address stays here only": Case(
        said(emails=[("1", "a@c.test"), ("2", "b@c.test"), ("3", "c@c.test")]),
        said(emails=[("1", "a@c.test"), ("2", "b@c.test"), ("3", "c@c.test"), ("1", "d@c.test")]),
        said(emails=[("1", "a@c.test"), ("2", "b@c.test"), ("3", "c@c.test")]),
        {},
    ),
    "an address that has no place here is put in there": Case(
        said(emails=[("1", "a@c.test"), ("2", "b@c.test"), ("3", "c@c.test")]),
        said(emails=[("1", "a@c.test"), ("2", "b@c.test"), ("3", "c@c.test"), ("1", "d@c.test")]),
        said(emails=[("1", "a@c.test"), ("2", "b@c.test"), ("3", "d@c.test")]),
        {"emails": said(emails=[("1", "a@c.test"), ("2", "b@c.test"), ("1", "d@c.test")])["emails"]},
    ),
    "a street that the server wrote otherwise is the same street": Case(
        said(postal_addresses=[{"label": "business", "street": "Lenina 1, of. 2"}]),
        said(postal_addresses=[{"label": "business", "street": "Lenina 1\tof. 2"}]),
        said(postal_addresses=[{"label": "business", "street": "Lenina 5"}]),
        {"postal_addresses": said(postal_addresses=[{"label": "business", "street": "Lenina 5"}])["postal_addresses"]},
        sent=said(postal_addresses=[{"label": "business", "street": "Lenina 1\tof. 2"}]),
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_what_a_merge_comes_to(case: Case) -> None:
    found = merged(
        case.base,
        case.sent or case.base,
        _whole(case.local),
        _whole(case.remote),
        rule=case.rule,
        directions=case.directions,
        local_at=case.local_at,
    )
    assert _whole_lists(found.changes) == _whole_lists(case.changes)
    assert found.conflicts == tuple(Disagreement(*each) for each in case.lost)
    projection = project(_whole(case.local) | found.changes, found.base)
    assert outgoing(found.sent, projection, case.directions) == case.goes_out


def _whole(given: Snapshot) -> Snapshot:
    return given | _whole_lists(given)


def _whole_lists(given: Snapshot) -> Snapshot:
    """With all the keys of a postal address."""
    blank = dict.fromkeys(("label", "street", "city", "region", "postal_code", "country"), "")
    return given | {name: [blank | entry for entry in given[name]] for name in given if name == "postal_addresses"}


def test_the_table_is_the_same_from_either_side() -> None:
    """Outlook's and our side exchanged, Outlook's value stands where ours stood; but nothing is moved in vain."""
    values = ("", "a", "b", "c")
    mirror = {CRM: OUTLOOK, OUTLOOK: CRM}
    for cell in (Cell(b, s, lo, r) for b in values for s in values for lo in values for r in values):
        for winner in (CRM, OUTLOOK):
            stands, is_lost = decide(cell, BOTH, partial(str, winner))
            mirrored = Cell(cell.sent, cell.base, cell.remote, cell.local)
            other_stands, other_is_lost = decide(mirrored, BOTH, partial(str, mirror[winner]))
            assert is_lost == other_is_lost
            somebody_changed = cell.local != cell.sent or cell.remote != cell.base
            if somebody_changed and cell.local != cell.remote:
                assert stands == mirror[other_stands], cell


def test_the_later_of_two_changes_wins_and_an_unknown_time_is_early() -> None:
    base, local, remote = said(job_title="CEO"), said(job_title="CFO"), said(job_title="CTO")
    for remote_at, local_at, winner in (
        (LATER, EARLIER, OUTLOOK),
        (EARLIER, LATER, CRM),
        (LATER, LATER, CRM),
        (LATER, None, OUTLOOK),
        (None, EARLIER, CRM),
        (None, None, CRM),
    ):
        (found,) = merged(base, base, local, remote, remote_at=remote_at, local_at=local_at).conflicts
        assert found.winner == winner


def test_a_new_card_is_made_with_what_goes_out_and_nothing_else() -> None:
    projection = project(said(display_name="Vera", notes="mine", phones=[("mobile", ONE)]), None)
    directions = {"notes": IN, "phones": OFF, "display_name": OUT}
    assert outward(projection, directions) == projection | {"notes": "", "phones": []}
    assert outgoing(None, projection, directions) == {"display_name"}


def test_what_is_left_alone_is_written_as_it_was() -> None:
    base = said(phones=[("business", ONE), ("mobile", ONE)], emails=[("1", "ask Anna")])
    local = said(phones=[("business", ONE), ("business", TWO)], emails=[("1", "vera@client.test")])
    record = record_of(project(local, base), base)
    assert [(each.label, each.number) for each in record.phones] == [
        ("business", ONE),
        ("business_2", TWO),
        ("mobile", ONE),
    ]
    assert [(each.label, each.address) for each in record.emails] == [("1", "ask Anna"), ("2", "vera@client.test")]


def test_a_number_that_is_removed_here_goes_from_all_its_places() -> None:
    base = said(phones=[("business", ONE), ("mobile", ONE)])
    assert record_of(project(said(), base), base).phones == ()


def test_a_changed_label_moves_an_entry_to_its_place() -> None:
    base = said(phones=[("business", ONE), ("mobile", TWO)])
    moved = said(phones=[("business_2", ONE), ("mobile", TWO)])
    assert project(moved, base)["phones"] == phones(("business_2", ONE), ("mobile", TWO))


# Properties. The pools are small, so that both sides often speak of the same.

NUMBERS = st.sampled_from([ONE, "8 (495) 000 00 01", TWO, " 84950000002 ", THREE, "ext. 5", "112", "+7 495 000-00-04"])
ADDRESSES = st.sampled_from(
    ["a@c.test", "A@C.test", "b@c.test", "c@c.test", "d@c.test", "ask Anna", "<e@c.test>", " a@c.test"]
)
TEXT = st.sampled_from(["", "one", "two", " one ", "three\r\nlines", "three\nlines"])
POSTAL = st.builds(
    lambda label, street, city: (
        {"label": label, "street": street, "city": city} | dict.fromkeys(("region", "postal_code", "country"), "")
    ),
    st.sampled_from([*LABELS["postal_addresses"], "", "dacha"]),
    st.sampled_from(["", "Lenina 1", "Lenina 2 "]),
    st.sampled_from(["", "Moscow", "Tver"]),
)
SOME_PHONE_LABELS = ("business", "business_2", "mobile", "other", "primary", "home", "car")


def _entries(
    name: str, value: st.SearchStrategy[str], labels: tuple[str, ...]
) -> st.SearchStrategy[list[dict[str, str]]]:
    return st.lists(st.fixed_dictionaries({"label": st.sampled_from(labels), name: value}), max_size=6)


CONTACTS = st.fixed_dictionaries(
    dict.fromkeys(("display_name", "job_title", "notes"), TEXT)
    | {
        "birthday": st.sampled_from(["", "1980-02-29", "1981-01-01"]),
        "emails": _entries("address", ADDRESSES, ("1", "2", "3", "", "other")),
        "phones": _entries("number", NUMBERS, (*SOME_PHONE_LABELS, "", "work")),
        "postal_addresses": st.lists(POSTAL, max_size=4),
    }
).map(lambda drawn: BLANK | drawn)
DIRECTIONS = st.dictionaries(
    st.sampled_from(["job_title", "notes", "emails", "phones"]), st.sampled_from([BOTH, IN, OUT, OFF])
)


def in_outlook(contact: Snapshot) -> Snapshot:
    """The same as a card that a person typed: one entry in each place."""
    found = dict(contact)
    for name, labels in LABELS.items():
        by_label = {entry["label"]: entry for entry in contact[name] if entry["label"] in labels}
        found[name] = [by_label[label] for label in labels if label in by_label]
    return found


def normalised(card: Snapshot) -> Snapshot:
    """What some server makes of what was written."""
    changed = card | {"job_title": card["job_title"].upper()}
    changed["phones"] = [entry | {"number": entry["number"].replace("ext.", "x")} for entry in card["phones"]]
    return changed


def written(remote: Snapshot, fields: set[str], projection: Snapshot, base: Snapshot) -> Snapshot:
    """The card after a write of these fields."""
    now = snapshot(record_of(projection, base))
    return remote | {name: now[name] for name in fields}


def _is_among(field: str, entry: dict[str, Any], entries: list[dict[str, Any]]) -> bool:
    """Whether a list has an entry that says the same, wherever it stands."""
    bare = {name: text.strip() for name, text in entry.items() if name not in ("label", "name")}
    return any(all(other.get(name, "").strip() == text for name, text in bare.items()) for other in entries)


@settings(max_examples=150, deadline=None)
@given(CONTACTS, CONTACTS, CONTACTS, DIRECTIONS, st.sampled_from([CRM, OUTLOOK, LATEST]), st.booleans(), st.booleans())
def test_both_sides_end_the_same_nothing_is_lost_and_nothing_is_done_twice(
    agreed: Snapshot,
    local: Snapshot,
    drawn: Snapshot,
    directions: dict[str, str],
    rule: str,
    is_known: bool,
    is_normalised: bool,
) -> None:
    sent = outward(project(agreed, None), directions) if is_known else None
    base = normalised(sent) if sent and is_normalised else sent
    remote = in_outlook(drawn)
    first = merged(base, sent, local, remote, rule=rule, directions=directions)

    after = local | first.changes
    projection = project(after, first.base)
    fields = outgoing(first.sent, projection, directions)
    card = written(remote, fields, projection, first.base)
    _nothing_lost(local, after, remote, card, base, sent, first, directions)
    two_way = {name for name in (*SCALARS, *LISTS) if directions.get(name, BOTH) in (BOTH, OUT)}
    if not is_normalised:
        assert not differing(project(after, card), card) & two_way

    seen = {name: card[name] for name in card if directions.get(name, BOTH) != OFF}
    again = merged(first.base | seen, projection, after, card, rule=rule, directions=directions)
    assert (again.changes, again.conflicts) == ({}, ())
    assert outgoing(again.sent, project(after, again.base), directions) == set()


def _nothing_lost(
    local: Snapshot,
    after: Snapshot,
    remote: Snapshot,
    card: Snapshot,
    base: Snapshot | None,
    sent: Snapshot | None,
    found: Merged,
    directions: dict[str, str],
) -> None:
    """What disappears from a side was unchanged there since both agreed, or is in a conflict."""
    before, ours = base or BLANK, sent or BLANK
    for name in SCALARS:
        kept = [(each.crm, each.outlook) for each in found.conflicts if each.field == name]
        if not same(local[name], after[name]):
            assert same(local[name], ours[name]) or kept
        if not same(remote[name], card[name]):
            assert same(remote[name], before[name]) or kept
    for name in LISTS:
        crm = [each.crm for each in found.conflicts if each.field == name and isinstance(each.crm, dict)]
        outlook = [each.outlook for each in found.conflicts if each.field == name and isinstance(each.outlook, dict)]
        for entry in cells(name, local[name]).values():
            assert _is_among(name, entry, [*after[name], *crm, *ours[name]]), (name, entry)
        for entry in cells(name, remote[name]).values():
            if directions.get(name, BOTH) in (BOTH, OUT):
                assert _is_among(name, entry, [*card[name], *outlook, *before[name], *after[name]]), (name, entry)


@settings(max_examples=200, deadline=None)
@given(CONTACTS, CONTACTS)
def test_every_entry_has_a_place_of_its_own_and_keeps_it(local: Snapshot, drawn: Snapshot) -> None:
    base = in_outlook(drawn)
    projection = project(local, base)
    card = snapshot(record_of(projection, base))
    assert project(local, card) == projection
    for name in LISTS:
        labels = [entry["label"] for entry in card[name]]
        assert len(labels) == len(set(labels)), "two entries in one place"
        assert set(labels) <= set(LABELS[name])
        shown = cells(name, projection[name])
        for key, entry in cells(name, project(local, None)[name]).items():
            assert entry["label"] in LABELS[name], key
        for key, entry in cells(name, tidy_list(name, local[name])).items():
            if key not in shown:
                assert set(places(name, entry["label"])) <= set(labels), "there was a place"
