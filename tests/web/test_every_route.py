"""Every route and every role: what each is answered. A route that is not in the table fails the test."""

from __future__ import annotations

import re

import pytest
from flask import Flask

from tests.web.conftest import Client, SignIn, token

# path (with names of the office's rows in <>): nobody, anna (manager of its client), boris (manager of another team),
# viktor (controller), admin. "->" is the way to the sign-in page.
GET = {
    "/": ("->", 200, 200, 200, 200),
    "/companies": ("->", 200, 200, 200, 200),
    "/companies/<market.example>": ("->", 200, 404, 200, 200),
    "/contacts": ("->", 200, 200, 200, 200),
    "/contacts/<maria@market.example>": ("->", 200, 404, 200, 200),
    "/contacts/new": ("->", 200, 200, 403, 403),
    "/contacts/<maria@market.example>/edit": ("->", 200, 404, 403, 403),
    "/contacts/<maria@market.example>/changes": ("->", 200, 404, 200, 200),
    "/companies/duplicates": ("->", 200, 200, 200, 200),
    "/companies/<market.example>/merge": ("->", 200, 404, 403, 403),
    "/companies/<market.example>/merge/<harbour.example>": ("->", 200, 404, 403, 403),
    "/contacts/duplicates": ("->", 200, 200, 200, 200),
    "/contacts/<maria@market.example>/merge": ("->", 200, 404, 403, 403),
    "/contacts/<maria@market.example>/merge/<igor@harbour.example>": ("->", 200, 404, 403, 403),
    "/merges/1": ("->", 404, 404, 404, 404),
    "/messages/<question>": ("->", 200, 404, 200, 404),
    "/messages/<question>/conversation": ("->", 200, 404, 200, 404),
    "/activities/<question>/about": ("->", 200, 404, 403, 403),
    "/messages/<pictures>/body": ("->", 200, 404, 200, 404),
    "/messages/<pictures>/images": ("->", 302, 302, 302, 302),
    "/messages/<question>/attachments": ("->", 302, 302, 302, 302),
    "/messages/<question>/attachments/0": ("->", 302, 404, 302, 404),
    "/messages/<question>/inline/0": ("->", 404, 404, 404, 404),
    "/messages/unmatched": ("->", 302, 302, 302, 302),
    "/tray": ("->", 200, 200, 200, 403),
    "/tray/senders/who@nowhere.example": ("->", 200, 404, 200, 403),
    "/meetings/<tasting>": ("->", 200, 404, 200, 404),
    "/tasks": ("->", 200, 200, 200, 403),
    "/tasks/new": ("->", 200, 200, 403, 403),
    "/tasks/1": ("->", 404, 404, 404, 404),
    "/tasks/1/edit": ("->", 404, 404, 403, 403),
    "/search": ("->", 200, 200, 200, 200),
    "/mailboxes": ("->", 200, 200, 200, 200),
    "/mailboxes/<anna@romashka.example>": ("->", 200, 404, 200, 200),
    "/mailboxes/<anna@romashka.example>/rules": ("->", 403, 404, 403, 200),
    "/runs/99/undo": ("->", 403, 403, 403, 404),
    "/alerts": ("->", 403, 403, 403, 200),
    "/mailboxes/<anna@romashka.example>/count/mail": ("->", 404, 404, 404, 404),
    "/quarantine": ("->", 200, 200, 200, 200),
    "/outbox": ("->", 200, 200, 200, 200),
    "/conflicts": ("->", 200, 200, 200, 200),
    "/plans": ("->", 200, 200, 200, 200),
    "/plans/1": ("->", 404, 404, 404, 404),
    "/sign-in": (200, 302, 302, 302, 302),
    "/healthz": (200, 200, 200, 200, 200),
    "/readyz": (200, 200, 200, 200, 200),
    "/metrics": (404, 404, 404, 404, 404),
    "/static/terracrm.css": (200, 200, 200, 200, 200),
}
POST = {
    "/contacts/new": ("->", 400, 400, 403, 403),
    "/contacts/<maria@market.example>/edit": ("->", 302, 404, 403, 403),
    "/contacts/<maria@market.example>/archive": ("->", 302, 404, 403, 403),
    "/contacts/<maria@market.example>/restore": ("->", 302, 404, 403, 403),
    "/companies/<market.example>/merge/<harbour.example>": ("->", 302, 404, 403, 403),
    "/contacts/<maria@market.example>/merge/<igor@harbour.example>": ("->", 302, 404, 403, 403),
    "/merges/1/undo": ("->", 404, 404, 403, 403),
    "/runs/99/undo": ("->", 403, 403, 403, 404),
    "/runs/99/undo/again": ("->", 403, 403, 403, 404),
    "/activities/<question>/about": ("->", 400, 404, 403, 403),
    "/topics/1/remove": ("->", 404, 404, 403, 403),
    "/messages/<question>/attachments": ("->", 302, 404, 302, 404),
    "/messages/<question>/attachments/0": ("->", 404, 404, 404, 404),
    "/messages/<question>/attachments/0/fetch": ("->", 302, 404, 302, 404),
    "/messages/<pictures>/images": ("->", 200, 404, 200, 404),
    "/tray/senders/who@nowhere.example": ("->", 400, 400, 403, 403),
    "/tray/undo/who@nowhere.example": ("->", 404, 404, 403, 403),
    "/tasks": ("->", 400, 400, 403, 403),
    "/tasks/1/edit": ("->", 404, 404, 403, 403),
    "/tasks/1/done": ("->", 404, 404, 403, 403),
    "/tasks/1/reopen": ("->", 404, 404, 403, 403),
    "/tasks/1/cancel": ("->", 404, 404, 403, 403),
    "/suggestions/1/accept": ("->", 404, 404, 403, 403),
    "/suggestions/1/dismiss": ("->", 404, 404, 403, 403),
    "/mailboxes/<anna@romashka.example>/rules": ("->", 403, 404, 403, 302),
    "/mailboxes/<anna@romashka.example>/rules/preview": ("->", 403, 404, 403, 200),
    "/quarantine/1/retry": ("->", 404, 404, 403, 404),
    "/quarantine/retry": ("->", 302, 302, 403, 302),
    "/outbox/1/retry": ("->", 404, 404, 403, 404),
    "/outbox/retry": ("->", 302, 302, 403, 302),
    "/conflicts/1/take": ("->", 404, 404, 403, 403),
    "/conflicts/1/keep": ("->", 404, 404, 403, 403),
    "/plans/1/approve": ("->", 404, 404, 404, 404),
    "/plans/1/reject": ("->", 404, 404, 404, 404),
    "/sign-in": (401, 401, 401, 401, 401),
    "/sign-out": ("->", 302, 302, 302, 302),
    "/language": (302, 302, 302, 302, 302),
}
WHO = ("nobody", "anna", "boris", "viktor", "admin")
CASES = [
    pytest.param(method, path, who, expected, id=f"{method} {path} {who}")
    for method, table in (("GET", GET), ("POST", POST))
    for path, row in table.items()
    for who, expected in zip(WHO, row, strict=True)
]


