"""The rules of a mailbox: what is captured of it. A change is previewed first, then applied (S6, Y1)."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from flask_babel import lazy_gettext
from werkzeug.wrappers import Response

from terracrm.domain.mailbox_rules import CREATE_CONTACTS, DETAILS, MODES, Rules, StreamRules
from terracrm.errors import InvalidInput
from terracrm.models import Mailbox
from terracrm.services import capture_rules
from terracrm.services.rule_effects import Preview
from web import queries
from web.configured import settings
from web.database import session
from web.mailboxes import outlook_of
from web.signed_in import viewer

pages = Blueprint("mailbox_rules", __name__, url_prefix="/mailboxes/<int(max=2147483647):mailbox_id>/rules")
CHOICES = {"capture": MODES, "detail": DETAILS, "create_contacts": CREATE_CONTACTS}
MAX_FORM_TEXT = 4000
REFUSED = lazy_gettext(
    "Choose from the lists; a category is one name of at most 255 characters, without comma and semicolon."
)


@pages.get("")
def form(mailbox_id: int) -> str:
    """The rules as they are, to be changed."""
    mailbox = capture_rules.to_configure(session(), viewer(), mailbox_id)
    is_done = queries.choice("done", ("no", "yes")) == "yes"
    return _page(mailbox, capture_rules.of(mailbox), is_done=is_done)


@pages.post("/preview")
def preview(mailbox_id: int) -> str | tuple[str, int]:
    """What other rules would do to what is here already; nothing is changed."""
    mailbox = capture_rules.to_configure(session(), viewer(), mailbox_id)
    wanted = _wanted(mailbox)
    try:
        return _page(mailbox, wanted, capture_rules.preview(session(), settings(), mailbox, wanted))
    except InvalidInput:
        return _page(mailbox, wanted, is_refused=True), 400


@pages.post("")
def change(mailbox_id: int) -> Response | tuple[str, int]:
    """Give the mailbox these rules, and do what the preview told."""
    mailbox = capture_rules.to_configure(session(), viewer(), mailbox_id)
    wanted = _wanted(mailbox)
    try:
        capture_rules.apply(session(), settings(), mailbox, wanted, viewer().user_id)
    except InvalidInput:
        return _page(mailbox, wanted, is_refused=True), 400
    return redirect(url_for("mailbox_rules.form", mailbox_id=mailbox_id, done="yes"))


def _page(
    mailbox: Mailbox, rules: Rules, effect: Preview | None = None, *, is_refused: bool = False, is_done: bool = False
) -> str:
    return render_template(
        "mailboxes/rules.html",
        box=mailbox,
        rules=rules,
        choices=CHOICES,
        defaults=settings().mirror,
        effect=effect,
        problem=REFUSED if is_refused else "",
        is_done=is_done,
        missing=capture_rules.missing_folders(mailbox, rules) if effect else [],
        outlook=outlook_of(mailbox),
    )


def _wanted(mailbox: Mailbox) -> Rules:
    """The rules that the form says."""
    return Rules(
        capture=_text("capture"),
        detail=_text("detail"),
        tracking_category=_text("tracking_category"),
        create_contacts=_text("create_contacts"),
        streams={
            stream.kind: StreamRules(
                include_folders=_lines(f"{stream.kind}_include"),
                exclude_folders=_lines(f"{stream.kind}_exclude"),
                only_category=_text(f"{stream.kind}_category"),
            )
            for stream in mailbox.streams
        },
    )


def _text(name: str) -> str:
    return request.form.get(name, "").replace("\x00", "").strip()[:MAX_FORM_TEXT]


def _lines(name: str) -> tuple[str, ...]:
    return tuple(line for line in _text(name).splitlines() if line.strip())
