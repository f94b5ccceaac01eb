"""Plans: what a run would do, who decides about it, and what takes its steps along (Y1, Y2, S4)."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session, sessionmaker

from terracrm.config import Settings
from terracrm.domain.capture import PRIVATE
from terracrm.errors import Forbidden, InvalidInput, NotFound
from terracrm.models import AuditEntry, Link, Meeting, Plan, PlanStep, Stream, StreamState, utcnow
from terracrm.services import access, field_history, links, mailboxes, plan_list, plans, retention, skipped
from terracrm.services.plans import Field, PlanDecided, Step
from tests.office import Office, make_office
from tests.services.conftest import Viewers

MARIA, PETER = "maria@market.example", "peter@vesna.example"
Held = Callable[..., Plan]


def mail(office: Office, name: str = "anna") -> Stream:
    return office.mailboxes[name].streams[0]


def gone(stream: Stream, local_id: int, number: int = 0, **values: Any) -> Step:
    """An item that left Outlook."""
    told = {"entity": "message", "remote_id": f"item-{local_id}-{number}", "version": "v1", "rule": "left"} | values
    return Step(stream.id, "in", "remove", local_id=local_id, folder_id=stream.folders[0].id, **told)


def card(stream: Stream, local_id: int, new: str = "Buyer", **values: Any) -> Step:
    """A client's card that is to be changed in Outlook."""
    told = {"act": "change", "remote_id": f"card-{local_id}", "version": "v1", "rule": "clients"} | values
    return Step(stream.id, "out", entity="contact", local_id=local_id, **told, fields=(Field("job_title", "", new),))


@pytest.fixture
def held(office: Office) -> Held:
    """`held(steps)`: the brake stopped the mail of a mailbox, Anna's unless another one is named."""

    def store(*steps: Step, name: str = "anna") -> Plan:
        stream = mail(office, name)
        plan = plans.store(office.session, stream.mailbox_id, stream.id, plans.BRAKE, steps, items=1000, run_id=1)
        stream.state, stream.failures, stream.last_error = StreamState.APPROVAL, 1, "too much"
        office.session.flush()
        return plan

    return store


def state_of(office: Office, plan: Plan) -> str:
    office.session.refresh(plan)
    return plan.state


def test_a_plan_is_kept_as_it_was_made(office: Office, held: Held) -> None:
    stream = mail(office)
    made = (
        gone(stream, 1),
        card(stream, 2),
        Step(stream.id, "in", "create", "contact", local_id=77, remote_id="new", fields=(Field("notes", "", "…\x00"),)),
    )
    plan = held(*made)
    assert (plan.creations, plan.changes, plan.removals, plan.items, plan.state) == (1, 1, 1, 1000, "open")
    kept = plans.steps(office.session, plan.id)
    assert [step.fingerprint for step in kept] == [step.fingerprint for step in made]
    assert kept[:2] == list(made[:2])
    assert kept[2].local_id is None  # a trial's number may be somebody else's by now


STREAM = 1
BASE = Step(STREAM, "in", "change", "contact", 7, 3, "item", "v1", "card", (Field("notes", "a", "b"),))


@pytest.mark.parametrize(
    ("other", "is_same"),
    [
        pytest.param({}, True, id="itself"),
        pytest.param({"rule": "other"}, True, id="another rule"),
        pytest.param({"folder_id": 4}, True, id="another folder"),
        pytest.param({"direction": "out"}, False, id="the other way"),
        pytest.param({"act": "remove"}, False, id="another act"),
        pytest.param({"entity": "task"}, False, id="another kind"),
        pytest.param({"local_id": 8}, False, id="another thing here"),
        pytest.param({"remote_id": "other"}, False, id="another item"),
        pytest.param({"version": "v2"}, False, id="changed since"),
        pytest.param({"fields": (Field("notes", "a", "c"),)}, False, id="another value"),
        pytest.param({"fields": (Field("notes", "x", "b"),)}, False, id="another value before"),
        pytest.param({"fields": ()}, False, id="fewer fields"),
    ],
)
def test_what_makes_two_steps_the_same(other: dict[str, Any], is_same: bool) -> None:
    told = {name: getattr(BASE, name) for name in Step.__dataclass_fields__}
    assert (Step(**{**told, **other}).fingerprint == BASE.fingerprint) == is_same
    new = {**told, "act": "create", "local_id": 8}
    assert Step(**new).fingerprint == Step(**{**new, "local_id": None}).fingerprint


