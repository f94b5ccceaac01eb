"""What is written into a mailbox, as an admin changes it (W1-W3)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import delete, func, select

from terracrm.config import Settings
from terracrm.domain.mailbox_rules import StreamRules
from terracrm.domain.outlook_rules import OutlookRules
from terracrm.domain.segments import read
from terracrm.errors import InvalidInput, NotFound
from terracrm.models import AuditEntry, Link, Mailbox, MirrorFolder, OutboxItem, Stream, utcnow
from terracrm.services import capture_rules, card_states, links, outbox, outlook_rules, segments
from terracrm.services.outlook_rules import Effect
from tests.office import NOW, OURS, Office

SQLITE_FIRST = True

MARIA, PETER, IGOR = "maria@market.example", "peter@vesna.example", "igor@harbour.example"
SETTINGS = Settings()


@pytest.fixture
def box(office: Office) -> Mailbox:
    """Anna's mailbox, whose contacts are mirrored."""
    found = office.mailboxes["anna"]
    found.streams.append(Stream(kind="contacts", due_at=NOW.replace(year=2100)))
    office.session.flush()
    return found


def stream(box: Mailbox, kind: str = "contacts") -> Stream:
    return next(stream for stream in box.streams if stream.kind == kind)


def card(office: Office, box: Mailbox, address: str, **values: object) -> Link:
    """A card of this client in the clients' folder, which is there or made."""
    mine = stream(box)
    if not mine.folders:
        mine.folders.append(MirrorFolder(remote_id="clients", path="Contacts/TerraCRM Clients", role=outbox.CLIENTS))
        office.session.flush()
    link = Link(
        mailbox_id=box.id,
        folder_id=mine.folders[0].id,
        entity=outbox.CONTACT,
        local_id=office.contacts[address].id,
        remote_id=f"card-{address}",
        rule=outbox.CLIENTS,
        match_method=links.WRITTEN,
    )
    for name, value in values.items():
        setattr(link, name, value)
    office.add(link)
    return link


def apply(office: Office, box: Mailbox, **changes: object) -> Effect:
    wanted = replace(outlook_rules.of(box), **changes)  # type: ignore[arg-type]
    return put_in_force(office, box, wanted)


def put_in_force(office: Office, box: Mailbox, wanted: OutlookRules, *, make_folder: bool = False) -> Effect:
    office.session.commit()  # a command or page begins with it
    return outlook_rules.apply(office.session, SETTINGS, box, wanted, None, make_folder=make_folder)


def preview(office: Office, box: Mailbox, **changes: object) -> Effect:
    wanted = replace(outlook_rules.of(box), **changes)  # type: ignore[arg-type]
    return outlook_rules.preview(office.session, SETTINGS, box, wanted)


def test_nothing_is_written_until_somebody_says_so(box: Mailbox) -> None:
    assert outlook_rules.of(box) == OutlookRules()


def test_a_preview_counts_and_changes_nothing(office: Office, box: Mailbox) -> None:
    card(office, box, PETER)
    assert preview(office, box, clients="on") == Effect(made=1, removed=1, kept=0)
    assert preview(office, box, clients="on", scope="team", tasks="on", posts="on").made == 1
    assert preview(office, box) == Effect(made=0, removed=0, kept=1)
    office.session.expire_all()
    assert outlook_rules.of(box) == OutlookRules()
    assert (len(box.streams), stream(box).direction) == (3, "in")
    counts = (select(func.count()).select_from(table) for table in (AuditEntry, OutboxItem))
    assert [office.session.scalar(count) for count in counts] == [0, 0]


def test_switched_on_the_mailbox_is_due_and_its_cards_are_owed_anew(office: Office, box: Mailbox) -> None:
    there = card(office, box, MARIA)
    assert apply(office, box, clients="on") == Effect(made=0, removed=0, kept=1)
    assert (stream(box).direction, stream(box).due_at <= utcnow()) == ("both", True)
    owed = office.session.scalars(select(OutboxItem)).one()
    assert (owed.local_id, owed.reason) == (there.local_id, "rules")
    entry = office.session.scalars(select(AuditEntry)).one()
    told = json.loads(entry.detail.removeprefix("command line: "))
    assert (entry.action, told["old"]["clients"], told["new"]["clients"]) == ("outlook.change", "off", "on")


@pytest.mark.parametrize("former", ["in", "both", "out", "off"])
def test_off_leaves_what_is_there_and_on_takes_it_up_again(office: Office, box: Mailbox, former: str) -> None:
    stream(box).direction = former
    card(office, box, MARIA)
    assert apply(office, box, clients="off") == Effect(made=0, removed=0, kept=1)
    assert stream(box).direction == {"both": "in", "out": "off"}.get(former, former)
    apply(office, box, clients="on")
    assert stream(box).direction == "both"


