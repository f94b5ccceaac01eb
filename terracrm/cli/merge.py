"""`terracrm merge`: contacts and companies that are there twice."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from terracrm.cli.invocation import current
from terracrm.services import access, merge_fields, merge_list, merge_preview, merges
from terracrm.services.merged import Entity

app = typer.Typer(help="Make one of contacts or companies that are there twice.", no_args_is_help=True)

Winner = Annotated[int, typer.Argument(metavar="WINNER", help="The number of the one that stays, as in its address.")]
Loser = Annotated[int, typer.Argument(metavar="LOSER", help="The number of the one that becomes part of it.")]
Apply = Annotated[bool, typer.Option("--apply", help="Do it; without it only what would be done is shown.")]
Take = Annotated[
    list[str] | None,
    typer.Option(metavar="FIELD", help="Take this field from LOSER; may be given several times."),
]


@app.command()
def contact(winner: Winner, loser: Loser, take: Take = None, apply: Apply = False) -> None:
    """Merge two contacts: what would be done, or with --apply do it.

    WINNER gets all history, addresses and links of LOSER. Its own fields stay, unless they are empty or taken.

    Example: terracrm merge contact 7 12 --take job_title --apply
    """
    _merge("contact", winner, loser, take or [], apply)


@app.command()
def company(winner: Winner, loser: Loser, take: Take = None, apply: Apply = False) -> None:
    """Merge two companies: what would be done, or with --apply do it.

    WINNER gets all people, mail domains and history of LOSER. Its own fields stay, unless they are empty or taken.

    Example: terracrm merge company 3 9 --take name --apply
    """
    _merge("company", winner, loser, take or [], apply)


@app.command()
def undo(
    number: Annotated[int, typer.Argument(metavar="ID", help="The merge, as `terracrm merge list` shows it.")],
) -> None:
    """Make two again of what was merged.

    What was changed since stays and is named; what came since goes to whom it is from.

    Example: terracrm merge undo 4
    """
    with current().transaction() as session:
        undone = merges.undo(session, current().settings, access.operator(), number)
        made, kept = undone.merge, undone.kept
        entity, winner_id, loser_id = made.entity, made.winner_id, made.loser_id
    typer.echo(f"{entity.capitalize()} {loser_id} is no longer part of {winner_id}.")
    if kept:
        typer.echo(f"Changed since, and left as it is: {', '.join(kept)}.")


@app.command(name="list")
def show(as_json: Annotated[bool, typer.Option("--json", help="One JSON object on each line.")] = False) -> None:
    """List the newest merges, those that were undone included.

    Example: terracrm merge list
    """
    with current().transaction() as session:
        rows = merge_list.every(session, access.operator())
    for row in rows:
        if as_json:
            typer.echo(json.dumps(asdict(row), default=lambda when: when.isoformat(), ensure_ascii=False))
            continue
        state = "undone" if row.undone_at else "" if row.can_be_undone else "not to be undone now"
        pair = f"{row.entity} {row.loser_id} ({row.loser}) into {row.winner_id} ({row.winner})"
        typer.echo(f"{row.id:>5}  {row.merged_at:%Y-%m-%d %H:%M}  {pair}  {row.who}  {state}".rstrip())


def _merge(entity: Entity, winner_id: int, loser_id: int, take: list[str], apply: bool) -> None:
    choices = dict.fromkeys(take, "loser")
    merge_fields.check(entity, choices)
    with current().transaction() as session:
        found = merge_preview.preview(session, access.operator(), entity, winner_id, loser_id)
        _describe(found, choices)
        made = merges.merge(session, access.operator(), entity, winner_id, loser_id, choices).id if apply else None
    if made is None:
        typer.echo("Nothing was changed; --apply does it.")
    else:
        typer.echo(f"Done; `terracrm merge undo {made}` makes two of it again.")


def _describe(found: merge_preview.Preview, choices: dict[str, str]) -> None:
    names = merge_fields.name(found.loser), merge_fields.name(found.winner)
    typer.echo(f"{names[0]} ({found.loser.id}) becomes part of {names[1]} ({found.winner.id}).")
    for line in found.fields:
        stays = choices.get(line.field, line.takes)
        value, other = (line.loser, line.winner) if stays == "loser" else (line.winner, line.loser)
        typer.echo(f"  {line.field:<16} {value}" + (f"  (not: {other})" if other and other != value else ""))
    for field, values in found.comes.items():
        if values:
            typer.echo(f"  + {field:<14} {', '.join(values)}")
    counts = {"history": found.history, "links": found.links, "people": found.people, "suggestions": found.suggestions}
    typer.echo("  + " + ", ".join(f"{word} {count}" for word, count in counts.items() if count or word == "history"))
    for warning in found.warnings:
        typer.echo(f"Warning: {WARNINGS[warning]}", err=True)


WARNINGS = {
    "owners": "they belong to different people or teams",
    "birthdays": "they have different birthdays",
    "companies": "they are with different companies",
    "names": "their names have no word in common",
}
