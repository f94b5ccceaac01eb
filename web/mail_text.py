"""The text of a plain mail in two parts: what was written, and what it quotes (S11)."""

from __future__ import annotations

import re

_OUTLOOK = r"-{2,}\s*(?:Original Message|Исходное сообщение|Пересылаемое сообщение|Forwarded (?:by|message))\b.*"
_SAYS = r"(?:On\b.{4,200}\bwrote|.{4,200}\b(?:писал\(а\)|писал|писала|пишет|написал|написала)(?:\s.{0,80})?):"
_HEADER = r"(?:From|От):\s.+\n(?:\s*(?:Sent|Date|To|Cc|Subject|Отправлено|Дата|Кому|Копия|Тема):.*\n?){2,}"
_RULE = r"_{20,}\s*\n(?=(?:From|От):)"
_QUOTE = re.compile(rf"^[ \t]*(?:{_OUTLOOK}$|{_RULE}|{_HEADER}|{_SAYS}[ \t]*$|>)", re.MULTILINE)


def split(text: str) -> tuple[str, str]:
    """What is new, and the quoted rest ("" when nothing is quoted).

    A mail that answers between the quoted lines is left whole: nothing that was said is folded away.
    """
    text = text.replace("\r\n", "\n").strip("\n")
    found = _QUOTE.search(text)
    if found is None or not text[: found.start()].strip():
        return text.rstrip(), ""
    fresh, quoted = text[: found.start()].rstrip(), text[found.start() :].rstrip()
    if found[0].lstrip().startswith(">") or found[0].rstrip().endswith(":"):
        answers = [line for line in quoted.split("\n")[1:] if line.strip() and not line.lstrip().startswith(">")]
        if answers and any(line.lstrip().startswith(">") for line in quoted.split("\n")):
            return text.rstrip(), ""
    return fresh, quoted
