"""The limit of a first mirror: what `limit` reads, stored by hand with sqlite3 in the product's tables.

The same rows in the same durability: each page and its cursor in one commit, with what is known looked up first. What
the rows say is asked of the pure rules of terracrm.domain, since it is the same question on both sides: how a mail is
split into what is new, quoted and signature, what its key is, its subject's base, its stems. Everything else is by
hand, and for this mailbox only: the first mirror of an inbox where each mail is taken in, was never here, and names
what it answers. Whatever that does not need is left out.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.limit import Exchange, Mail
from terracrm.config import Settings
from terracrm.domain import file_danger, replies
from terracrm.domain.addresses import DomainPolicy, normalise
from terracrm.domain.attachments import has_files, names_in_text
from terracrm.domain.capture import message_key, snippet
from terracrm.domain.threads import named_messages, outside_people, read_subject, subject_key
from terracrm.domain.words import stem

Row = tuple[Any, ...]
Keyed = Sequence[tuple[str, list[str], Mail]]
"""Mails, each with its key and those of the mails that it names."""
_PRAGMAS = ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "secure_delete=ON", "cache_size=-32000")
"""Those of the product."""
_CLOCK_SKEW = timedelta(days=1)
_PLACES_A_SECOND = 2**31  # the full-text index is in the order of time


def mirror(url: str, database: Path, *, splits: bool = True) -> int:
    """Mirror the inbox; how many messages. `splits` False: what is new in a mail is what the server says it is."""
    exchange = Exchange(url)
    store = _Store(database, splits)
    inbox = exchange.inbox()
    store.begin(inbox)
    for item_ids, state in exchange.pages(inbox, Settings().mirror.page_size):
        store.page(exchange.mails(item_ids), state)
    store.close()
    exchange.close()
    return store.count


class _Store:
    """The tables that a mail is in."""

    def __init__(self, database: Path, splits: bool) -> None:
        mirror = Settings().mirror
        self._policy = DomainPolicy.of(mirror.internal_domains, mirror.free_mail_domains)
        self._full_text_chars = mirror.full_text_chars
        self._splits = splits
        self._db = sqlite3.connect(database, isolation_level=None)
        for pragma in _PRAGMAS:
            self._db.execute(f"PRAGMA {pragma}")
        self._revision = 0
        self.count = 0

    def begin(self, inbox: str) -> None:
        """Note the folder and that a run has begun."""
        self._mailbox, self._sharing = self._db.execute("SELECT id, sharing FROM mailboxes").fetchone()
        (stream,) = self._db.execute("SELECT id FROM streams").fetchone()
        self._run = self._insert(
            "sync_runs",
            stream_id=stream,
            started_at=_time(datetime.now(UTC)),
            **dict.fromkeys(("created", "updated", "deleted", "skipped", "quarantined", "unmatched", "written"), 0),
            **dict.fromkeys(("outcome", "error"), ""),
        )
        self._folder = self._insert(
            "folders",
            stream_id=stream,
            remote_id=inbox,
            path="Inbox",
            well_known="inbox",
            is_excluded=0,
            revision=0,
        )

    def page(self, mails: Sequence[Mail], state: str) -> None:
        """Store a page with its cursor."""
        if mails:
            self._db.execute("BEGIN IMMEDIATE")
            keyed = [(message_key(mail), named_messages(mail), mail) for mail in mails]
            self._require_new(keyed)
            self._store(keyed, self._matches(mails), self._strands(keyed))
            done = self._db.execute(
                "UPDATE folders SET cursor = ?, revision = revision + 1 WHERE id = ? AND revision = ?",
                (state, self._folder, self._revision),
            )
            assert done.rowcount == 1
            self._db.execute("UPDATE sync_runs SET created = created + ? WHERE id = ?", (len(mails), self._run))
            self._db.execute("COMMIT")
            self._revision += 1
            self.count += len(mails)

    def close(self) -> None:
        """Give the database back."""
        self._db.close()

    def _insert(self, table: str, **values: Any) -> int:
        places = ", ".join("?" * len(values))
        done = self._db.execute(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({places})", tuple(values.values()))
        assert done.lastrowid is not None
        return done.lastrowid

    def _require_new(self, keyed: Keyed) -> None:
        ids = [mail.remote_id for _, _, mail in keyed]
        assert not self._among("SELECT remote_id FROM links WHERE remote_id IN", ids)
        assert not self._among("SELECT message_key FROM messages WHERE message_key IN", [key for key, _, _ in keyed])
        assert not any(mail.is_private or mail.is_draft for _, _, mail in keyed)

    def _among(self, query: str, values: Iterable[str]) -> list[Row]:
        asked = list(values)
        return self._db.execute(f"{query} ({','.join('?' * len(asked))})", asked).fetchall()

    def _matches(self, mails: Sequence[Mail]) -> dict[str, Row]:
        """Whom each address is: contact, company, how, and the domain."""
        domains = {
            a: self._policy.company_domain(a)
            for mail in mails
            for p in mail.participants
            if (a := normalise(p.address))
        }
        query = "SELECT a.address, c.id, c.company_id FROM contact_addresses a JOIN contacts c ON c.id = a.contact_id"
        people = {address: ids for address, *ids in self._among(f"{query} WHERE a.address IN", domains)}
        query = "SELECT domain, company_id FROM company_domains WHERE domain IN"
        companies: dict[str, int] = dict(self._among(query, set(domains.values())))
        found: dict[str, Row] = {}
        for address, domain in domains.items():
            if address in people:
                found[address] = (*people[address], "address", domain)
            elif domain in companies:
                found[address] = (None, companies[domain], "domain", domain)
            else:
                found[address] = (None, None, "", domain)
        return found

    def _strands(self, keyed: Keyed) -> dict[str, int]:
        """The thread of each mail by its key: those that share a Message-ID or a conversation are one."""
        keys = {key: {key, *named, self._conversation(mail)} for key, named, mail in keyed}
        wanted = {key for each in keys.values() for key in each}
        known: dict[str, int] = dict(self._among("SELECT key, thread_id FROM thread_keys WHERE key IN", wanted))
        (last,) = self._db.execute("SELECT coalesce(max(id), 0) FROM threads").fetchone()
        first, strand_of, joined = last + 1, dict(known), dict[int, int]()
        for each in keys.values():
            strands = sorted({strand_of[key] for key in each if key in strand_of})
            if not strands:
                last += 1
                strands = [last]
            for strand in strands[1:]:
                joined[strand] = strands[0]
                strand_of = {key: strands[0] if old == strand else old for key, old in strand_of.items()}
            strand_of |= dict.fromkeys(each, strands[0])
        used = set(strand_of.values())
        self._many("threads", "id", [(strand,) for strand in range(first, last + 1) if strand in used])
        for strand, into in joined.items():
            if strand < first:
                self._db.execute("UPDATE thread_keys SET thread_id = ? WHERE thread_id = ?", (into, strand))
                self._db.execute("UPDATE messages SET thread_id = ? WHERE thread_id = ?", (into, strand))
                self._db.execute("DELETE FROM threads WHERE id = ?", (strand,))
        new = [(key, strand_of[key]) for key in wanted if key not in known]
        self._many("thread_keys", "key, thread_id", new)
        return strand_of

    def _conversation(self, mail: Mail) -> str:
        outside = ",".join(sorted(outside_people(mail, self._policy)))
        digest = hashlib.sha256(f"{mail.conversation_id}\0{outside}".encode()).hexdigest()
        return f"conversation:{self._mailbox}:{digest}"

    def _store(self, keyed: Keyed, matches: dict[str, Row], strand_of: dict[str, int]) -> None:
        (activity,) = self._db.execute("SELECT coalesce(max(id), 0) FROM activities").fetchone()
        (link,) = self._db.execute("SELECT coalesce(max(id), 0) FROM links").fetchone()
        rows: dict[str, list[Row]] = {name: [] for name in _COLUMNS}
        now = _time(datetime.now(UTC))
        for key, named, mail in keyed:
            activity, link = activity + 1, link + 1
            thread = (named[0] if named else "", strand_of[key])
            self._add(rows, mail, key, thread, (activity, link), now, matches)
        for name, columns in _COLUMNS.items():
            self._many(name, columns, rows[name])

    def _add(
        self,
        rows: dict[str, list[Row]],
        mail: Mail,
        key: str,
        thread: tuple[str, int],
        ids: tuple[int, int],
        now: str,
        matches: dict[str, Row],
    ) -> None:
        activity, link = ids
        assert mail.sent_at is not None
        assert mail.received_at is not None
        moment = mail.received_at if mail.sent_at > mail.received_at + _CLOCK_SKEW else mail.sent_at
        occurred_at, place = _time(moment), int(moment.timestamp()) * _PLACES_A_SECOND + activity
        new, quoted = mail.unique_text, ""
        if self._splits:
            reply = replies.of_message(mail)
            new, quoted = reply.new, reply.quoted
        people: dict[Row, Row] = {}
        for person in mail.participants:
            address = normalise(person.address)
            contact, company, method, domain = matches[address]
            whom = (
                activity,
                len(people),
                person.role,
                address,
                person.name,
                domain,
                "unknown",
                contact,
                company,
                method,
            )
            people.setdefault((person.role, address), whom)
        contacts, companies = ({row[place] for row in people.values()} - {None} for place in (7, 8))
        head = ("mail", occurred_at, "in", self._sharing, bool(contacts or companies), has_files(mail))
        rows["activities"].append((activity, *head, self._mailbox, self._run, "mail", now, mail.subject, snippet(new)))
        rows["participants"] += people.values()
        rows["contact_timeline"] += [(each, occurred_at, activity, "mail") for each in contacts]
        rows["company_timeline"] += [(each, occurred_at, activity, "mail") for each in companies]
        rows["activity_mailboxes"].append((activity, self._mailbox))
        said = (*thread, subject_key(mail, self._policy), read_subject(mail.subject).is_reply)
        told = (_time(mail.sent_at), mail.importance, mail.item_class, mail.is_bulk, "full")
        rows["messages"].append((activity, key, mail.message_id, *said, *told))
        rows["message_bodies"].append((activity, new, mail.body_text, mail.body_html))
        for number, each in enumerate(mail.attachments):
            danger, names = (
                file_danger.of_name(each.name, each.content_type),
                names_in_text(each.content_id, each.location),
            )
            file = (each.name, each.content_type, each.size, each.is_inline, names, "", "", danger, "")
            rows["message_attachments"].append((activity, number, *file))
        rows["links"].append(
            (
                link,
                self._mailbox,
                self._folder,
                "message",
                activity,
                mail.remote_id,
                mail.version,
                "",
                self._run,
                "mail",
                "message_id",
            )
        )
        received = (link, activity, self._mailbox, mail.is_read, "\n".join(mail.categories), _time(mail.received_at))
        rows["message_copies"].append(received)
        words = stem(self._searchable(mail, new, quoted))
        rows["activity_search_rows"].append((place, activity, words))
        rows["activity_search"].append((place, words))

    def _searchable(self, mail: Mail, new: str, quoted: str) -> str:
        people = " ".join(f"{person.name} {person.address}" for person in mail.participants)
        files = " ".join(each.name for each in mail.attachments)
        text = f"{new} {quoted}" if replies.says_quoted(mail.subject, new) else new
        return f"{mail.subject} {people} {files} {text[: self._full_text_chars]}"

    def _many(self, table: str, columns: str, rows: Sequence[Row]) -> None:
        places = ", ".join("?" * len(columns.split(",")))
        self._db.executemany(f"INSERT INTO {table} ({columns}) VALUES ({places})", rows)


_COLUMNS = {
    "activities": "id, kind, occurred_at, direction, sharing, is_matched, has_attachments, mailbox_id, run_id, rule, "
    "created_at, subject, snippet",
    "participants": "activity_id, position, role, address, name, domain, response, contact_id, company_id, "
    "match_method",
    "contact_timeline": "contact_id, occurred_at, activity_id, kind",
    "company_timeline": "company_id, occurred_at, activity_id, kind",
    "activity_mailboxes": "activity_id, mailbox_id",
    "messages": "activity_id, message_key, message_id, in_reply_to, thread_id, subject_key, is_reply, sent_at, "
    "importance, item_class, is_bulk, detail",
    "message_bodies": "activity_id, unique_text, text, html",
    "message_attachments": "activity_id, position, name, content_type, size, is_inline, content_id, state, "
    "content_hash, danger, error",
    "links": "id, mailbox_id, folder_id, entity, local_id, remote_id, version, content_hash, run_id, rule, "
    "match_method",
    "message_copies": "link_id, message_id, mailbox_id, is_read, categories, received_at",
    "activity_search_rows": "place, activity_id, words",
    "activity_search": "rowid, words",
}


def _time(moment: datetime) -> str:
    """A moment as SQLAlchemy keeps it in SQLite."""
    return moment.replace(tzinfo=None).isoformat(" ", "microseconds")
