"""Clients changed by hand: the forms of contacts and companies, archiving, and all changes of their data (P2, P7)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from terracrm.domain.addresses import DomainPolicy
from terracrm.domain.client_values import BadValues, Problem
from terracrm.domain.contact_merge import LISTS
from terracrm.domain.outlook_slots import LABELS
from terracrm.models import Company, Contact
from terracrm.services import company_edits, contact_edits, edits, field_changes, merge_fields, merges
from terracrm.services.edits import ChangedMeanwhile
from terracrm.services.merged import Entity
from web import queries
from web.configured import settings
from web.database import give_up, session
from web.merges import ENTITIES, profile
from web.signed_in import viewer

pages = Blueprint("client_forms", __name__)
KIND = "/<any(contacts, companies):kind>"
ONE = f"{KIND}/<int(max=2147483647):client_id>"
SPARE_ROWS = {"emails": 2, "phones": 2, "postal_addresses": 1}
MORE_ROWS = 3
ROW = re.compile(r"(\w+)-(\d{1,3})-(\w+)")
ASSIGNED = ("owner", "team")


@dataclass
class Form:
    """What a form shows: `values` as people entered them, and what is wrong with them.

    `sent` are the fields that came with the request: what did not is left alone. `seen` are the seals of what it was
    filled with; `theirs` is what somebody else made of fields meanwhile.
    """

    kind: str
    values: dict[str, Any]
    sent: set[str] = field(default_factory=set)
    seen: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    theirs: dict[str, Any] = field(default_factory=dict)

    @property
    def entity(self) -> Entity:
        """The word for what the form is about."""
        return ENTITIES[self.kind]

    def of(self, name: str) -> list[Problem]:
        """What is wrong with a field."""
        return [problem for problem in self.problems if problem.field == name]


@pages.get(f"{KIND}/new")
def new(kind: str) -> str:
    """The form of a new client."""
    edits.require_right(viewer())
    blank = contact_edits.blank() if ENTITIES[kind] == "contact" else company_edits.blank()
    return _page(Form(kind, blank), None)


@pages.post(f"{KIND}/new")
def add(kind: str) -> Response | str | tuple[str, int]:
    """Make a new client, and go to its profile."""
    edits.require_right(viewer())
    form = _said(kind)
    if request.form.get("more"):
        return _page(form, None)
    try:
        if form.entity == "contact":
            made_id = contact_edits.add(session(), _policy(), viewer(), _wanted(form)).id
        else:
            made_id = company_edits.add(session(), _policy(), viewer(), _wanted(form)).id
    except BadValues as bad:
        give_up()
        form.problems = bad.problems
        return _page(form, None), 400
    return redirect(profile(form.entity, made_id))


@pages.get(f"{ONE}/edit")
def edit(kind: str, client_id: int) -> str:
    """The form of a client, filled with what is known."""
    client = _client(kind, client_id)
    values = _values(client)
    return _page(Form(kind, values, seen=edits.seals(values)), client)


@pages.post(f"{ONE}/edit")
def change(kind: str, client_id: int) -> Response | str | tuple[str, int]:
    """Change what was entered otherwise; ask where somebody else has changed the same meanwhile."""
    client = _client(kind, client_id)
    form = _said(kind)
    form.seen = {name.removeprefix("seen-"): seal for name, seal in request.form.items() if name.startswith("seen-")}
    if request.form.get("more"):
        return _page(form, client)
    try:
        _change(form, client)
    except BadValues as bad:
        form.problems = bad.problems
        return _again(form, kind, client_id, 400)
    except ChangedMeanwhile as stale:
        form.theirs = stale.theirs
        form.seen |= edits.seals(stale.theirs)
        return _again(form, kind, client_id, 409)
    return redirect(profile(form.entity, client_id))


@pages.post(f"{ONE}/archive")
def archive(kind: str, client_id: int) -> Response:
    """Put a client away."""
    act = contact_edits.archive if ENTITIES[kind] == "contact" else company_edits.archive
    act(session(), viewer(), client_id)
    return redirect(profile(ENTITIES[kind], client_id))


@pages.post(f"{ONE}/restore")
def restore(kind: str, client_id: int) -> Response:
    """Take an archived client out again."""
    act = contact_edits.restore if ENTITIES[kind] == "contact" else company_edits.restore
    act(session(), viewer(), client_id)
    return redirect(profile(ENTITIES[kind], client_id))


@pages.get(f"{ONE}/changes")
def changes(kind: str, client_id: int) -> str:
    """All changes of a client's data, page by page."""
    entity = ENTITIES[kind]
    client = merges.client(session(), viewer(), entity, client_id)
    found = field_changes.older(session(), viewer(), entity, client_id, queries.number("before"))
    name, back = merge_fields.name(client), profile(entity, client_id)
    return render_template("clients/changes.html", kind=kind, client_id=client_id, name=name, back=back, found=found)