def test_what_has_moved_since_is_told_step_by_step(office: Office) -> None:
    stream = mail(office)
    stays, twice = gone(stream, 1), gone(stream, 9)
    before = [stays, gone(stream, 2), card(stream, 3), card(stream, 4, act="create", remote_id=""), twice, twice]
    after = [card(stream, 4), gone(stream, 5), card(stream, 3, "Director"), twice, stays]
    moved = plans.compare(before, after)
    assert moved
    assert moved.gone == (gone(stream, 2), twice)
    assert moved.new == (gone(stream, 5),)
    assert moved.changed == ((before[2], after[2]), (before[3], after[0]))
    assert not plans.compare(before, [*reversed(before)])


@pytest.mark.parametrize(
    ("role", "raised"), [("anna", Forbidden), ("boris", NotFound), ("viktor", Forbidden), ("admin", None)]
)
def test_only_admins_decide(
    office: Office, viewer: Viewers, held: Held, role: str, raised: type[Exception] | None
) -> None:
    plan = held(gone(mail(office), 1))
    for decide in (plans.approve, plans.reject):
        if raised:
            with pytest.raises(raised):
                decide(office.session, viewer(role), plan.id)
            assert (state_of(office, plan), mail(office).state) == ("open", "approval")
    if not raised:
        plans.approve(office.session, viewer(role), plan.id)
        assert state_of(office, plan) == "approved"


def test_what_is_approved_may_be_done_once(office: Office, viewer: Viewers, held: Held) -> None:
    stream, step = mail(office), gone(mail(office), 1)
    plan = held(step)
    before = utcnow()
    assert plans.approved(office.session, stream.id) == frozenset()
    plans.approve(office.session, viewer("admin"), plan.id)
    assert (stream.state, stream.failures, stream.last_error) == ("ok", 0, "")
    assert before <= stream.due_at <= utcnow()
    assert (plan.user_id, plan.decided_at is not None) == (office.users["admin"].id, True)
    noted = office.session.scalars(select(AuditEntry).where(AuditEntry.action == "plan.approved")).one()
    assert (noted.entity, noted.entity_id, noted.user_id) == ("plan", plan.id, office.users["admin"].id)
    assert "anna@romashka.example mail: 0 created, 0 changed, 1 removed" in noted.detail
    assert plans.approved(office.session, stream.id) == {step.fingerprint}
    assert plans.approved(office.session, mail(office, "boris").id) == frozenset()
    plans.settle(office.session, stream.id)
    assert state_of(office, plan) == "done"
    assert plans.approved(office.session, stream.id) == frozenset()


def test_what_is_rejected_rests_until_the_mailbox_is_enabled(office: Office, viewer: Viewers, held: Held) -> None:
    plan, box = held(gone(mail(office), 1)), office.mailboxes["anna"]
    plans.reject(office.session, viewer("admin"), plan.id)
    assert (mail(office).state, state_of(office, plan)) == ("paused", "rejected")
    assert f"plan {plan.id} was rejected" in mail(office).last_error
    mailboxes.enable(office.session, box)
    assert (mail(office).state, mail(office).last_error, state_of(office, plan)) == ("ok", "", "rejected")


def test_a_mailbox_that_is_enabled_is_looked_at_anew(office: Office, viewer: Viewers, held: Held) -> None:
    plan, other = held(gone(mail(office), 1)), held(gone(mail(office, "boris"), 1), name="boris")
    mailboxes.enable(office.session, office.mailboxes["anna"])
    assert (mail(office).state, state_of(office, plan)) == ("ok", "superseded")
    assert (mail(office, "boris").state, state_of(office, other)) == ("approval", "open")
    with pytest.raises(PlanDecided, match="superseded"):
        plans.approve(office.session, viewer("admin"), plan.id)
    assert plans.steps(office.session, plan.id) == []


def test_nobody_decides_twice(office: Office, viewer: Viewers, held: Held) -> None:
    plan = held(gone(mail(office), 1))
    plans.approve(office.session, viewer("admin"), plan.id)
    for decide in (plans.approve, plans.reject):
        with pytest.raises(PlanDecided, match="approved already"):
            decide(office.session, access.operator(), plan.id)
    assert (mail(office).state, state_of(office, plan)) == ("ok", "approved")
    assert office.session.scalar(select(func.count()).select_from(AuditEntry).where(AuditEntry.entity == "plan")) == 1


