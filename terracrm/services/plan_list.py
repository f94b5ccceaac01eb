"""Plans for a person to read: which wait for approval, and what each would do (Y1, Y2).

Who sees the state of a mailbox sees its plans. What a step says of a client or of the history is told to those who may
read that; to others it is one of so many.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, and_, case, func, select
from sqlalchemy.orm import Session, aliased, contains_eager, joinedload

from terracrm.models import Activity, Company, Mailbox, Meeting, MirrorFolder, OutboxItem, Plan, PlanStep, Stream
from terracrm.services import access, outbox_list, plans
from terracrm.services.access import Viewer
from terracrm.services.listing import PAGE_SIZE, Listing
from terracrm.services.plans import APPROVED, BRAKE, OPEN, Field, Step

MEETING, COMPANY = "meeting", "company"
CLIENTS = ("contact", COMPANY)
NAMES = ("display_name", "name", "subject")
AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One plan. `stream` is the kind of its stream, "" where it is about all of the mailbox.

    `who` decided it at `decided_at`: "" for a command, and where nobody did. `waits`: for the decision of an admin.
    """

    id: int
    mailbox_id: int
    mailbox: str
    stream: str
    cause: str
    state: str
    made_at: datetime
    run_id: int | None
    items: int
    creations: int
    changes: int
    removals: int
    who: str
    decided_at: datetime | None

    @property
    def waits(self) -> bool:
        return self.cause == BRAKE and self.state == OPEN

    @property
    def is_kept(self) -> bool:
        """Whether its steps are still there to be looked at."""
        return self.state != plans.SUPERSEDED


@dataclass(frozen=True, slots=True)
class StepRow:
    """One step of the run of a stream of the kind `stream`.

    `name` is what it is about, "" where the viewer may not read that: then `fields` is empty, too. `reason` is what
    made a write into Outlook owed, where that is known; `occurred_at` when what is in the history happened.

    `local_id` is None for what is not here yet, `shown_id` the contact, company or activity whose page shows it, None
    where there is none; `folder` is "" for those who do not look into the mailbox.
    """

    stream: str
    direction: str
    act: str
    entity: str
    local_id: int | None
    shown_id: int | None
    name: str
    occurred_at: datetime | None
    folder: str
    rule: str
    reason: str
    fields: tuple[Field, ...]


def listing(session: Session, viewer: Viewer, mailbox_id: int | None = None, page: int = 1) -> Listing[PlanRow]:
    """One page of the plans of the mailboxes that the viewer sees: those that wait first, then the newest."""
    condition = _seen(viewer, mailbox_id)
    total = session.scalar(select(func.count()).select_from(Plan).join(Plan.mailbox).where(condition)) or 0
    waits = and_(Plan.cause == BRAKE, Plan.state == OPEN)
    order = case((waits, 0), (Plan.state == APPROVED, 1), else_=2)
    query = _query().where(condition).order_by(order, Plan.id.desc())
    found = session.scalars(query.limit(PAGE_SIZE).offset((page - 1) * PAGE_SIZE))
    return Listing([_row(plan) for plan in found], total, page)


def get(session: Session, viewer: Viewer, plan_id: int) -> PlanRow:
    """One plan; NotFound where there is none or the viewer does not see its mailbox."""
    return _row(plans.get(session, viewer, plan_id))


def waiting(session: Session, viewer: Viewer) -> list[PlanRow]:
    """The first of the plans that wait for this viewer's decision; none for those who decide nothing."""
    if not plans.may_decide(viewer):
        return []
    wait = _seen(viewer), Plan.cause == BRAKE, Plan.state == OPEN, Mailbox.is_enabled
    return [_row(plan) for plan in session.scalars(_query().where(*wait).order_by(Plan.id).limit(PAGE_SIZE))]


