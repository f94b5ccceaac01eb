"""Merging clients: choose the other one, look at both side by side, merge, undo; and who is likely there twice (M4)."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from flask_babel import LazyString, lazy_gettext
from werkzeug.wrappers import Response

from terracrm.errors import NotFound
from terracrm.services import duplicates, merge_fields, merge_list, merge_preview, merges, search
from terracrm.services.merged import Entity
from terracrm.services.merges import MergeRefused
from web import queries
from web.configured import settings
from web.database import give_up, session
from web.signed_in import viewer

pages = Blueprint("merges", __name__)
ENTITIES: dict[str, Entity] = {"contacts": "contact", "companies": "company"}
KINDS = {entity: kind for kind, entity in ENTITIES.items()}
REFUSALS: dict[str, LazyString] = {
    "same": lazy_gettext("These are one and the same. Choose another one to merge."),
    "merged": lazy_gettext("Somebody has merged one of the two meanwhile. Open their pages and look again."),
    "undone": lazy_gettext("This merge was undone already."),
    "later": lazy_gettext("The client was merged with another one later. Undo that merge first."),
    "forgotten": lazy_gettext("This merge can no longer be undone: an entry that was part of it was made private."),
}
CLIENT = "/<any(contacts, companies):kind>/<int(max=2147483647):client_id>/merge"
OTHER = f"{CLIENT}/<int(max=2147483647):other_id>"
ONE = "/merges/<int(max=2147483647):merge_id>"


@pages.get(CLIENT)
def choose(kind: str, client_id: int) -> str | Response:
    """Choose whom or what to merge into this client: a likely one, or one that the search finds."""
    entity = ENTITIES[kind]
    merges.require_right(viewer())
    client = merges.client(session(), viewer(), entity, client_id)
    other_id, query = queries.number("other"), queries.text("q")
    if other_id is not None:
        return redirect(url_for("merges.preview", kind=kind, client_id=client_id, other_id=other_id))
    found = search.clients(session(), viewer(), query)
    rows = found.contacts if entity == "contact" else found.companies
    return render_template(
        "merges/choose.html",
        kind=kind,
        entity=entity,
        client=client,
        name=merge_fields.name(client),
        query=query,
        found=[row for row in rows if row.id != client_id],
        likely=duplicates.pairs(session(), viewer(), entity, of=client_id),
    )


@pages.get(OTHER)
def preview(kind: str, client_id: int, other_id: int) -> str | tuple[str, int]:
    """Both side by side: what stays, what comes over, and what to think about first."""
    try:
        found = merge_preview.preview(session(), viewer(), ENTITIES[kind], client_id, other_id)
    except MergeRefused as refused:
        return _refused(refused, url_for("merges.choose", kind=kind, client_id=client_id))
    name, other = merge_preview.labels(found)
    return render_template("merges/preview.html", kind=kind, preview=found, name=name, other=other)


@pages.post(OTHER)
def merge(kind: str, client_id: int, other_id: int) -> Response | tuple[str, int]:
    """Merge the other one into this client, with the values that were chosen."""
    chosen = {name.removeprefix("field-"): side for name, side in request.form.items() if name.startswith("field-")}
    try:
        made = merges.merge(session(), viewer(), ENTITIES[kind], client_id, other_id, chosen)
    except MergeRefused as refused:
        return _refused(refused, profile(ENTITIES[kind], client_id))
    return redirect(profile(ENTITIES[kind], client_id, merged=made.id))


@pages.get(ONE)
def show(merge_id: int) -> str:
    """A merge: who did it and when, and what stayed where it was undone."""
    return render_template("merges/show.html", row=merge_list.page(session(), viewer(), merge_id), kinds=KINDS)


@pages.post(f"{ONE}/undo")
def undo(merge_id: int) -> Response | tuple[str, int]:
    """Make them two again."""
    try:
        merges.undo(session(), settings(), viewer(), merge_id)
    except MergeRefused as refused:
        return _refused(refused, url_for("merges.show", merge_id=merge_id))
    return redirect(url_for("merges.show", merge_id=merge_id))


@pages.get("/<any(contacts, companies):kind>/duplicates")
def likely(kind: str) -> str:
    """Who is likely there twice."""
    found = duplicates.pairs(session(), viewer(), ENTITIES[kind])
    may_merge = viewer().decides
    return render_template("merges/duplicates.html", kind=kind, pairs=found, may_merge=may_merge)


def moved(entity: Entity, client_id: int) -> Response:
    """The way from a client that was merged to what it is now; NotFound where there is none for this viewer."""
    now = merges.survivor_of(session(), viewer(), entity, client_id)
    if now is None:
        raise NotFound("There is no such client.")
    return redirect(profile(entity, now))


def of_client(entity: Entity, client_id: int) -> dict[str, object]:
    """What a profile shows of merges: those of the client, the one just made, and whether the viewer may merge."""
    rows = merge_list.of_client(session(), viewer(), entity, client_id)
    just_now = queries.number("merged")
    return {
        "merges": rows,
        "just_merged": next((row for row in rows if row.id == just_now), None),
        "may_merge": viewer().decides,
    }


def profile(entity: Entity, client_id: int, **values: object) -> str:
    """The address of a client's profile."""
    if entity == "contact":
        return url_for("contacts.show", contact_id=client_id, **values)  # type: ignore[arg-type]
    return url_for("companies.show", company_id=client_id, **values)  # type: ignore[arg-type]


def _refused(refused: MergeRefused, back: str) -> tuple[str, int]:
    give_up()
    return render_template("merges/refused.html", why=REFUSALS[refused.reason], back=back), 409
