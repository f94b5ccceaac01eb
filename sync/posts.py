"""Entries of the history as posts in a folder that people share, one folder for each company (W3).

Posts are not mirrored: what became of one is asked when there is something to write on it. One that was deleted in
Outlook stays deleted, one that was changed there is left alone; but one that may not be told any more is taken away.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.orm import Session

from connectors.base import Connector, Version
from sync.outbound import Create, Difference, Nothing, Place, Remove, Step, Target, Write, Written
from terracrm.domain.records import Change, ChangeKind, Folder, PostRecord, StreamKind
from terracrm.errors import ItemGone, VersionConflict
from terracrm.models import Link, MirrorFolder, utcnow
from terracrm.services import outbox, posts, role_folders
from terracrm.services.post_texts import fingerprint

FIELDS: Final = ("subject", "body")
ROOT: Final = "msgfolderroot"
OTHER: Final = "other_company"
"""The rule by which a post leaves the folder of a company whose entry it is no more."""


@dataclass(frozen=True, slots=True)
class Memo:
    """Where a post lies that is to be written, and what it said when it was last read."""

    folder: Folder
    base: str


class Posts:
    """The Outbound of posts."""

    entity = outbox.POST
    kind = StreamKind.POSTS
    rule = posts.RULE

    def places(self, session: Session, target: Target) -> Sequence[Place]:
        """The folder that those of the companies lie in, unless a person has deleted it."""
        if role_folders.is_deleted(target.stream, posts.RULE):
            return []
        return [Place(posts.RULE, self.kind, ROOT, (posts.top_name(target.settings, target.mailbox),))]

    def settle(self, session: Session, target: Target) -> None:
        """Owe the posts that are missing or superfluous."""
        posts.settle(session, target.settings, target.stream)

    def withdraw(self, session: Session, target: Target) -> None:
        """Owe the posts that are superfluous."""
        posts.withdraw(session, target.mailbox)

    def plan(self, session: Session, target: Target, wanted: Mapping[int, Link | None]) -> dict[int, Step]:
        """Make, change or take away the posts of activities, or nothing."""
        there = {id_: link for id_, link in wanted.items() if link is not None}
        missing = wanted.keys() - there.keys()
        return self._there(session, target, there) | self._missing(session, target, missing)

    def write(self, connector: Connector, step: Write, remote_id: str, version: str, key: str) -> Written:
        """Write both fields, unless somebody has changed or deleted the post in Outlook."""
        memo: Memo = step.memo
        try:
            return Written(connector.update(remote_id, step.record, step.fields, version, key))
        except (VersionConflict, ItemGone):
            (now,) = connector.get(memo.folder, [remote_id])
        if now.kind is ChangeKind.DELETED:
            return Written(Version(remote_id, version), memo={"is_gone": True})
        if _said(now) != memo.base:
            return Written(Version(remote_id, now.version), memo={"is_changed": True})
        return Written(connector.update(remote_id, step.record, step.fields, now.version, key))

    def is_same(self, link: Link, now: Change) -> bool:
        """Whether the post says what it said."""
        return _said(now) == _hash(link.base)

    def done(
        self, session: Session, target: Target, local_id: int, link: Link, step: Create | Write, written: Written
    ) -> None:
        """What both sides agree on, or that the post is now the business of the people there."""
        if written.memo.get("is_gone"):
            link.gone_at = utcnow()
        elif written.memo.get("is_changed"):
            link.untracked_at = utcnow()
        else:
            link.sent = dict(step.sent) if isinstance(step, Create) else _sent(step.record)
            back = written.read_back
            is_ours = back is not None and back.version == written.version.change_key
            link.base = {"hash": _said(back)} if back and is_ours else link.sent

    def _there(self, session: Session, target: Target, there: Mapping[int, Link]) -> dict[int, Step]:
        """What becomes of posts that are there."""
        if not there:
            return {}
        may_stay = posts.may_stay(session, target.mailbox, there)
        steps: dict[int, Step] = {
            id_: Nothing("changed_in_outlook") if id_ in may_stay else Remove(outbox.WITHDRAWN, anyhow=True)
            for id_, link in there.items()
            if link.untracked_at is not None or id_ not in may_stay
        }
        by_id = {folder.id: folder for folder in target.stream.folders}
        folders = {id_: by_id[link.folder_id] for id_, link in there.items() if id_ not in steps}
        companies = posts.companies_of(session, target.stream, folders)
        stay = {id_: company for id_, (company, stays) in companies.items() if stays}
        records = posts.records(session, target.settings, target.mailbox, stay)
        for id_, folder in folders.items():
            is_here = id_ in stay
            steps[id_] = self._write(there[id_], folder, records[id_]) if is_here else Remove(OTHER, anyhow=True)
        return steps

    def _write(self, link: Link, folder: MirrorFolder, record: PostRecord) -> Step:
        if fingerprint(record) == _hash(link.sent):
            return Nothing("unchanged")
        memo = Memo(_remote(folder), _hash(link.base))
        return Write(record, FIELDS, "changed", _differences(record), memo=memo)

    def _missing(self, session: Session, target: Target, missing: Collection[int]) -> dict[int, Step]:
        """What is made of activities that have no post."""
        if not missing:
            return {}
        steps: dict[int, Step] = dict.fromkeys(missing, Nothing("not_wanted"))
        wanted = posts.wanted(session, target.stream, missing)
        top = role_folders.of(target.stream, posts.RULE)
        if top is None:
            return steps | dict.fromkeys(wanted, Nothing("folder_deleted"))
        found = posts.companies_of(session, target.stream, dict.fromkeys(sorted(wanted)))
        companies = {id_: company for id_, (company, _) in found.items()}
        names = posts.folder_names(session, target.stream, list({c.id: c for c in companies.values()}.values()))
        records = posts.records(session, target.settings, target.mailbox, companies)
        for id_, company in companies.items():
            place = Place(posts.role_of(company), self.kind, _remote(top), (names[company.id],))
            record = records[id_]
            steps[id_] = Create(place, record, _sent(record), "lacking", _differences(record))
        return steps


def _remote(folder: MirrorFolder) -> Folder:
    return Folder(folder.remote_id, folder.path, StreamKind.POSTS, folder.well_known)


def _sent(record: Any) -> dict[str, Any]:
    """What we say, so that it can be compared and not be read: of what is withdrawn nothing stays here."""
    return {"hash": fingerprint(record)}


def _hash(said: dict[str, Any] | None) -> str:
    return str((said or {}).get("hash", ""))


def _said(now: Change) -> str:
    return fingerprint(now.record) if isinstance(now.record, PostRecord) else ""


def _differences(record: PostRecord) -> tuple[Difference, ...]:
    return (Difference("subject", "", record.subject),)
