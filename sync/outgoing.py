"""What is written into a mailbox as steps of a plan: how a brake and a person see it (Y1, Y2)."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from sync.outbound import Create, Nothing, Place, Remove, Write
from sync.outbound import Step as Planned
from terracrm.models import Link
from terracrm.services import outbox, plans
from terracrm.services.client_writes import FORGOTTEN
from terracrm.services.plans import Field, Step

DOUBLE: Final = "double"
HISTORY: Final = "history"
FOLDER: Final = "folder"
"""What a step is about that makes a folder; in Outlook, for here it has no number."""
WRITTEN_INTO: Final = "written_into"
"""The rule of such a step."""
# What stands around what people write: ours to change.
OUR_OWN: Final = frozenset({HISTORY, "client", "link"})
# What may not be told any more is taken away at once (S4); of one that is there twice, one stays.
AT_ONCE: Final = frozenset({DOUBLE, FORGOTTEN, outbox.WITHDRAWN, "other_company"})


def step_of(stream_id: int, entity: str, local_id: int, step: Planned, link: Link | None) -> Step | None:
    """A step as a plan keeps it; None for nothing. The text of the history is not kept: it is told where it stands."""
    if isinstance(step, Nothing):
        return None
    act = plans.CREATE if isinstance(step, Create) else plans.REMOVE if isinstance(step, Remove) else plans.CHANGE
    differences = () if isinstance(step, Remove) else step.differences
    return Step(
        stream_id,
        plans.OUT,
        act,
        entity,
        local_id,
        folder_id=link.folder_id if link else None,
        remote_id=link.remote_id if link else "",
        version=link.version if link else "",
        rule=step.why,
        fields=tuple(
            Field(each.field, "", "") if each.field == HISTORY else Field(each.field, each.old, each.new)
            for each in differences
        ),
    )


def of_place(stream_id: int, place: Place) -> Step:
    """That a folder is made to write into, for nothing is found in its place."""
    name = (Field("name", "", "/".join(place.names)),)
    return Step(stream_id, plans.OUT, plans.CREATE, FOLDER, rule=WRITTEN_INTO, fields=name)


def weighs(step: Step) -> bool:
    """Whether a brake counts a step: it takes something out of Outlook, or changes what people wrote there."""
    if step.rule in AT_ONCE:
        return False
    is_theirs = any(field.field not in OUR_OWN for field in step.fields)
    return step.act == plans.REMOVE or (step.act == plans.CHANGE and is_theirs)


def is_urgent(step: Planned) -> bool:
    """Whether a step is taken even while others wait for a person.

    Also what changes nothing but our own part of a card, which may be what must not be told there any more (S4).
    """
    if isinstance(step, Write) and all(each.field in OUR_OWN for each in step.differences):
        return True
    return isinstance(step, Write | Remove) and step.why in AT_ONCE


def because(step: Planned, reason: str) -> Planned:
    """A step with the rule that it was withdrawn, where that is why the thing is owed (`OutboxItem.reason`)."""
    is_withdrawn = reason == outbox.WITHDRAWN and isinstance(step, Write | Remove)
    return replace(step, why=outbox.WITHDRAWN) if is_withdrawn else step
