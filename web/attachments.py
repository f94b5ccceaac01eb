"""Attachments: asked for, downloaded, and shown as images in the text of their mail (S12).

What a stranger sent is only ever handed out to be saved, except for plain images; a flagged file after a warning.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from io import BytesIO

from flask import Blueprint, Response, current_app, redirect, render_template, request, send_file, url_for
from werkzeug.wrappers import Response as AnyResponse

from terracrm.config import Settings
from terracrm.models import utcnow
from terracrm.services import attachments
from terracrm.services.attachments import Download, File
from terracrm.services.mirror_attachments import STORED, WANTED
from web.database import keep, session
from web.queries import number
from web.security import FILE_POLICY
from web.signed_in import viewer

pages = Blueprint("attachments", __name__, url_prefix="/messages/<int(max=2147483647):message_id>")
SLOW = timedelta(minutes=2)
FILE = "/attachments/<int(max=2147483647):position>"


def settings() -> Settings:
    """The settings of the portal."""
    found: Settings = current_app.extensions["terracrm_settings"]
    return found


def files(message_id: int) -> list[File]:
    """What a message has attached; NotFound for who may not read the message."""
    return attachments.files(session(), viewer(), settings(), message_id)


def box(message_id: int, found: Sequence[File]) -> dict[str, object]:
    """What the list of a message's attachments shows."""
    coming = [file for file in found if file.state == WANTED and file.requested_at]
    late = utcnow() - SLOW
    return {
        "message_id": message_id,
        "files": [file for file in found if not file.is_in_text],
        "pictures": [file for file in found if file.is_in_text],
        "shown_pictures": _shown_pictures(found),
        "askable": [file for file in found if file.may_be_asked and file.state not in (STORED, WANTED)],
        "is_coming": any(file.requested_at and file.requested_at > late for file in coming),
        "limit": settings().mirror.attachment_max_mb,
    }


def images(found: Sequence[File]) -> dict[str, str]:
    """The addresses of the images that came with a message, by what its text may call them."""
    return {
        name: url_for("attachments.inline", message_id=file.message_id, position=file.position)
        for file in reversed(found)
        if file.is_shown
        for name in file.names
        if name
    }


@pages.get("/attachments")
def index(message_id: int) -> AnyResponse | str:
    """The list as it is now, for the page that waits; without scripts, the page itself.

    When a picture of the text has arrived since, the whole page is loaded anew, so that the text shows it.
    """
    if request.headers.get("HX-Request") != "true":
        return redirect(_page_of(message_id))
    found = files(message_id)
    if number("pictures") not in (None, _shown_pictures(found) + 1):
        return Response(headers={"HX-Refresh": "true"})
    return render_template("messages/attachments.html", **box(message_id, found))


@pages.get(FILE)
def show(message_id: int, position: int) -> AnyResponse | str:
    """The file to save; of a flagged one a page that says why, and asks."""
    file = attachments.file(session(), viewer(), settings(), message_id, position)
    if file.state != STORED:
        return redirect(_page_of(message_id))
    if file.danger:
        return render_template("messages/flagged.html", file=file)
    return _download(message_id, position, is_warned=False)


@pages.post(FILE)
def save(message_id: int, position: int) -> AnyResponse:
    """A flagged file to save, after the warning."""
    return _download(message_id, position, is_warned=True)


@pages.post(f"{FILE}/fetch")
def fetch(message_id: int, position: int) -> AnyResponse | str:
    """Ask the mailbox for a file."""
    attachments.request(session(), viewer(), settings(), message_id, position)
    return _asked(message_id)


@pages.post("/attachments")
def fetch_all(message_id: int) -> AnyResponse | str:
    """Ask for everything that is not here yet."""
    for file in files(message_id):
        if file.may_be_asked and file.state != STORED:
            attachments.request(session(), viewer(), settings(), message_id, file.position)
    return _asked(message_id)


@pages.get("/inline/<int(max=2147483647):position>")
def inline(message_id: int, position: int) -> Response:
    """An image that the text of its mail shows: no download, so that nothing is noted."""
    found = attachments.image(session(), viewer(), message_id, position)
    return _file(found, is_attachment=False)


def _download(message_id: int, position: int, *, is_warned: bool) -> Response:
    found = attachments.download(session(), viewer(), message_id, position, is_warned=is_warned)
    if request.method == "GET":
        keep()
    return _file(found, is_attachment=True)


def _file(found: Download, *, is_attachment: bool) -> Response:
    response = send_file(
        BytesIO(found.data), found.content_type, as_attachment=is_attachment, download_name=found.name, etag=False
    )
    response.headers["Content-Security-Policy"] = FILE_POLICY
    return response


def _asked(message_id: int) -> AnyResponse | str:
    if request.headers.get("HX-Request") == "true":
        return render_template("messages/attachments.html", **box(message_id, files(message_id)))
    return redirect(_page_of(message_id))


def _page_of(message_id: int) -> str:
    return url_for("messages.show", message_id=message_id, _anchor="attachments")


def _shown_pictures(found: Sequence[File]) -> int:
    return sum(file.is_in_text and file.is_shown for file in found)
