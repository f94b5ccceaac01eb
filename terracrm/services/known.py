"""What the CRM knows of the people and mails that a page of items names, for the rules that depend on it (S6)."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from terracrm.domain.capture import NOTHING, CaptureRules, Known, Mode, answers, message_key, outsiders
from terracrm.domain.records import MessageRecord, Record
from terracrm.models import Activity, Message
from terracrm.services.matching import AMBIGUOUS, Match, chunks, match
from terracrm.services.sources import lock_directory


def lookup(
    session: Session, rules: CaptureRules, records: Iterable[Record], besides: Collection[str] = frozenset()
) -> Known:
    """What the mode of these rules has to know of these items, and keep it so until the transaction ends.

    Nobody becomes known and nothing is sent meanwhile: what this page leaves out for not knowing is told apart from
    what comes to be known later, and is woken by that. `besides` is taken for known, too, named as in
    `capture.Decision`.
    """
    mails = [record for record in records if isinstance(record, MessageRecord) and not record.is_private]
    if mails and rules.mode in (Mode.KNOWN, Mode.REPLIES):
        lock_directory(session, for_writing=True)
    return of(session, rules, mails, besides)


def of(
    session: Session, rules: CaptureRules, mails: Collection[MessageRecord], besides: Collection[str] = frozenset()
) -> Known:
    """What the CRM knows now of these mails, as far as the mode of the rules depends on it."""
    if rules.mode is Mode.KNOWN:
        people = {address for mail in mails for address in outsiders(mail.participants, rules.policy, rules.address)}
        found = match(session, rules.policy, people)
        also = {each for each in people if each in besides or f"@{rules.policy.company_domain(each)}" in besides}
        return Known(people=frozenset(address for address, whom in found.items() if _is_client(whom)) | also)
    if rules.mode is Mode.REPLIES:
        keys = {key for mail in mails for key in (message_key(mail), *answers(mail))}
        return Known(sent=sent_by_us(session, keys) | {key for key in keys if f"<{key}>" in besides})
    return NOTHING


def _is_client(whom: Match) -> bool:
    return bool(whom.contact_id or whom.company_id) or whom.method == AMBIGUOUS


def sent_by_us(session: Session, message_keys: Iterable[str]) -> frozenset[str]:
    """Those of these mails that the office sent, as far as any mailbox has told."""
    sent = (
        select(Message.message_key)
        .join(Activity, Activity.id == Message.activity_id)
        .where(Activity.direction == "out")
    )
    return frozenset(
        key
        for some in chunks(sorted(message_keys))
        for key in session.scalars(sent.where(Message.message_key.in_(some)))
    )
