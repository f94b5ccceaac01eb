"""What commands that list things share: every row of a paged list, a row as JSON, the choice of what to try again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, TypeVar

import typer
from sqlalchemy.orm import Session

from terracrm.errors import InvalidInput
from terracrm.services import mailboxes
from terracrm.services.listing import LAST_PAGE, Listing

Row = TypeVar("Row")

OnlyMailbox = Annotated[str | None, typer.Option("--mailbox", metavar="ADDRESS", help="Only this mailbox.")]


def every_row(page: Callable[[int], Listing[Row]]) -> Iterator[Row]:
    """The rows of all pages of a list, each page asked for by its number (from 1) when its turn comes."""
    number, pages = 1, 1
    while number <= min(pages, LAST_PAGE):
        found = page(number)
        yield from found.rows
        number, pages = number + 1, found.pages


def as_json(row: Mapping[str, object]) -> str:
    """A row in one line, times as ISO 8601 to the second."""
    return json.dumps(row, default=lambda when: when.isoformat(timespec="seconds"), ensure_ascii=False)


def mailbox_id(session: Session, address: str | None) -> int | None:
    """The mailbox of that address, None for all; raises NotFound."""
    return mailboxes.get(session, address).id if address is not None else None


def check_choice(number: int | None, mailbox: str | None, everything: bool) -> None:
    """Raise InvalidInput unless just one of them is said."""
    if sum((number is not None, mailbox is not None, everything)) != 1:
        raise InvalidInput("say one of ID, --mailbox ADDRESS and --all")
