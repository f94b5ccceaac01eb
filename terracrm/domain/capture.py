"""Which items are mirrored, and what is kept of a mail: pure rules, named so that they can be shown (Y4).

`decide` is the one place that says whether an item is taken in (S1, S4-S6, S8). In this order:

1. Private items, drafts and mail among only our own people are never taken in.
2. A stream with a category filter takes in only what carries that category.
3. Mail goes by the mailbox's mode.
4. What 2 or 3 would leave out is taken in all the same when a person gave it the tracking category.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache

from terracrm.domain.addresses import DomainPolicy, normalise
from terracrm.domain.records import ContactRecord, MeetingRecord, MessageRecord, Participant, Role

Captured = ContactRecord | MessageRecord | MeetingRecord
"""What goes by these rules. A task does not: only those that we made are read."""

# Rules that leave an item out.
PRIVATE = "private"
INTERNAL = "internal_only"
DRAFT = "draft"
UNKNOWN_PEOPLE = "unknown_people"
NOT_A_REPLY = "not_a_reply"
NOT_TRACKED = "not_tracked"
CAPTURE_OFF = "capture_off"
OTHER_CATEGORY = "other_category"
# Rules that take a mail in.
MAIL = "mail"
KNOWN_PEOPLE = "known_people"
SENT = "sent"
REPLY = "reply"
TRACKED = "tracked"

SNIPPET_CHARS = 300
MAX_MESSAGE_ID = 500
MAX_REFERENCES = 50
_SPACE = re.compile(r"\s+")
_ANGLED = re.compile(r"<([^<>]+)>")


class Mode(StrEnum):
    """Which mail of a mailbox is taken in (S6)."""

    ALL = "all"
    KNOWN = "known"
    REPLIES = "replies"
    CATEGORY = "category"
    NONE = "none"


class Detail(StrEnum):
    """What is kept of a mail: all of it, or only who wrote to whom and when (S6)."""

    FULL = "full"
    HEADERS = "headers"


# The rule by which each mode leaves a mail out.
LEFT_OUT_BY = {
    Mode.KNOWN: UNKNOWN_PEOPLE,
    Mode.REPLIES: NOT_A_REPLY,
    Mode.CATEGORY: NOT_TRACKED,
    Mode.NONE: CAPTURE_OFF,
}
# What these leave out, other rules may take in.
RULES_OF_CHOICE = frozenset({*LEFT_OUT_BY.values(), OTHER_CATEGORY})


@dataclass(frozen=True, slots=True)
class CaptureRules:
    """What one folder of a mailbox is taken in by: the rules of the mailbox and of the stream.

    `address` is the mailbox's own, `in_sent_items` says that all mail in the folder was sent. `tracking_category` and
    `only_category` are "" where there is none.
    """

    mode: Mode = Mode.ALL
    detail: Detail = Detail.FULL
    tracking_category: str = ""
    only_category: str = ""
    policy: DomainPolicy = field(default_factory=DomainPolicy)
    address: str = ""
    in_sent_items: bool = False


@dataclass(frozen=True, slots=True)
class Known:
    """What the CRM knows of the people and mails that some items name.

    `people`: the addresses that are those of a contact or lead to a company. `sent`: the keys of mail that we sent.
    """

    people: frozenset[str] = frozenset()
    sent: frozenset[str] = frozenset()


NOTHING = Known()


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether an item is taken in, by which rule, and how much of it.

    `waits_for` is what would have to become known for a mail that was left out: addresses, "@" and a domain, and
    Message-IDs in angle brackets.
    """

    is_taken: bool
    rule: str
    detail: Detail = Detail.FULL
    waits_for: frozenset[str] = frozenset()


def decide(record: Captured, rules: CaptureRules, known: Known) -> Decision:
    """Whether the item is taken in. Depends on nothing but what is given: the same in any order of arrival."""
    if rule := _never(record, rules.policy):
        return Decision(False, rule)
    by_choice = _by_choice(record, rules, known)
    if not by_choice.is_taken and has_category(record.categories, rules.tracking_category):
        return Decision(True, TRACKED, rules.detail)
    return by_choice


def has_category(categories: Iterable[str], name: str) -> bool:
    """Whether an item carries a category, however it is written; "" is none."""
    wanted = _comparable(name)
    return bool(wanted) and any(_comparable(category) == wanted for category in categories)


def _comparable(category: str) -> str:
    return _SPACE.sub(" ", category).strip().casefold()


def _never(record: Captured, policy: DomainPolicy) -> str:
    """The rule that no choice overrules: private (S4), a draft, or mail among only our own people (S5)."""
    if record.is_private:
        return PRIVATE
    if not isinstance(record, MessageRecord):
        return ""
    if record.is_draft:
        return DRAFT
    addresses = [normalise(p.address) for p in record.participants]
    return INTERNAL if addresses and all(policy.is_internal(address) for address in addresses) else ""


