"""A message as its page shows it: what was said in sight, what it quotes and its signature one click away (S11)."""

from __future__ import annotations

from dataclasses import dataclass

from flask_babel import gettext as _

from terracrm.domain.folding import fold
from terracrm.domain.replies import Kind, split_text
from terracrm.services.letters import Letter


@dataclass(frozen=True, slots=True)
class ShownPart:
    """A part of a plain text; `title` is "" for what is in sight, and `is_open` for a fold that starts open."""

    text: str
    title: str = ""
    is_open: bool = False


def parts(letter: Letter) -> list[ShownPart]:
    """The parts of a plain mail, in their order.

    What is quoted between two answers starts open, so that these can be understood, and so does what is quoted
    as a part of what is said, as in a forward.
    """
    told = [part for part in split_text(letter.body.text, letter.sender).parts if part.text.strip()]
    new = [place for place, part in enumerate(told) if part.kind is Kind.NEW]
    return [
        ShownPart(
            part.text.strip("\r\n").rstrip(),
            _titles().get(part.kind, ""),
            part.kind is Kind.QUOTED and (letter.says_quoted or new[0] < place < new[-1]),
        )
        for place, part in enumerate(told)
    ]


def folded(letter: Letter) -> str:
    """The HTML of a mail with what it quotes and its signature folded; not yet safe to show."""
    return fold(letter.body.html, letter.sender, _titles(), letter.says_quoted)


def _titles() -> dict[Kind, str]:
    return {Kind.QUOTED: _("Quoted text"), Kind.SIGNATURE: _("Signature")}