def filled(path: str, ids: dict[str, int]) -> str:
    for name, number in ids.items():
        path = path.replace(f"<{name}>", str(number))
    return path


def test_every_route_is_in_the_table(app: Flask, ids: dict[str, int]) -> None:
    adapter = app.url_map.bind("localhost")
    covered = {
        (adapter.match(filled(path, ids), method=method)[0], method)
        for method, table in (("GET", GET), ("POST", POST))
        for path in table
    }
    there = {
        (rule.endpoint, method)
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert there == covered


@pytest.mark.parametrize(("method", "path", "who", "expected"), CASES)
def test_the_answer(
    method: str, path: str, who: str, expected: int | str, visitor: Client, signed_in: SignIn, ids: dict[str, int]
) -> None:
    client = visitor if who == "nobody" else signed_in(who)
    path = filled(path, ids)
    if method == "GET":
        answer = client.get(path)
    else:
        page = "/sign-in" if who == "nobody" else "/"
        answer = client.post(path, data={"csrf_token": token(client, page), "language": "en"})
    if expected == "->":
        assert answer.status_code == 302
        assert answer.location.startswith("/sign-in")
    else:
        assert answer.status_code == expected
        assert not (answer.location or "").startswith("/sign-in") or path == "/sign-out"


@pytest.mark.parametrize("path", [path for path, row in POST.items()])
def test_every_post_needs_a_token(path: str, signed_in: SignIn, ids: dict[str, int]) -> None:
    assert signed_in("anna").post(filled(path, ids)).status_code == 400


def test_a_hidden_thing_answers_like_a_missing_one(signed_in: SignIn, ids: dict[str, int]) -> None:
    boris = signed_in("boris")
    for path in ("/companies/{}", "/contacts/{}", "/messages/{}", "/meetings/{}", "/mailboxes/{}"):
        assert boris.get(path.format(987654)).status_code == 404
    hidden = boris.get(f"/companies/{ids['market.example']}").text
    missing = boris.get("/companies/987654").text
    assert _bare(hidden) == _bare(missing)


def _bare(page: str) -> str:
    """The page without what differs from request to request: its token and its own address."""
    return re.sub(r'name="(csrf_token|next)" value="[^"]+"', "", page)