def test_an_outgoing_stream_stays_outgoing(office: Office, box: Mailbox) -> None:
    stream(box).direction = "out"
    apply(office, box, clients="on", history=3)
    assert (stream(box).direction, stream(box).history_entries) == ("out", 3)


def test_remove_takes_our_cards_out_and_leaves_those_that_people_made(office: Office, box: Mailbox) -> None:
    card(office, box, MARIA)
    card(office, box, IGOR, match_method="address")
    apply(office, box, clients="on", scope="team")
    assert apply(office, box, clients="remove") == Effect(made=0, removed=1, kept=1)
    assert (stream(box).direction, stream(box).client_scope) == ("both", "none")
    rules = outlook_rules.of(box)
    assert (rules.clients, rules.scope) == ("remove", "")
    apply(office, box, clients="on")
    assert (stream(box).client_scope, outlook_rules.of(box).clients) == ("", "on")


def test_all_that_can_be_said_is_kept_as_it_was_said(office: Office, box: Mailbox) -> None:
    segment = segments.add(office.session, "Tula", [read("city is Tula")], None)
    wanted = OutlookRules(
        clients="on",
        scope="segment",
        segment_id=segment.id,
        folder="Our clients",
        directions={"notes": "in", "phones": "off"},
        conflict="crm",
        on_delete="archive",
        history=9,
        tasks="on",
        posts="on",
    )
    assert put_in_force(office, box, wanted).made == 1
    office.session.expire_all()
    assert outlook_rules.of(box) == wanted
    assert {s.kind: s.direction for s in box.streams} == {
        "mail": "in", "calendar": "in", "contacts": "both", "tasks": "both", "posts": "out"
    }  # fmt: skip
    assert (stream(box, "tasks").conflict_rule, stream(box, "posts").posts_since is not None) == ("crm", True)
    said = {
        rule.name: (rule.value, rule.is_own) for rule in outlook_rules.in_force(office.session, SETTINGS, box, wanted)
    }
    assert said == {
        "scope": ("segment:Tula", True), "folder": ("Our clients", True), "conflict": ("crm", True),
        "on_delete": ("archive", True), "history": ("9", True),
    }  # fmt: skip
    apply(office, box, scope="", segment_id=None, folder="", directions={}, conflict="", on_delete="", history=None)
    said = {
        rule.name: (rule.value, rule.is_own)
        for rule in outlook_rules.in_force(office.session, SETTINGS, box, outlook_rules.of(box))
    }
    assert said == {
        "scope": ("mine", False), "folder": ("TerraCRM Clients", False), "conflict": ("latest", False),
        "on_delete": ("unlink", False), "history": ("5", False),
    }  # fmt: skip


def test_tasks_and_posts_are_switched_off_and_on_without_forgetting_what_is_there(office: Office, box: Mailbox) -> None:
    apply(office, box, tasks="on", posts="on")
    ids, since = {s.kind: s.id for s in box.streams}, stream(box, "posts").posts_since
    apply(office, box, tasks="off", posts="off")
    assert {stream(box, "tasks").direction, stream(box, "posts").direction} == {"off"}
    apply(office, box, tasks="on", posts="on")
    assert {s.kind: s.id for s in box.streams} == ids
    assert stream(box, "posts").posts_since == since


@pytest.mark.parametrize("changes", [{"clients": "on"}, {"scope": "team"}, {"directions": {"notes": "in"}}])
def test_a_mailbox_whose_contacts_are_not_mirrored_can_have_no_clients(
    office: Office, changes: dict[str, object]
) -> None:
    with pytest.raises(InvalidInput, match=r"not mirrored.*calendar"):
        apply(office, office.mailboxes["boris"], **changes)
    assert apply(office, office.mailboxes["boris"], tasks="on") == Effect(0, 0, 0)


def test_what_does_not_fit_is_refused_before_anything_is_changed(office: Office, box: Mailbox) -> None:
    for act in (apply, preview):
        with pytest.raises(InvalidInput):
            act(office, box, scope="galaxy")
    assert outlook_rules.of(box) == OutlookRules()


def test_a_folder_that_was_deleted_in_outlook_is_made_again_only_when_said(office: Office, box: Mailbox) -> None:
    apply(office, box, clients="on")
    card(office, box, MARIA, gone_at=NOW)
    stream(box).folders[0].gone_at = NOW
    office.session.flush()
    rules = outlook_rules.of(box)
    assert outlook_rules.preview(office.session, SETTINGS, box, rules) == Effect(0, 0, 0)
    [warning] = outlook_rules.warnings(office.session, SETTINGS, box, rules)
    assert f"outlook anna@{OURS} --make-folder-again --apply" in warning
    again = Effect(made=1, removed=0, kept=0, is_folder_made=True)
    assert outlook_rules.preview(office.session, SETTINGS, box, rules, make_folder=True) == again
    assert len(outlook_rules.warnings(office.session, SETTINGS, box, rules)) == 1
    assert put_in_force(office, box, rules, make_folder=True) == again
    assert outlook_rules.warnings(office.session, SETTINGS, box, rules) == []


