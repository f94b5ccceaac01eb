"""Which mails are one mail (S2): those of one Message-ID, unless a sender uses it for different ones. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from terracrm.domain.addresses import normalise
from terracrm.domain.capture import hashed, message_key
from terracrm.domain.records import MessageRecord, Role
from terracrm.domain.threads import read_subject

# The copies of a mail carry one date; a clock or a gateway may shift it a little.
SAME_MOMENT = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Face:
    """What two mails of one Message-ID are told apart by; "" and None where it is not known."""

    sender: str
    subject: str
    sent_at: datetime | None

    def is_another(self, other: Face) -> bool:
        """Whether these are two mails: sent at different times, and by others or about something else."""
        if self.sent_at is None or other.sent_at is None or abs(self.sent_at - other.sent_at) <= SAME_MOMENT:
            return False
        return _differ(self.sender, other.sender) or _differ(self._base, other._base)

    def told_apart(self, message_id: str) -> str:
        """What this mail is told from others of its Message-ID by."""
        sent_at = self.sent_at.isoformat(timespec="seconds") if self.sent_at else ""
        return "\x1f".join([message_id, self.sender, self._base, sent_at])

    @property
    def _base(self) -> str:
        return read_subject(self.subject).base


def face_of(record: MessageRecord) -> Face:
    """The face of a mail as it arrives."""
    sender = next((normalise(p.address) for p in record.participants if p.role is Role.FROM), "")
    return Face(sender, record.subject, record.sent_at)


def keys_of(records: Sequence[MessageRecord], known: Mapping[str, Face]) -> list[str]:
    """The key of each mail: its Message-ID; a hash of its face, too, where that Message-ID is another mail's already.

    `known` are the mails that are here, by their keys.
    """
    faces = dict(known)
    found = []
    for record in records:
        key, face = message_key(record), face_of(record)
        if faces.setdefault(key, face).is_another(face):
            key = f"sha256:{hashed(face.told_apart(key))}"
        found.append(key)
    return found


def _differ(one: str, other: str) -> bool:
    return bool(one and other) and one != other