def test_of_two_admins_one_is_faster(sessions: sessionmaker[Session]) -> None:
    """The second read the plan while it was open."""
    with sessions.begin() as session:
        stream = mail(make_office(session))
        plan_id = plans.store(session, stream.mailbox_id, stream.id, plans.BRAKE, [gone(stream, 1)]).id
        stream.state = StreamState.APPROVAL
        stream_id = stream.id
    with sessions() as slow, sessions.begin() as fast:
        assert slow.get_one(Plan, plan_id).state == "open"
        assert slow.get_one(Stream, stream_id).state == "approval"
        plans.approve(fast, access.operator(), plan_id)
        fast.commit()
        with pytest.raises(PlanDecided):
            plans.reject(slow, access.operator(), plan_id)
        slow.rollback()
        assert slow.get_one(Stream, stream_id).state == "ok"


def test_an_admin_and_the_end_of_a_run_never_wait_for_each_other(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        if session.get_bind().dialect.name == "sqlite":
            pytest.skip("SQLite has one writer")
        stream = mail(make_office(session))
        plan_id = plans.store(session, stream.mailbox_id, stream.id, plans.BRAKE, [gone(stream, 1)]).id
        stream.state, stream_id = StreamState.APPROVAL, stream.id
    with sessions.begin() as ending, sessions() as deciding, ThreadPoolExecutor(1) as admin:
        ending.get_one(Stream, stream_id, with_for_update=True)
        backend = deciding.scalar(text("SELECT pg_backend_pid()"))
        decided = admin.submit(plans.approve, deciding, access.operator(), plan_id)
        waits = text("SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = :pid")
        while not ending.scalar(waits, {"pid": backend}):
            assert not decided.done()
            ending.execute(text("SELECT pg_stat_clear_snapshot()"))
        plans.settle(ending, stream_id)
        ending.commit()
        with pytest.raises(PlanDecided, match="superseded"):
            decided.result()


def test_a_stream_that_was_stopped_otherwise_stays_so(office: Office, viewer: Viewers, held: Held) -> None:
    plan = held(gone(mail(office), 1))
    mail(office).state = StreamState.CREDENTIALS
    plans.approve(office.session, viewer("admin"), plan.id)
    assert mail(office).state == "credentials"


def test_a_later_look_takes_the_place_of_the_former_one(office: Office, viewer: Viewers, held: Held) -> None:
    session, stream = office.session, mail(office)
    first, command = held(gone(stream, 1)), plans.store(session, stream.mailbox_id, None, plans.COMMAND, [])
    second = held(gone(stream, 2))
    assert [state_of(office, each) for each in (first, second, command)] == ["superseded", "open", "open"]
    plans.approve(session, viewer("admin"), second.id)
    third = held(gone(stream, 3))
    assert (state_of(office, second), plans.approved(session, stream.id)) == ("superseded", frozenset())
    of_stream = plans.store(session, stream.mailbox_id, stream.id, plans.COMMAND, [gone(stream, 3)])
    assert [state_of(office, each) for each in (third, command, of_stream)] == ["open", "open", "open"]
    again = plans.store(session, stream.mailbox_id, None, plans.COMMAND, [])
    assert [state_of(office, each) for each in (command, of_stream, again)] == ["superseded", "open", "open"]
    plans.settle(session, stream.id)
    assert [state_of(office, each) for each in (third, of_stream)] == ["superseded", "open"]


def test_which_plans_may_be_run_by_a_command(office: Office, viewer: Viewers, held: Held) -> None:
    session, stream = office.session, mail(office)
    asked = plans.store(session, stream.mailbox_id, None, plans.COMMAND, [gone(stream, 1)])
    with pytest.raises(InvalidInput, match=f"sync run --plan {asked.id}"):
        plans.approve(session, viewer("admin"), asked.id)
    assert plans.to_run(session, asked.id) is asked
    plans.finish(session, access.operator(), asked.id)
    with pytest.raises(InvalidInput, match=r"is done.*makes a new one"):
        plans.to_run(session, asked.id)
    braked = held(gone(stream, 1))
    with pytest.raises(InvalidInput, match=f"plan approve {braked.id}"):
        plans.to_run(session, braked.id)
    plans.approve(session, viewer("admin"), braked.id)
    assert plans.to_run(session, braked.id) is braked
    with pytest.raises(NotFound, match="plan list"):
        plans.to_run(session, 999)


def names_of(office: Office, viewer: access.Viewer, plan: Plan) -> list[tuple[str, str, int]]:
    rows = plan_list.steps(office.session, viewer, plan.id).rows
    return [(row.name, row.folder, len(row.fields)) for row in rows]


def test_each_role_reads_of_a_plan_what_it_may_read_elsewhere(office: Office, viewer: Viewers, held: Held) -> None:
    stream = mail(office)
    new = Step(
        stream.id, "in", "create", "contact", folder_id=stream.folders[0].id, remote_id="new",
        fields=(Field("display_name", "", "Нина"),),
    )  # fmt: skip
    secret = office.activities["secret"].id  # only Boris's mailbox holds it
    plan = held(
        gone(stream, office.activities["question"].id), gone(stream, secret),
        card(stream, office.contacts[MARIA].id), card(stream, office.contacts[PETER].id), new,
    )  # fmt: skip
    subject = office.activities["question"].subject
    inbox = "Inbox"
    assert names_of(office, viewer("anna"), plan) == [
        (subject, inbox, 0), ("", inbox, 0), ("Мария Иванова", "", 1), ("", "", 0), ("Нина", inbox, 1)
    ]  # fmt: skip
    assert names_of(office, viewer("admin"), plan) == [
        ("", inbox, 0), ("", inbox, 0), ("Мария Иванова", "", 1), ("Peter Volkov", "", 1), ("Нина", inbox, 1)
    ]  # fmt: skip
    assert names_of(office, viewer("viktor"), plan)[1] == (office.activities["secret"].subject, inbox, 0)
    for name in ("boris", "galina"):
        with pytest.raises(NotFound):
            plan_list.steps(office.session, viewer(name), plan.id)
        with pytest.raises(NotFound):
            plan_list.get(office.session, viewer(name), plan.id)
        assert plan_list.listing(office.session, viewer(name)).total == 0
    assert [len(plan_list.waiting(office.session, viewer(name))) for name in ("anna", "viktor", "admin")] == [0, 0, 1]


def test_a_meeting_is_called_by_its_subject(office: Office, viewer: Viewers, held: Held) -> None:
    stream = mail(office)
    tasting = office.session.scalars(select(Link).where(Link.entity == "meeting")).first()
    assert tasting
    row = office.session.get_one(Meeting, tasting.local_id)
    series = Meeting(uid=row.uid, meeting_key=f"{row.uid}/master", kind="master")
    inner = Meeting(uid="inner", meeting_key="inner/", kind="single")  # among colleagues: in no history
    office.add(series, inner)
    change = Step(stream.id, "in", "change", "meeting", inner.id, fields=(Field("subject", "a", "b"),))
    plan = held(gone(stream, row.id, entity="meeting"), gone(stream, series.id, entity="meeting"), change)
    shown = ("Tasting of new cheeses", office.activities["tasting"].id)
    for who, said in (("anna", [shown, shown, ("b", None)]), ("admin", [("", None)] * 3)):
        rows = list(plan_list.every_step(office.session, viewer(who), plan.id))
        assert [(row.name, row.shown_id) for row in rows] == said
        assert rows[0].occurred_at == office.activities["tasting"].occurred_at


def test_long_plans_are_stored_and_read_in_parts(office: Office, viewer: Viewers, held: Held) -> None:
    stream = mail(office)
    plan = held(*(card(stream, number) for number in range(30)), *(gone(stream, 1, number) for number in range(2400)))
    page = plan_list.steps(office.session, viewer("admin"), plan.id, page=2)
    assert (page.total, page.pages, len(page.rows), {row.act for row in page.rows}) == (2430, 49, 50, {"remove"})
    assert [row.act for row in plan_list.steps(office.session, viewer("admin"), plan.id, page=49).rows] == [
        "change"
    ] * 30
    assert plan_list.steps(office.session, viewer("admin"), plan.id, "change").total == 30
    assert sum(1 for _ in plan_list.every_step(office.session, viewer("admin"), plan.id)) == 2430
    assert len(list(plan_list.every_step(office.session, viewer("admin"), plan.id, "change"))) == 30


def test_those_that_wait_come_first(office: Office, viewer: Viewers, held: Held) -> None:
    session, boris = office.session, mail(office, "boris")
    waits = held(gone(mail(office), 1))
    done = plans.store(session, boris.mailbox_id, None, plans.COMMAND, [])
    approved = held(gone(boris, 1), name="boris")
    plans.approve(session, viewer("admin"), approved.id)
    found = plan_list.listing(session, viewer("admin")).rows
    assert [row.id for row in found] == [waits.id, approved.id, done.id]
    assert [(row.stream, row.waits, row.who) for row in found] == [
        ("mail", True, ""), ("mail", False, "Olga Administrator"), ("", False, "")
    ]  # fmt: skip
    assert plan_list.of_streams(session, [mail(office).id, boris.id]) == {mail(office).id: waits.id}
    assert plan_list.listing(session, viewer("admin"), boris.mailbox_id).total == 2


@pytest.fixture
def planned(office: Office, held: Held) -> Plan:
    """Steps about the mail `question`, about Мария, and about an item of Anna's that is not here yet."""
    stream, box = mail(office), office.mailboxes["anna"]
    link = office.session.scalars(
        select(Link).where(
            Link.mailbox_id == box.id, Link.entity == "message", Link.local_id == office.activities["question"].id
        )
    ).one()
    return held(
        gone(stream, link.local_id, remote_id=link.remote_id),
        card(stream, office.contacts[MARIA].id),
        Step(stream.id, "in", "create", "contact", folder_id=stream.folders[0].id, remote_id="new"),
        gone(stream, office.activities["vesna"].id),
    )


def left(office: Office, plan: Plan) -> list[str]:
    return [f"{step.act} {step.entity}" for step in plans.steps(office.session, plan.id)]


def test_what_is_withdrawn_takes_its_steps_along(office: Office, planned: Plan) -> None:
    session = office.session
    mine = Link.entity == "message", Link.local_id == office.activities["question"].id
    link = session.scalars(select(Link).where(*mine)).one()
    links.withdraw(session, [link])
    assert left(office, planned) == ["change contact", "create contact", "remove message"]
    folder_id = mail(office).folders[0].id
    skipped.note(session, None, [skipped.Skip(folder_id, "new", "draft")])
    assert len(left(office, planned)) == 3
    skipped.note(session, None, [skipped.Skip(folder_id, "new", PRIVATE)])
    assert left(office, planned) == ["change contact", "remove message"]
    field_history.forget_changes(session, "contact", [office.contacts[PETER].id])
    assert len(left(office, planned)) == 2
    field_history.forget_changes(session, "contact", [office.contacts[MARIA].id])
    assert left(office, planned) == ["remove message"]
    assert (planned.creations, planned.changes, planned.removals) == (1, 1, 2)  # how many, tells nothing


def test_a_copy_in_another_mailbox_leaves_the_steps_about_that_one(office: Office, planned: Plan) -> None:
    plans.forget_items(office.session, office.mailboxes["boris"].id, ["new"])
    assert len(left(office, planned)) == 4
    plans.forget_items(office.session, office.mailboxes["anna"].id, ["new"])
    assert len(left(office, planned)) == 3


def test_the_steps_go_with_their_plan_and_the_plan_with_its_stream(office: Office, planned: Plan) -> None:
    office.session.delete(mail(office))
    office.session.flush()
    assert office.session.scalars(select(PlanStep.id)).all() == []
    assert office.session.scalars(select(Plan.id)).all() == []


def test_what_nobody_waits_for_ages(office: Office, viewer: Viewers, held: Held) -> None:
    session, stream = office.session, mail(office)
    stays = [held(gone(mail(office, "boris"), 1), name="boris")]
    rejected = held(gone(stream, 1))
    plans.reject(session, viewer("admin"), rejected.id)
    goes = [rejected.id, plans.store(session, stream.mailbox_id, None, plans.COMMAND, [gone(stream, 1)]).id]
    stays.append(held(gone(stream, 2)))
    plans.approve(session, viewer("admin"), stays[1].id)
    [aged] = [each for each in retention.aged(Settings(), utcnow() + timedelta(days=91)) if each.kind == "plans"]
    found, _ = retention.find(session, aged, 10)
    assert (list(found), retention.count(session, aged)) == (goes, 2)
    retention.remove(session, aged, found)
    assert list(session.scalars(select(Plan.id).order_by(Plan.id))) == [plan.id for plan in stays]
    [now] = [each for each in retention.aged(Settings(), utcnow()) if each.kind == "plans"]
    assert retention.count(session, now) == 0


def test_what_others_withdrew_while_a_mailbox_was_read_is_not_kept(office: Office) -> None:
    session, stream = office.session, mail(office)
    folder_id, began = stream.folders[0].id, utcnow()
    there = session.scalars(select(Link).where(Link.mailbox_id == stream.mailbox_id, Link.entity == "message")).first()
    assert there
    skips = [skipped.Skip(folder_id, name, rule) for name, rule in (("secret", PRIVATE), ("draft", "draft"))]
    skipped.note(session, None, skips)
    new = [Step(stream.id, "in", "create", "contact", remote_id=name) for name in ("secret", "draft", "fresh")]
    made = [*new, gone(stream, there.local_id, remote_id=there.remote_id), gone(stream, 7, remote_id="unlinked")]
    for since, left in (
        (began, ["draft", "fresh", there.remote_id]),
        (utcnow(), [*("secret", "draft", "fresh"), there.remote_id]),
    ):
        plan = plans.store(session, stream.mailbox_id, None, plans.COMMAND, made, read_since=since)
        assert [step.remote_id for step in plans.steps(session, plan.id)] == left