def _by_choice(record: Captured, rules: CaptureRules, known: Known) -> Decision:
    if rules.only_category and not has_category(record.categories, rules.only_category):
        return Decision(False, OTHER_CATEGORY)
    if not isinstance(record, MessageRecord):
        return Decision(True, "")
    rule, waits_for = _by_mode(record, rules, known)
    if rule:
        return Decision(True, rule, rules.detail)
    return Decision(False, LEFT_OUT_BY[rules.mode], waits_for=waits_for)


def _by_mode(record: MessageRecord, rules: CaptureRules, known: Known) -> tuple[str, frozenset[str]]:
    """The rule that takes a mail in, or "" and what it waits for."""
    match rules.mode:
        case Mode.ALL:
            return MAIL, frozenset()
        case Mode.KNOWN:
            people = outsiders(record.participants, rules.policy, rules.address)
            domains = {f"@{domain}" for address in people if (domain := rules.policy.company_domain(address))}
            return KNOWN_PEOPLE if people & known.people else "", people | domains
        case Mode.REPLIES:
            own, answered = message_key(record), answers(record)
            if own in known.sent or sent_by_us(record, rules):
                return SENT, frozenset()
            return REPLY if answered & known.sent else "", frozenset(f"<{key}>" for key in {own, *answered})
        case _:
            return "", frozenset()


def outsiders(participants: Iterable[Participant], policy: DomainPolicy, own_address: str) -> frozenset[str]:
    """The addresses of those who are not of our own company."""
    found = {normalise(p.address) for p in participants} - {"", own_address}
    return frozenset(address for address in found if not policy.is_internal(address))


def answers(record: MessageRecord) -> frozenset[str]:
    """The keys of the mails that this one says it answers, the first of the conversation and the latest."""
    named = [record.in_reply_to, *record.references[:1], *record.references[-MAX_REFERENCES:]]
    return frozenset(key for name in named if (key := normalise_message_id(name)))


def sent_by_us(record: MessageRecord, rules: CaptureRules) -> bool:
    """Whether the office wrote the mail: the mailbox, somebody in its name, or a colleague."""
    return direction(author(record), rules.address, rules.in_sent_items, rules.policy) == "out"


def author(record: MessageRecord) -> str:
    """The address that a mail is from."""
    return next((normalise(p.address) for p in record.participants if p.role is Role.FROM), "")


def only_headers(record: MessageRecord) -> MessageRecord:
    """What is kept of a mail of which only the headers are: no subject, text or attachments, nor their names."""
    return replace(record, subject="", body_text="", body_html="", unique_text="", attachments=())


def has_outsiders(participants: tuple[Participant, ...], policy: DomainPolicy, own_address: str) -> bool:
    """Whether somebody from outside takes part; rooms and the mailbox's owner do not count (S3)."""
    return any(
        p.role is not Role.RESOURCE
        and (address := normalise(p.address))
        and address != own_address
        and not policy.is_internal(address)
        for p in participants
    )


@lru_cache(maxsize=2_000)  # a page of mail asks several times for each
def normalise_message_id(message_id: str) -> str:
    """A Message-ID without its brackets and white space; the hash of one that is too long for an index."""
    found = _ANGLED.search(message_id)
    bare = _SPACE.sub("", found.group(1) if found else message_id).strip("<>")
    return bare if len(bare) <= MAX_MESSAGE_ID else hashed(bare)


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
    return f"sha256:{hashed(content)}"


def message_hash(message_id: str) -> str:
    """What a mail that is not mirrored can be asked for by, and nothing be read from (Y4); "" without a Message-ID."""
    found = normalise_message_id(message_id)
    return hashed(found) if found else ""


def hashed(value: str) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(value.encode("utf-8", "replace")).hexdigest()


def meeting_key(record: MeetingRecord) -> tuple[str, str]:
    """The UID and the occurrence that make a meeting the same in every calendar; the occurrence is "" for a
    single meeting or a master (S3)."""
    start = record.original_start
    return record.uid, start.strftime("%Y%m%dT%H%M%SZ") if start else ""


def direction(sender: str, own_address: str, in_sent_items: bool, policy: DomainPolicy) -> str:
    """ "out" for what the office said, "in" for what it was told."""
    return "out" if in_sent_items or sender == own_address or policy.is_internal(sender) else "in"


def snippet(text: str, chars: int = SNIPPET_CHARS) -> str:
    """The beginning of a text for a list: one line, cut at a word."""
    line = " ".join(text[: chars * 4].split())
    if len(line) <= chars:
        return line
    return line[:chars].rsplit(" ", 1)[0].rstrip(" ,.;:") + "…"
