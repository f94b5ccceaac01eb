"""What is made of the words of a mail: its parts, how it looks in a list, and what it is found by. Pure.

It is half the work of taking a mail in: of a page of mail it is made before others have to wait for the transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from terracrm.domain import capture, replies
from terracrm.domain.records import MessageRecord
from terracrm.domain.replies import Reply
from terracrm.domain.words import Words


@dataclass(frozen=True)
class MailText:
    """What is made of the words of one mail, each when it is first asked for.

    `full_text_chars`: by so much of what it says the mail is found.
    """

    record: MessageRecord
    full_text_chars: int

    @cached_property
    def reply(self) -> Reply:
        """Its parts (S11)."""
        return replies.of_message(self.record)

    @cached_property
    def snippet(self) -> str:
        """How what is new in it begins."""
        return capture.snippet(self.reply.new)

    @cached_property
    def words(self) -> Words:
        """What it is found by: its people, files and new text; what it quotes is found by the mail that said it.

        The exceptions are a forward, for what it passes on may be in no mailbox, and answers within what is quoted.
        """
        record, new = self.record, self.reply.new
        people = " ".join(f"{p.name} {p.address}" for p in record.participants[:20])
        files = " ".join(a.name for a in record.attachments)
        text = f"{new} {self.reply.quoted}" if replies.says_quoted(record.subject, new) else new
        return Words(f"{record.subject} {people} {files} {text[: self.full_text_chars]}")

    def prepare(self, *, with_stems: bool) -> None:
        """Make all of it now; the stems of its words where they do not follow later (`search.follow`)."""
        _ = self.snippet, self.words
        if with_stems:
            _ = self.words.stems
