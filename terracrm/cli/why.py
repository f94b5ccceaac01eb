"""`terracrm why`: why something is here, or why it is not (Y4)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import typer
from sqlalchemy.orm import Session

from terracrm.cli.invocation import current
from terracrm.errors import InvalidInput
from terracrm.services import access
from terracrm.services import why as service
from terracrm.services.why import ActivityWhy, ClientWhy, Copy, MissingWhy, Origin, Skip
from web.words import word

Answer = ActivityWhy | ClientWhy | MissingWhy | Copy
LARGEST_ID = 2**31 - 1
_THING = re.compile(r"(activity|message|meeting|contact|company|link)[:/ ](\d{1,10})", re.IGNORECASE)
_LOOKS_LIKE_MESSAGE_ID = re.compile(r"<[^<>]+>|\S+@\S+|sha256:[0-9a-f]{64}")


def why(
    thing: Annotated[
        str,
        typer.Argument(
            metavar="ID|MESSAGE-ID",
            help="The number of a history entry, contact:7, company:3, link:12, or a Message-ID with or without <>.",
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Say why something is here: mailbox, folder, run, rule and match; or why a mail is not.

    Exit codes: 0 it is here, 1 it is not here.

    Example: terracrm why "<5f3c@client.example>"
    """
    with current().transaction() as session:
        found = _ask(session, thing.strip())
        if as_json:
            typer.echo(json.dumps(_as_json(found), ensure_ascii=False, default=_plain))
        else:
            for line in _lines(found):
                typer.echo(line)
    if isinstance(found, MissingWhy):
        raise typer.Exit(1)


def _ask(session: Session, thing: str) -> Answer:
    viewer = access.operator()
    if thing.isascii() and thing.isdecimal():
        return service.activity(session, viewer, _number(thing))
    if named := _THING.fullmatch(thing):
        kind, number = named[1].lower(), _number(named[2])
        if kind in ("contact", "company"):
            return service.client(session, viewer, kind, number)
        if kind == "link":
            return service.link(session, viewer, number)
        return service.activity(session, viewer, number)
    if _LOOKS_LIKE_MESSAGE_ID.fullmatch(thing):
        return service.mail(session, viewer, thing)
    raise InvalidInput(
        f"“{thing[:80]}” names nothing here: give the number of a history entry, or contact:7, company:3, link:12, "
        "or a Message-ID in <>"
    )


def _number(text: str) -> int:
    number = int(text[:12])
    if not 0 < number <= LARGEST_ID:
        raise InvalidInput(f"“{text[:80]}” is not a number that can be used here")
    return number


def _as_json(found: Answer) -> dict[str, object]:
    if isinstance(found, MissingWhy):
        return {"is_here": False, **asdict(found)}
    what = "link" if isinstance(found, Copy) else found.entity if isinstance(found, ClientWhy) else found.kind
    return {"is_here": True, "what": what, **asdict(found)}


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _lines(found: Answer) -> Iterator[str]:
    match found:
        case ActivityWhy():
            yield from _activity(found)
        case ClientWhy():
            yield from _client(found)
        case MissingWhy():
            yield from _missing(found)
        case Copy():
            yield f"Link {found.link_id} ties {found.entity} {found.local_id} to this item:"
            yield _copy(found)


def _activity(found: ActivityWhy) -> Iterator[str]:
    yield f"Entry {found.id} is here: {word(found.kind, 'kind').lower()} of {_when(found.occurred_at)}."
    yield from _origin(found.origin)
    yield f"  It may be read {word(found.sharing, 'sharing')}."
    if found.detail:
        yield f"  Of this mail is kept: {word(found.detail, 'detail')}."
    for person in found.people:
        whom = f" (contact:{person.contact_id})" if person.contact_id else ""
        who, how = f"{person.address or person.name}{whom}", word(person.match_method, "match")
        yield f"  {word(person.role, 'part')}: {who}: {how}."
    for topic in found.topics:
        source = f", from entry {topic.giver_id}" if topic.giver_id else f" by {topic.set_by}" if topic.set_by else ""
        yield f"  About {topic.entity}:{topic.entity_id} ({topic.name}): {word(topic.method, 'topic')}{source}."
    for copy in found.copies:
        yield _copy(copy)
    for skip in found.skips:
        yield _skip(skip)


def _client(found: ClientWhy) -> Iterator[str]:
    yield f"{found.entity.capitalize()} {found.id} ({found.name}) is here since {_when(found.created_at)}."
    yield from _origin(found.origin)
    if found.merged_into_id:
        yield f"  It was merged into {found.entity}:{found.merged_into_id}."
    if found.domains:
        yield f"  Its mail domains: {', '.join(found.domains)}."
    for card in found.cards:
        yield _copy(card)


def _missing(found: MissingWhy) -> Iterator[str]:
    yield f"The mail {found.message_id} is not here."
    for skip in found.skips:
        yield _skip(skip)
    if found.skips:
        return
    read = [reading for reading in found.readings if reading.is_read]
    yield "  No mailbox that is read has shown it:" if read else "  The mail of no mailbox is read."
    for reading in read:
        until = f"was read completely on {_when(reading.until)}" if reading.until else "was never read to its end"
        left_out = f", {reading.unread_folders} left out" if reading.unread_folders else ""
        state = word(reading.state, "state").lower()
        yield f"    {reading.mailbox} {until} ({reading.folders} folders{left_out}; state: {state})."
    for reading in found.readings:
        if not reading.is_read:
            yield f"    {reading.mailbox} is not read: its mail is switched off."
    if found.sick:
        yield "  These items could not be read; it may be one of them:"
    for sick in found.sick:
        yield (
            f"    {sick.mailbox}, {sick.folder}: {sick.error} ({sick.attempts} attempts since {_when(sick.since)}, "
            f"next on {_when(sick.next_try_at)})."
        )


def _origin(origin: Origin) -> Iterator[str]:
    if origin.mailbox:
        yield f"  It came from the mailbox {origin.mailbox}{_run(origin)}."
    if origin.rule:
        yield f"  The rule: {word(origin.rule, 'rule')}."
    if not origin.mailbox and not origin.rule:
        yield "  It came from no mailbox: somebody added it."


def _copy(copy: Copy) -> str:
    facts = [word(copy.match_method, "same_item")] if copy.match_method else []
    facts += [f"no longer there since {_when(copy.gone_at)}"] if copy.gone_at else []
    facts += [f"not followed since {_when(copy.untracked_at)}"] if copy.untracked_at else []
    rule = f"; {word(copy.origin.rule, 'rule')}" if copy.origin.rule else ""
    return f"  Item in {copy.origin.mailbox}, {copy.folder}{_run(copy.origin)}{rule}{''.join(f'; {x}' for x in facts)}."


def _skip(skip: Skip) -> str:
    rule = word(skip.origin.rule, "left_out")
    return f"  Left out in {skip.origin.mailbox}, {skip.folder}, since {_when(skip.since)}{_run(skip.origin)}: {rule}."


def _run(origin: Origin) -> str:
    at = f" of {_when(origin.run_at)}" if origin.run_at else ""
    return f", run {origin.run_id}{at}" if origin.run_id else ""


def _when(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M UTC")