def of_streams(session: Session, stream_ids: Collection[int]) -> dict[int, int]:
    """The plans that these streams wait for: the id of each by its stream."""
    wait = Plan.stream_id.in_(stream_ids), Plan.cause == BRAKE, Plan.state == OPEN
    rows = session.execute(select(Plan.stream_id, Plan.id).where(*wait).order_by(Plan.id))
    return {stream_id: plan_id for stream_id, plan_id in rows if stream_id is not None}


def counts(session: Session, viewer: Viewer, plan_id: int) -> dict[tuple[str, str], int]:
    """How many steps of a plan there are, by direction and act; removals first, then changes. Raises NotFound."""
    plan = plans.get(session, viewer, plan_id)
    mine = select(PlanStep.direction, PlanStep.act, func.count()).where(PlanStep.plan_id == plan.id)
    found = {(way, act): count for way, act, count in session.execute(mine.group_by(PlanStep.direction, PlanStep.act))}
    order = [(way, act) for act in plans.ACTS for way in (plans.IN, plans.OUT)]
    return {each: found[each] for each in order if each in found}


def steps(session: Session, viewer: Viewer, plan_id: int, act: str = "", page: int = 1) -> Listing[StepRow]:
    """One page of the steps of a plan, or of those of one act; removals come first, then changes. Raises NotFound."""
    plan = plans.get(session, viewer, plan_id)
    mine = _steps(plan, act)
    total = session.scalar(select(func.count()).select_from(PlanStep).where(mine)) or 0
    order = case({name: place for place, name in enumerate(plans.ACTS)}, value=PlanStep.act)
    query = select(PlanStep).where(mine).order_by(order, PlanStep.id)
    found = session.scalars(query.limit(PAGE_SIZE).offset((page - 1) * PAGE_SIZE))
    return Listing(told(session, viewer, plan.mailbox_id, [plans.as_step(row) for row in found]), total, page)


def every_step(session: Session, viewer: Viewer, plan_id: int, act: str = "") -> Iterator[StepRow]:
    """All steps of a plan in their order, a batch at a time. Raises NotFound."""
    plan, last = plans.get(session, viewer, plan_id), 0
    query = select(PlanStep).where(_steps(plan, act)).order_by(PlanStep.id).limit(AT_ONCE)
    while found := session.scalars(query.where(PlanStep.id > last)).all():
        last = found[-1].id
        yield from told(session, viewer, plan.mailbox_id, [plans.as_step(row) for row in found])


def told(session: Session, viewer: Viewer, mailbox_id: int, found: Sequence[Step]) -> list[StepRow]:
    """What these steps, a batch of them about one mailbox, say to this viewer."""
    is_inside = access.sees_inside(viewer, mailbox_id)
    in_folders = {step.folder_id for step in found} if is_inside else set()
    folders = select(MirrorFolder.id, MirrorFolder.path).where(MirrorFolder.id.in_(in_folders))
    paths: dict[int | None, str] = dict(session.execute(folders).all())
    kinds = dict(session.execute(select(Stream.id, Stream.kind).where(Stream.mailbox_id == mailbox_id)).all())
    reasons, pages = _reasons(session, mailbox_id, found), _pages(session, found)
    names, times = _names(session, viewer, pages), _times(session, viewer, pages)
    rows = []
    for step in found:
        thing = step.entity, step.local_id or 0
        page = None if step.is_new_here else pages.get(thing)
        name = names.get((step.entity, page or 0), "")
        if page is None:
            # What is not here, or only in the mailbox, is read by whoever looks into that.
            is_read = is_inside and (step.entity in CLIENTS or viewer.reads_content)
        else:
            is_read = (step.entity, page) in names
        if is_read and not name:
            name = next((each.new or each.old for each in step.fields if each.field in NAMES), "")
        rows.append(
            StepRow(
                stream=kinds.get(step.stream_id, ""),
                direction=step.direction,
                act=step.act,
                entity=step.entity,
                local_id=step.local_id,
                shown_id=page if is_read else None,
                name=name if is_read else "",
                occurred_at=None if step.entity in CLIENTS else times.get(page or 0),
                folder=paths.get(step.folder_id, ""),
                rule=step.rule,
                reason=reasons.get(thing, "") if step.direction == plans.OUT else "",
                fields=step.fields if is_read else (),
            )
        )
    return rows


