"""Series with their exceptions: the changed occurrences of a page's masters are read in one request (S3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import exchangelib
import structlog
from lxml.etree import _Element as Element

from connectors.exchange_ews import errors, meetings
from connectors.exchange_ews.elements import Item
from connectors.exchange_ews.services import GetItems, Shape
from terracrm.domain.records import Change, MeetingRecord

_log = structlog.get_logger(__name__)


def completed(
    account: exchangelib.Account, answers: Sequence[Element | Exception], changes: Sequence[Change], shape: Shape
) -> list[Change]:
    """The changes of calendar items with whole records of their exceptions, seen from the mailbox's owner.

    An exception that Exchange cannot show stays as its master tells of it: at its time, with the series' content.
    """
    ids = [
        meetings.exception_ids(Item(answer)) if _has_exceptions(change) and not isinstance(answer, Exception) else []
        for answer, change in zip(answers, changes, strict=True)
    ]
    flat = [item_id for some in ids for item_id in some]
    found = iter(GetItems(account=account).call(flat, shape) if flat else [])
    done = []
    for change, some in zip(changes, ids, strict=True):
        record = change.record
        if isinstance(record, MeetingRecord):
            known = zip(record.exceptions, [next(found) for _ in some], strict=True)
            record = replace(record, exceptions=tuple(_exception(told, answer) for told, answer in known))
            change = replace(change, record=meetings.seen_by(account.primary_smtp_address, record))
        done.append(change)
    return done


def _has_exceptions(change: Change) -> bool:
    return isinstance(change.record, MeetingRecord) and bool(change.record.exceptions)


def _exception(told: MeetingRecord, answer: Element | Exception) -> MeetingRecord:
    if isinstance(answer, Exception):
        _log.warning("an occurrence of a series could not be read", reason=errors.item_error(answer))
        return told
    item = Item(answer)
    if item.type not in meetings.TYPES:
        return told
    try:
        own = meetings.meeting(item)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        _log.exception("an occurrence of a series was not understood")  # a slip of ours must not cost the series
        return told
    return replace(own, uid=told.uid, kind=told.kind, original_start=told.original_start, exceptions=())
