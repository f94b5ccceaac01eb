"""Which items are mirrored, and what is kept of a mail: pure rules, named so that they can be shown (Y4)."""

from __future__ import annotations

import hashlib
import re

from terracrm.domain.addresses import DomainPolicy, normalise
from terracrm.domain.records import MeetingRecord, MessageRecord, Participant, Role

PRIVATE = "private"
INTERNAL = "internal_only"
DRAFT = "draft"
SNIPPET_CHARS = 300
MAX_MESSAGE_ID = 500
_SPACE = re.compile(r"\s+")
_ANGLED = re.compile(r"<([^<>]+)>")


def skip_rule(record: MessageRecord, policy: DomainPolicy) -> str:
    """The rule that keeps a mail out of the mirror, or "": drafts, and mail among only our own people (S5)."""
    if record.is_draft:
        return DRAFT
    addresses = [normalise(p.address) for p in record.participants]
    if addresses and all(policy.is_internal(address) for address in addresses):
        return INTERNAL
    return ""


def has_outsiders(participants: tuple[Participant, ...], policy: DomainPolicy, own_address: str) -> bool:
    """Whether somebody from outside takes part; rooms and the mailbox's owner do not count (S3)."""
    return any(
        p.role is not Role.RESOURCE
        and (address := normalise(p.address))
        and address != own_address
        and not policy.is_internal(address)
        for p in participants
    )


def normalise_message_id(message_id: str) -> str:
    """A Message-ID without its brackets and white space; the hash of one that is too long for an index."""
    found = _ANGLED.search(message_id)
    bare = _SPACE.sub("", found.group(1) if found else message_id).strip("<>")
    return bare if len(bare) <= MAX_MESSAGE_ID else hashlib.sha256(bare.encode("utf-8", "replace")).hexdigest()


def message_key(record: MessageRecord) -> str:
    """What makes a mail the same mail in every mailbox: its Message-ID, or else a hash of its content (S2)."""
    if found := normalise_message_id(record.message_id):
        return found
    content = "\x1f".join(
        [
            record.subject.strip(),
            record.sent_at.isoformat(timespec="seconds") if record.sent_at else "",
            *sorted(f"{p.role}:{normalise(p.address)}" for p in record.participants if p.role is not Role.BCC),
            _SPACE.sub(" ", record.body_text or record.body_html).strip(),
        ]
    )
    return f"sha256:{hashlib.sha256(content.encode('utf-8', 'replace')).hexdigest()}"


def meeting_key(record: MeetingRecord) -> tuple[str, str]:
    """The UID and the occurrence that make a meeting the same in every calendar; the occurrence is "" for a
    single meeting or a master (S3)."""
    start = record.original_start
    return record.uid, start.strftime("%Y%m%dT%H%M%SZ") if start else ""


def direction(sender: str, own_address: str, in_sent_items: bool, policy: DomainPolicy) -> str:
    """ "out" for what the office said, "in" for what it was told."""
    return "out" if in_sent_items or sender == own_address or policy.is_internal(sender) else "in"


def snippet(text: str) -> str:
    """The beginning of a text for a list: one line, cut at a word."""
    line = _SPACE.sub(" ", text[: SNIPPET_CHARS * 4]).strip()
    if len(line) <= SNIPPET_CHARS:
        return line
    return line[:SNIPPET_CHARS].rsplit(" ", 1)[0].rstrip(" ,.;:") + "…"
