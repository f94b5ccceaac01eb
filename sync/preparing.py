"""What a page of mail needs that is made of the mail alone, made before its transaction begins.

On SQLite one transaction writes at a time: what is done outside of it, other workers need not wait for.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from sync.run import Run
from terracrm.domain.capture import Detail, decide
from terracrm.domain.records import Change, MessageRecord
from terracrm.models import MirrorFolder
from terracrm.services import known, mirror_mail
from terracrm.services.mail_text import MailText
from terracrm.services.sources import source_of

FEW = 10


def texts(run: Run, folder_id: int, changes: Sequence[Change]) -> dict[str, MailText]:
    """The texts of the new mail among these changes, by its ids, where it is likely to be taken in with its text.

    What is there or left out by the rules is spared the work. The transaction decides anew, and makes what is missing:
    so it is with a few mails, which are not worth a look at what is there.
    """
    records = {change.remote_id: change.record for change in changes}
    mail = {id_: each for id_, each in records.items() if isinstance(each, MessageRecord) and not each.is_private}
    if len(mail) <= FEW:
        return {}
    with run.sessions() as session:
        folder = session.get_one(MirrorFolder, folder_id)
        source = source_of(run.settings, folder.stream.mailbox, folder, run.run_id)
        new = mirror_mail.unknown(session, mail)
        knowledge = known.of(session, source.rules, new.values())
    found = {}
    for remote_id, record in new.items():
        decision = decide(record, source.rules, knowledge)
        if decision.is_taken and decision.detail is Detail.FULL:
            found[remote_id] = text = MailText(record, source.full_text_chars)
            with suppress(Exception):  # it is raised again where one mail is told from the others of its page
                text.prepare()
    return found