def _query() -> Select[Plan]:
    shown = joinedload(Plan.stream), joinedload(Plan.user), contains_eager(Plan.mailbox)
    return select(Plan).join(Plan.mailbox).options(*shown)


def _seen(viewer: Viewer, mailbox_id: int | None = None) -> ColumnElement[bool]:
    seen = access.mailboxes(viewer)
    return seen if mailbox_id is None else and_(seen, Plan.mailbox_id == mailbox_id)


def _steps(plan: Plan, act: str) -> ColumnElement[bool]:
    mine = PlanStep.plan_id == plan.id
    return and_(mine, PlanStep.act == act) if act else mine


def _row(plan: Plan) -> PlanRow:
    return PlanRow(
        id=plan.id,
        mailbox_id=plan.mailbox_id,
        mailbox=plan.mailbox.address,
        stream=plan.stream.kind if plan.stream else "",
        cause=plan.cause,
        state=plan.state,
        made_at=plan.made_at,
        run_id=plan.run_id,
        items=plan.items,
        creations=plan.creations,
        changes=plan.changes,
        removals=plan.removals,
        who=(plan.user.full_name or plan.user.name) if plan.user else "",
        decided_at=plan.decided_at,
    )


def _reasons(session: Session, mailbox_id: int, found: Sequence[Step]) -> dict[tuple[str, int], str]:
    """What made these things owed to the mailbox, by entity and local id."""
    mine = {step.local_id for step in found if step.direction == plans.OUT and step.local_id is not None}
    owed = select(OutboxItem.entity, OutboxItem.local_id, OutboxItem.reason)
    rows = session.execute(owed.where(OutboxItem.mailbox_id == mailbox_id, OutboxItem.local_id.in_(mine)))
    return {(entity, local_id): reason for entity, local_id, reason in rows}


def _pages(session: Session, found: Sequence[Step]) -> dict[tuple[str, int], int | None]:
    """The contact, company or activity that each of these things (entity, local id) is; None for one that has none.

    A series is shown by its meetings, and one among colleagues not at all.
    """
    things = {(step.entity, step.local_id) for step in found if step.local_id is not None and not step.is_new_here}
    meeting_ids = [local_id for entity, local_id in things if entity == MEETING]
    family = aliased(Meeting, name="family")
    first = select(func.min(family.activity_id)).where(family.uid == Meeting.uid).scalar_subquery()
    shown = select(Meeting.id, func.coalesce(Meeting.activity_id, first)).where(Meeting.id.in_(meeting_ids))
    activity_ids: dict[int, int | None] = dict(session.execute(shown).all())
    return {
        (entity, local_id): activity_ids.get(local_id) if entity == MEETING else local_id for entity, local_id in things
    }


def _times(session: Session, viewer: Viewer, pages: Mapping[tuple[str, int], int | None]) -> dict[int, datetime]:
    """When what the viewer sees of the history happened, by activity."""
    wanted = {page for (entity, _), page in pages.items() if page is not None and entity not in CLIENTS}
    seen = select(Activity.id, Activity.occurred_at).where(Activity.id.in_(wanted), access.activities(viewer))
    return dict(session.execute(seen).all())


def _names(session: Session, viewer: Viewer, pages: Mapping[tuple[str, int], int | None]) -> dict[tuple[str, int], str]:
    """What those of these pages are called that the viewer may read, by entity and id."""
    wanted = {(entity, page) for (entity, _), page in pages.items() if page is not None}
    of_companies = [page for entity, page in wanted if entity == COMPANY]
    seen = select(Company.id, Company.name).where(Company.id.in_(of_companies), access.companies(viewer))
    companies = {(COMPANY, id_): name for id_, name in session.execute(seen)}
    return outbox_list.names(session, viewer, [each for each in wanted if each[0] != COMPANY]) | companies