def test_what_is_captured_is_no_matter_of_what_is_written(office: Office, box: Mailbox) -> None:
    apply(office, box, clients="on", tasks="on", posts="on")
    link = card(office, box, MARIA)
    office.session.commit()
    own = capture_rules.of(box)
    assert set(own.streams) == {"mail", "calendar", "contacts"}
    only = StreamRules(only_category="Family", exclude_folders=("Contacts",))
    wanted = replace(own, streams={**own.streams, "contacts": only})
    assert capture_rules.apply(office.session, SETTINGS, box, wanted, None).is_nothing
    assert (link.untracked_at, link.gone_at, stream(box).folders[0].is_excluded) == (None, None, False)
    with pytest.raises(InvalidInput, match="no stream tasks"):
        capture_rules.preview(office.session, SETTINGS, box, replace(own, streams={"tasks": StreamRules()}))


def test_rules_that_do_nothing_as_things_are_are_told(office: Office, box: Mailbox) -> None:
    def told(**changes: object) -> str:
        wanted = replace(OutlookRules(clients="on"), **changes)  # type: ignore[arg-type]
        return "; ".join(outlook_rules.warnings(office.session, SETTINGS, box, wanted))

    assert told() == ""
    card(office, box, MARIA)
    assert "TerraCRM Clients is there already and keeps its name" in told(folder="Mine")
    box.is_enabled = False
    assert "is paused" in told()
    box.is_enabled = True
    office.users["anna"].is_active = False
    assert "anna may not sign in" in told()
    box.user = None
    assert "belongs to nobody" in told()
    box.team = office.teams["North"]
    assert (told(), "belongs to a team" in told(tasks="on")) == ("", True)


def test_a_client_that_was_deleted_in_outlook_comes_back_when_a_person_says_so(office: Office, box: Mailbox) -> None:
    maria, peter = office.contacts[MARIA].id, office.contacts[PETER].id
    assert card_states.state(office.session, box, maria).word == "nowhere"
    apply(office, box, clients="on")
    card(office, box, MARIA, gone_at=NOW)
    card(office, box, PETER, gone_at=NOW)
    assert card_states.state(office.session, box, maria).word == "deleted"
    card_states.put_back(office.session, SETTINGS, box, maria, None)
    assert card_states.state(office.session, box, maria).word == "owed"
    for id_, what in ((peter, "no place in"), (maria, "was not deleted")):
        with pytest.raises(InvalidInput, match=what), office.session.begin_nested():
            card_states.put_back(office.session, SETTINGS, box, id_, None)
    with pytest.raises(NotFound):
        card_states.put_back(office.session, SETTINGS, box, 987654, None)
    assert office.session.scalars(select(AuditEntry.action)).all() == ["outlook.change", "card.put_back"]


def test_a_deleted_client_comes_back_also_where_its_card_would_be_looked_at_again_later(
    office: Office, box: Mailbox
) -> None:
    maria = office.contacts[MARIA].id
    apply(office, box, clients="on")
    card(office, box, MARIA, gone_at=NOW)
    office.session.execute(delete(OutboxItem))
    later = utcnow() + timedelta(days=3)  # the next meeting, say
    outbox.owe(office.session, box.id, outbox.CONTACT, [maria], outbox.TIME, at=later)
    assert card_states.state(office.session, box, maria).word == "deleted"
    card_states.put_back(office.session, SETTINGS, box, maria, None)
    assert card_states.state(office.session, box, maria).word == "owed"
    assert len(outbox.due(office.session, box.id, outbox.CONTACT)) == 1


def test_the_history_comes_back_into_the_notes_when_a_person_says_so(office: Office, box: Mailbox) -> None:
    maria = office.contacts[MARIA].id
    link = card(office, box, MARIA, block_removed_at=NOW, written="text")
    with pytest.raises(InvalidInput, match="no clients are kept"):
        card_states.show_history(office.session, box, maria, None)
    apply(office, box, clients="on")
    assert card_states.state(office.session, box, maria).word == "without_history"
    card_states.show_history(office.session, box, maria, None)
    assert (link.block_removed_at, link.written) == (None, "")
    assert card_states.state(office.session, box, maria) == card_states.CardState("Мария Иванова", "there")
    assert office.session.scalars(select(OutboxItem.reason)).all() == ["history_again"]
    with pytest.raises(InvalidInput, match="nobody took"):
        card_states.show_history(office.session, box, maria, None)
    link.untracked_at = NOW
    assert card_states.state(office.session, box, maria).word == "private"
