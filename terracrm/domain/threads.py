"""What makes mails one conversation: the messages they name, and where they name none, their subject. Pure.

Subjects are compared by their base (RFC 5256, section 2.1, and what mail clients write in other languages). A subject
alone ties nothing: it takes a reply that names no message, as phones and gateways send them. Such a reply belongs to
the latest mail before it of the same subject among the same outside people, if that is not too long ago.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from terracrm.domain.addresses import DomainPolicy, normalise
from terracrm.domain.capture import normalise_message_id
from terracrm.domain.groups import Groups
from terracrm.domain.records import MessageRecord, Role

MAX_REFERENCES = 100
SUBJECT_WINDOW = timedelta(days=30)
MAX_SUBJECT = 1000  # no mail client writes a longer one, and peeling one off takes its time
# What has no @ and is shorter than this names nothing: "none", "0", the words around an id.
SHORTEST_BARE_ID = 16

# "HA" is how Outlook once wrote the Russian "На"; the letters are mixed freely.
_AUTOMATIC = r"automatic reply|auto-?reply|out of office|автоответ|автоматический ответ|automatische antwort"
_REPLY = rf"{_AUTOMATIC}|re|aw|sv|vs|antw|antwort|rif|res|odp|ynt|[hн][aа]|отв|ответ|відп|回复|答复|回覆|答覆"
_FORWARD = r"fwd?|wg|tr|vb|vl|rv|enc|пересл|переслано|пер|转发|轉寄"
_COUNT = r"(?:\s?[\[(]\s?\d{1,4}\s?[\])]|\^\d{1,4}|\d{1,2})?"
_PREFIX = re.compile(rf"(?:(?P<reply>{_REPLY})|(?:{_FORWARD})){_COUNT}\.?\s?:\s?")
_EXTERNAL = r"external|external e-?mail|ext|внешнее|внешнее письмо|внешняя почта|spam|спам"
_MARK = re.compile(rf"(?:(?:{_EXTERNAL})\s?:|\*+\s?(?:{_EXTERNAL})\s?\*+|\((?:{_EXTERNAL})\))\s?")
_BLOB = re.compile(r"\[([^\[\]]{1,80})\]\s?")
_WRAPPED = re.compile(r"\[(?:fwd?|пересл)\s?:\s?(.*)\]")
_TRAILER = re.compile(r"\s?\((?:fwd?|пересл)\)$")
_WORD = re.compile(r"[^\W_]")
_DIGIT = re.compile(r"\d")


@dataclass(frozen=True, slots=True)
class Subject:
    """A subject as threads compare it. `base` is "" where it says nothing."""

    base: str
    is_reply: bool


@lru_cache(maxsize=1_000)  # a page of mail asks several times for each
def read_subject(subject: str) -> Subject:
    """The subject without what clients and gateways put around it, in any number and order.

    What stands in brackets is left out, too, unless it has a digit: "[External]" is put there on the way, and
    "[#1234]" tells one matter from another. A reply is what its outermost prefix says to be one; a forward is none.
    """
    rest, kept, is_reply = _folded(subject), "", None
    while True:
        if found := _PREFIX.match(rest):
            is_reply = found["reply"] is not None if is_reply is None else is_reply
            rest = rest[found.end() :]
        elif (found := _MARK.match(rest)) or (found := _TRAILER.search(rest)):
            rest = (rest[: found.start()] + rest[found.end() :]).strip()
        elif found := _WRAPPED.fullmatch(rest):
            is_reply = False if is_reply is None else is_reply
            rest = found[1].strip()
        elif (found := _BLOB.match(rest)) and rest[found.end() :].strip():
            kept += found[0] if _DIGIT.search(found[1]) else ""
            rest = rest[found.end() :].strip()
        else:
            break
    base = f"{kept}{rest}".strip()
    return Subject(base if _WORD.search(base) else "", bool(is_reply))


def subject_key(record: MessageRecord, policy: DomainPolicy) -> str:
    """The hash of base subject and outside people: mails that agree in it may be one conversation; "" for none.

    Blind copies do not count: only the sender's own copy names them.
    """
    base = read_subject(record.subject).base
    outside = outside_people(record, policy, (Role.BCC,))
    if not base or not outside or record.sent_at is None:
        return ""
    return hashlib.sha256("\0".join([base, *sorted(outside)]).encode("utf-8", "replace")).hexdigest()


def outside_people(record: MessageRecord, policy: DomainPolicy, without: Sequence[Role] = ()) -> set[str]:
    """The addresses of those who are not of our company."""
    addresses = {normalise(p.address) for p in record.participants if p.role not in without}
    return {address for address in addresses if address and not policy.is_internal(address)}


def named_messages(record: MessageRecord) -> list[str]:
    """The Message-IDs that a mail names, what it answers first; junk and the mail itself aside."""
    references = [*record.references[-1 : -MAX_REFERENCES - 1 : -1], *record.references[:1]]
    own = normalise_message_id(record.message_id)
    found = (normalise_message_id(name) for name in (record.in_reply_to, *references))
    return list(dict.fromkeys(name for name in found if name != own and _is_message_id(name)))


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail as threads see it. Its `strand` is all that names it or is one conversation of the server with it.

    `is_loose`: a reply that names no message.
    """

    key: str
    strand: int
    subject_key: str = ""
    sent_at: datetime | None = None
    is_loose: bool = False


def answered_by_subject(mails: Iterable[Mail]) -> dict[str, str]:
    """What each loose reply answers: the latest mail before it of the same subject and people. By their keys."""
    chains: dict[str, list[tuple[datetime, str, bool]]] = defaultdict(list)
    for mail in mails:
        if mail.subject_key and mail.sent_at is not None:
            chains[mail.subject_key].append((mail.sent_at, mail.key, mail.is_loose))
    found: dict[str, str] = {}
    for chain in chains.values():
        chain.sort()
        for place, (sent_at, key, is_loose) in enumerate(chain[1:], 1):
            before_at, before, _ = chain[place - 1]
            if is_loose and sent_at - before_at <= SUBJECT_WINDOW:
                found[key] = before
    return found


def tie(mails: Sequence[Mail]) -> dict[int, int]:
    """The thread of each strand: the oldest of those that loose replies tie together. Any order gives the same."""
    strand_of = {mail.key: mail.strand for mail in mails}
    groups: Groups[int] = Groups()
    for strand in strand_of.values():
        groups.join([strand])
    for reply, answered in answered_by_subject(mails).items():
        groups.join([strand_of[reply], strand_of[answered]])
    return {strand: min(group) for group in groups.all() for strand in group}


def _folded(subject: str) -> str:
    """Lower case, one space, no invisible characters, ё as е: how subjects differ between clients."""
    visible = unicodedata.normalize("NFKC", subject[:MAX_SUBJECT])
    if not visible.isprintable():
        visible = "".join(c for c in visible if unicodedata.category(c) != "Cf")
    return " ".join(visible.casefold().replace("ё", "е").split())


def _is_message_id(name: str) -> bool:
    left, at, right = name.partition("@")
    return bool(left and right) if at else len(name) >= SHORTEST_BARE_ID
