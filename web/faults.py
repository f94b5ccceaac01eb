"""What went wrong with a server or a write, as it is stored, in the language of who reads it.

Errors are kept as the English sentences of whoever met them (`connectors`, `sync`), for the log and the command line
speak English. Here stands each of them, with a place for what differs; a sentence that is not here is shown as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from flask import Flask
from flask_babel import gettext

NESTED = "error"
"""The place that another such sentence may take."""
_CODE = re.compile(r"\.? (?P<code>\((?:Error\w+|HTTP \d+)(?::.*)?\))\.?\Z", re.DOTALL)
_PLACE = re.compile(r"%\((\w+)\)s")


def N_(text: str) -> str:
    """The text itself: the name marks it for the catalogue, and it is translated when it is shown."""
    return text


SENTENCES = (
    # Signing in, rights, and what the server cannot do.
    N_("%(server)s refused the user name or the password."),
    N_("%(server)s forbids EWS to this account (HTTP 403): it may be switched off for the mailbox."),
    N_("%(server)s offers neither NTLM nor Basic nor Digest sign-in, but %(offered)s."),
    N_("%(server)s wants a modern sign-in (OAuth) and accepts no password over EWS."),
    N_("%(server)s redirects EWS to %(target)s: use that address if it is right."),
    N_("There is no EWS at %(address)s (HTTP %(status)s): check the address of the server."),
    N_("%(server)s answered HTTP %(status)s where EWS was expected: check the address of the server."),
    N_("%(address)s answers with a web page, not with EWS: check the address of the server."),
    N_("The address of the server is no URL that works: %(detail)s"),
    N_("The Exchange version of %(server)s is too old: %(detail)s"),
    N_("The account has no right to open the mailbox %(mailbox)s."),
    N_("The account has no right to open this mailbox"),
    N_("The account may not impersonate this mailbox: grant it ApplicationImpersonation"),
    N_("Exchange could not impersonate this mailbox: check its address and the rights"),
    N_("Exchange knows no mailbox with this address to impersonate"),
    N_("There is no mailbox with this address on the server"),
    N_("There is no mailbox behind this account"),
    N_("Exchange refused to open this mailbox"),
    N_("The account is no delegate of this mailbox"),
    N_("The account's password has expired"),
    N_("The account must change its password first"),
    N_("The account is disabled"),
    N_("The account may not send mail from this mailbox"),
    N_("A policy of the server forbids EWS to this account"),
    N_("The server speaks no version of EWS since Exchange 2010"),
    N_("This mailbox lives on a server of another Exchange version"),
    N_("The server does not understand this version of EWS"),
    N_("The server tells delegates of no changes"),
    N_("The server does not understand the request"),
    # A server or a network on a bad day.
    N_("%(server)s answered something that is not a complete EWS answer: %(detail)s"),
    N_("The answer of %(server)s could not be understood (%(detail)s)"),
    N_("%(server)s cannot serve requests at the moment"),
    N_("The answer of %(server)s was cut off."),
    N_("%(server)s answered something that is not EWS."),
    N_("%(server)s ended the connection without a word."),
    N_("The server no longer watches the mailbox."),
    N_("The server does not keep the subscriptions that it has just made."),
    N_("an unexpected error (%(kind)s): the log has more"),
    N_("The TLS certificate of %(server)s is not trusted: %(detail)s"),
    N_("%(server)s cannot be reached: no connection in time."),
    N_("%(server)s did not answer in time."),
    N_("The name %(server)s is not known: check the address of the server."),
    N_("%(server)s refuses connections: is the server running?"),
    N_("The proxy on the way to %(server)s does not work."),
    N_("The connection to %(server)s broke off."),
    N_("Exchange is busy and asks to wait"),
    N_("Exchange did not answer the request"),
    N_("Exchange answers a list of items that has no end."),
    N_("Exchange fails on every item at the moment."),
    N_("Exchange answered %(count)s items when asked for %(asked)s."),
    N_("The mailbox is being moved to another server"),
    N_("The mailbox database is not available"),
    N_("The mailbox database is switching servers"),
    N_("Exchange had a passing trouble"),
    N_("Exchange had an internal error"),
    N_("Exchange did not manage the request in time"),
    N_("Exchange cannot reach its directory"),
    N_("Exchange cannot read its directory"),
    N_("Exchange cannot connect to the mailbox"),
    N_("Exchange is short of resources"),
    N_("Exchange is short of memory"),
    N_("The Exchange server of this mailbox does not respond"),
    N_("The mailbox is full: its owner must make room"),
    N_("Exchange no longer knows the position in this folder."),
    N_("The server is busy."),
    N_("the server shows no folder of %(kind)s although there were some"),
    N_("the server shows %(path)s without items that it has: nothing was removed here"),
    N_("the server does not list items that it has: its list cannot be believed now"),
    N_("the mailbox changes faster than it can be looked at"),
    N_("not the same here and in the mailbox: %(kinds)s; %(command)s lists them"),
    # The brake.
    N_(
        "%(error)s: terracrm plan show %(number)s lists it, terracrm plan approve %(approve)s lets it be done, "
        "terracrm plan reject %(reject)s leaves all as it is"
    ),
    N_("of %(items)s items this would have %(count)s removed here, which is more than the brake lets through"),
    N_("of %(items)s items this would have %(count)s changed here, which is more than the brake lets through"),
    N_("of %(items)s items this would have %(count)s removed in Outlook, which is more than the brake lets through"),
    N_("of %(items)s items this would have %(count)s changed in Outlook, which is more than the brake lets through"),
    N_(
        "of %(items)s items this would have %(count)s removed here and %(changed)s changed here, which is more than "
        "the brake lets through"
    ),
    N_(
        "of %(items)s items this would have %(count)s removed in Outlook and %(changed)s changed in Outlook, which is "
        "more than the brake lets through"
    ),
    N_("plan %(number)s was rejected: nothing of it was done"),
    # One item.
    N_("The item or folder is no longer there."),
    N_("The item has changed in the mailbox since it was read."),
    N_("The item was changed in Outlook meanwhile."),
    N_("Exchange cannot hand out this item"),
    N_("Exchange cannot convert the content of this item"),
    N_("The MIME content of this item is invalid"),
    N_("Exchange cannot convert the MIME content of this item"),
    N_("Exchange cannot read a property of this item"),
    N_("A property of this item is invalid"),
    N_("This item is corrupt"),
    N_("The account may not read this item"),
    N_("Exchange fails on this item"),
    N_("This item is larger than the server hands out"),
    N_("The id of this item is malformed"),
    N_("The server says in turn that this item is there and that it is gone."),
    # What is written.
    N_("Exchange refuses a value, most likely because it is too long"),
    N_("Exchange does not let a property of this item be set"),
    N_("Exchange does not let a property of this item be taken off"),
    N_("Exchange does not let a property of this item be added to"),
    N_("Exchange refuses the value of a named property"),
    N_("Exchange refuses a recipient"),
    N_("Exchange refuses an e-mail address"),
    N_("Exchange does not understand a change of this item"),
    N_("Exchange cannot save this item"),
    N_("Exchange cannot save a property of this item"),
    N_("Exchange cannot save this folder"),
    N_("Exchange cannot save a property of this folder"),
    N_("There is a folder of that name already"),
    N_("The item is of another kind"),
    N_("The folder is not for contacts"),
    N_("The folder is not a calendar"),
    N_("The folder is not for tasks"),
    N_("Exchange refuses the day on which the task was done"),
    N_("Exchange does not let a task be changed that was assigned to somebody"),
    N_("Exchange does not let this item be deleted"),
    N_("Exchange does not let this task be deleted"),
    N_("The item is now of another kind (%(kind)s)."),
    N_("There is a folder %(path)s that is not for %(kind)s: rename it or choose another name."),
    N_("The mailbox has no folder %(name)s."),
    N_("Outlook knows no birthday before %(year)s: correct it or take it out."),
    N_("Outlook knows no day before %(year)s: correct it or take it out."),
    N_("Outlook knows no importance %(importance)s: choose %(choices)s."),
    N_("Outlook cannot keep the control character %(character)s in the %(field)s: take it out and try again."),
    N_("Outlook has no place %(label)s for %(field)s: choose one of %(choices)s."),
    N_("Outlook keeps one of the %(field)s labelled %(label)s, not %(count)s: choose other labels."),
    # Attachments.
    N_("This attachment is a link: it has no content."),
    N_("The attachment is no longer there."),
    N_("The attached item is marked private: it stays in the mailbox."),
    N_("Exchange makes no file of this attachment: open it in Outlook."),
    N_("The content of this attachment cannot be read."),
    N_("Another mailbox that holds this mail cannot be opened now: %(error)s"),
    N_("No mailbox holds this attachment any more."),
    N_("The mail is no longer there."),
    N_("It was tried before."),
    # The channels of alerts.
    N_("%(server)s cannot take it at the moment"),
    N_("%(server)s redirects (HTTP %(status)s): set alerts.webhook_url to the address that it means."),
    N_("%(server)s refuses it (HTTP %(status)s): check alerts.webhook_url."),
    N_("The address of the webhook is no URL that works: check alerts.webhook_url."),
    N_("The TLS certificate of %(server)s is not trusted."),
    N_("%(server)s cannot be reached."),
    N_("alerts.mail_from: there is no mailbox %(mailbox)s; add it with terracrm mailbox add"),
    N_("alerts.mail_from: %(mailbox)s is paused; terracrm mailbox enable %(again)s starts it"),
    N_("alerts.mail_from: %(mailbox)s cannot sign in itself"),
    N_("alerts.mail_from: %(mailbox)s waits until it has been read again: %(error)s"),
    # This installation.
    N_("%(count)s MB are free in %(folder)s"),
    N_("an unexpected error: the log has the details"),
    N_("an unexpected error: the log has the details (of `terracrm sync run`: commands.log in paths.data_dir)"),
    N_("the database could not be used: %(detail)s"),
    N_("the password file of %(mailbox)s cannot be read: %(detail)s"),
)


def init(app: Flask) -> None:
    """Give the templates the filter `error|fault`."""
    app.jinja_env.filters["fault"] = fault


def fault(error: str) -> str:
    """A stored error in the reader's language, or as it is."""
    found = _recognised(error)
    if found is None:
        return error
    sentence, values, code = found
    inner = {name: fault(value) if name == NESTED else value for name, value in values.items()}
    text = gettext(sentence) % inner if inner else gettext(sentence)
    return f"{text} {code}" if code else text


def is_known(error: str) -> bool:
    """Whether there is a translation of a stored error."""
    return _recognised(error) is not None


def _recognised(error: str) -> tuple[str, dict[str, str], str] | None:
    """The sentence, what stands in its places, and the code of the server behind it."""
    code = _CODE.search(error)
    texts = [(error, "")] + ([(error[: code.start()], code["code"])] if code else [])
    for text, behind in texts:
        for sentence, pattern in _patterns():
            if match := pattern.fullmatch(text):
                return sentence, match.groupdict(), behind
    return None


@cache
def _patterns() -> list[tuple[str, re.Pattern[str]]]:
    """The sentences with what matches them: those without a place first, then those that say most."""
    ordered = sorted(SENTENCES, key=lambda each: (len(_PLACE.findall(each)), -len(_PLACE.sub("", each))))
    return [(sentence, re.compile("".join(_parts(sentence)), re.DOTALL)) for sentence in ordered]


def _parts(sentence: str) -> Iterator[str]:
    position = 0
    for place in _PLACE.finditer(sentence):
        yield re.escape(sentence[position : place.start()])
        yield f"(?P<{place[1]}>.+?)"
        position = place.end()
    yield re.escape(sentence[position:])
