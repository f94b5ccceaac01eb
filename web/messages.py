"""Mail: a message with its thread, and its body in a frame of its own."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, redirect, render_template, request, url_for
from itsdangerous import BadSignature, URLSafeTimedSerializer
from werkzeug.wrappers import Response as AnyResponse

from terracrm.services import letters, messages, topics, why
from web import attachments, mail_html, mail_text, queries
from web.database import session
from web.security import mail_policy
from web.signed_in import viewer

pages = Blueprint("messages", __name__, url_prefix="/messages")
IMAGES_SECONDS = 600


@pages.get("/<int(max=2147483647):message_id>")
def show(message_id: int) -> str:
    """The message, with remote images off."""
    return _page(message_id, images="")


@pages.post("/<int(max=2147483647):message_id>/images")
def show_images(message_id: int) -> str:
    """The message with its remote images: this once, because the reader pressed the button.

    Fetching them tells the sender that the mail was read, so that no link may bring it about: it takes a POST, and
    the frame takes a token that only this answer holds.
    """
    return _page(message_id, images=_images_tokens().dumps([viewer().user_id, message_id]))


@pages.get("/<int(max=2147483647):message_id>/images")
def back(message_id: int) -> AnyResponse:
    """The address of that answer typed or reloaded: back to the page without images."""
    return redirect(url_for("messages.show", message_id=message_id))


@pages.get("/<int(max=2147483647):message_id>/body")
def body(message_id: int) -> Response:
    """The body of an HTML mail, cleaned, under a policy that lets nothing run; folded, or as it was sent."""
    letter = letters.letter(session(), viewer(), message_id)
    images = _may_show_images(message_id)
    attached = attachments.images(attachments.files(message_id))
    html = letter.body.html if _as_sent() else mail_text.folded(letter)
    mail = mail_html.clean(html, images, attached)
    response = Response(render_template("messages/body.html", mail=mail))
    response.headers["Content-Security-Policy"] = mail_policy(images)
    return response


@pages.get("/unmatched")
def unmatched() -> AnyResponse:
    """Where the mail without a client was listed before there was the tray."""
    return redirect(url_for("tray.index"))


def _page(message_id: int, images: str) -> str:
    found = messages.page(session(), viewer(), message_id)
    letter = letters.letter(session(), viewer(), message_id)
    parts = mail_text.parts(letter)
    files = attachments.files(message_id)
    attached = attachments.images(files)
    remote_images = mail_html.clean(found.body.html, inline=attached).remote_images if found.body.html else 0
    return render_template(
        "messages/show.html",
        mail=found,
        parts=parts,
        has_folds=any(part.title for part in parts) or mail_text.folded(letter) != letter.body.html,
        as_sent=_as_sent(),
        remote_images=remote_images,
        images=images,
        topics=topics.of_activity(session(), viewer(), message_id),
        may_set=viewer().decides,
        why=why.activity(session(), viewer(), message_id),
        **attachments.box(message_id, files),
    )


def _as_sent() -> bool:
    return queries.choice("as_sent", ("", "1")) == "1"


def _may_show_images(message_id: int) -> bool:
    try:
        allowed = _images_tokens().loads(request.args.get("images", ""), max_age=IMAGES_SECONDS)
    except BadSignature:
        return False
    return bool(allowed == [viewer().user_id, message_id])


def _images_tokens() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(str(current_app.secret_key), salt="remote images")
