"""What a page of mail needs that is made of the mail alone, made before its transaction begins.

On SQLite one transaction writes at a time: what is done outside of it, other workers need not wait for. On PostgreSQL
the server writes, and this process makes the next page ready meanwhile.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass

from sync.run import Run
from sync.writer import NONE, Texts
from terracrm.db import is_written_here
from terracrm.domain.capture import Detail, decide
from terracrm.domain.records import Change, MessageRecord, Page
from terracrm.domain.texts import storable
from terracrm.models import MirrorFolder
from terracrm.services import known, mirror_mail
from terracrm.services.mail_text import MailText
from terracrm.services.sources import source_of

FEW = 10


@dataclass(frozen=True, slots=True)
class Ready:
    """Changes of a folder as they can be stored, and the texts of the new mail among them, by its ids."""

    changes: Sequence[Change]
    texts: Texts


def ahead(run: Run, folder_id: int, pages: Iterator[Page]) -> Generator[tuple[Page, Ready]]:
    """Each page of a folder, ready; beside who writes it, the next one is made ready where a server does the writing.

    What fails is raised where its page would come. Closing it waits for the page that is under way.
    """

    def following() -> tuple[Page, Ready] | None:
        page = next(pages, None)
        return (page, ready(run, folder_id, page.changes)) if page else None

    if is_written_here(run.sessions):
        yield from iter(following, None)
        return
    with ThreadPoolExecutor(1, thread_name_prefix="making ready") as thread:
        coming = thread.submit(copy_context().run, following)
        while (page := coming.result()) is not None:
            coming = thread.submit(copy_context().run, following)
            yield page


def ready(run: Run, folder_id: int, changes: Sequence[Change]) -> Ready:
    """All that can be made of these changes beforehand."""
    told = [storable(change) for change in changes]
    return Ready(told, _texts(run, folder_id, told))


def _texts(run: Run, folder_id: int, changes: Sequence[Change]) -> Texts:
    """The texts of the new mail among these changes, where it is likely to be taken in with its text.

    What is there or left out by the rules is spared the work. The transaction decides anew, and makes what is missing:
    so it is with a few mails, which are not worth a look at what is there.
    """
    records = {change.remote_id: change.record for change in changes}
    mail = {id_: each for id_, each in records.items() if isinstance(each, MessageRecord) and not each.is_private}
    if len(mail) <= FEW:
        return NONE
    with run.sessions() as session:
        folder = session.get_one(MirrorFolder, folder_id)
        source = source_of(run.settings, folder.stream.mailbox, folder, run.run_id)
        new = mirror_mail.unknown(session, mail)
        knowledge = known.of(session, source.rules, new.values())
    found = dict[str, MailText]()
    for remote_id, record in new.items():
        decision = decide(record, source.rules, knowledge)
        if decision.is_taken and decision.detail is Detail.FULL:
            found[remote_id] = text = MailText(record, source.full_text_chars)
            with suppress(Exception):  # it is raised again where one mail is told from the others of its page
                text.prepare(with_stems=is_written_here(run.sessions))
    return found