def _client(kind: str, client_id: int) -> Contact | Company:
    act = edits.contact if ENTITIES[kind] == "contact" else edits.company
    return act(session(), viewer(), client_id)


def _values(client: Contact | Company) -> dict[str, Any]:
    said = contact_edits.values(client) if isinstance(client, Contact) else company_edits.values(client)
    return said | _assigned(client)


def _assigned(client: Contact | Company) -> dict[str, str]:
    return {"owner": str(client.owner_id or ""), "team": str(client.team_id or "")}


def _change(form: Form, client: Contact | Company) -> None:
    kept = {name.removeprefix("take-") for name, side in request.form.items() if side == "theirs"}
    wanted = {name: value for name, value in _wanted(form).items() if name not in kept}
    assigned = {
        name: value
        for name, value in form.values.items()
        if name in form.sent and name in ASSIGNED and name not in kept
    }
    given = edits.changed(assigned, _assigned(client), form.seen)
    if isinstance(client, Contact):
        contact_edits.edit(session(), _policy(), viewer(), client.id, wanted, form.seen)
    else:
        company_edits.edit(session(), _policy(), viewer(), client.id, wanted, form.seen)
    if given:
        act = contact_edits.assign if isinstance(client, Contact) else company_edits.assign
        numbers = {f"{name}_id": queries.whole(value) if value else None for name, value in given.items()}
        act(session(), viewer(), client.id, **numbers)


def _said(kind: str) -> Form:
    """The form as it was sent: rows of lists in their order, texts as they are."""
    values = contact_edits.blank() if ENTITIES[kind] == "contact" else company_edits.blank()
    sent = {name: request.form[name] for name in (*values, *ASSIGNED) if name in request.form and name not in LISTS}
    values |= sent
    if "domains" in sent:
        values["domains"] = re.split(r"[\s,;]+", sent["domains"])
    rows: dict[tuple[str, int], dict[str, str]] = {}
    for name, value in request.form.items():
        if (found := ROW.fullmatch(name)) and found[1] in LISTS and found[1] in values:
            rows.setdefault((found[1], int(found[2])), {})[found[3]] = value
    for (name, _), row in sorted(rows.items(), key=lambda item: item[0]):
        if any(text.strip() for part, text in row.items() if part != "label"):
            values[name].append({"label": "", **row})
    return Form(kind, values, sent={*sent, *(name for name, _ in rows)})


def _wanted(form: Form) -> dict[str, Any]:
    return {name: value for name, value in form.values.items() if name in form.sent and name not in ASSIGNED}


def _again(form: Form, kind: str, client_id: int, status: int) -> tuple[str, int]:
    give_up()
    return _page(form, _client(kind, client_id)), status


def _page(form: Form, client: Contact | Company | None) -> str:
    more = request.form.get("more")
    rows = {
        name: [*form.values[name], *([{}] * (SPARE_ROWS[name] + (MORE_ROWS if more == name else 0)))]
        for name in LISTS
        if name in form.values
    }
    return render_template(
        f"{form.kind}/form.html",
        form=form,
        client=client,
        rows=rows,
        labels=LABELS,
        people=_people(client) if client else [],
        teams=edits.teams(session()) if client else [],
        back=profile(form.entity, client.id) if client else url_for(f"{form.kind}.index"),
    )


def _people(client: Contact | Company) -> list[tuple[int, str]]:
    """Who can look after the client, and who does."""
    found = edits.people(session())
    owner = client.owner
    if owner is not None and owner.id not in dict(found):
        found.append((owner.id, owner.full_name or owner.name))
    return found


def _policy() -> DomainPolicy:
    mirror = settings().mirror
    return DomainPolicy.of(mirror.internal_domains, mirror.free_mail_domains)


def shown() -> Mapping[str, object]:
    """What a profile shows besides: whether the viewer may change the client."""
    return {"may_edit": viewer().decides}
