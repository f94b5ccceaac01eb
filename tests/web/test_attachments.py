"""Attachments on pages: asked for, fetched, downloaded with an entry in the audit log, flagged, shown in the text."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from terracrm.domain import file_danger, file_types
from terracrm.models import AttachmentContent, AuditEntry, MessageAttachment, MessageBody, Stream, User, utcnow
from tests.web.conftest import Client, SignIn, token

PDF = b"%PDF-1.7 contract"
PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 30
SVG = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"


@pytest.fixture
def attach(rows: Session, ids: dict[str, int]) -> object:
    """`attach("question", "a.pdf", PDF)`: another attachment of a message; its path. Without content it is not here."""

    def add(key: str, name: str, content: bytes | None = None, **values: object) -> str:
        known = select(MessageAttachment.position).where(MessageAttachment.activity_id == ids[key])
        position = max(rows.scalars(known), default=-1) + 1
        row = MessageAttachment(activity_id=ids[key], position=position, name=name, size=17, **values)
        if content is not None:
            row.state, row.content_hash = "stored", hashlib.sha256(content).hexdigest()
            row.danger = file_danger.of_content(name, row.content_type or "", content)
            rows.merge(
                AttachmentContent(
                    hash=row.content_hash, size=len(content), data=content, content_type=file_types.sniff(content)
                )
            )
        rows.add(row)
        rows.commit()
        return f"/messages/{ids[key]}/attachments/{position}"

    return add


def downloads(rows: Session) -> list[AuditEntry]:
    rows.expire_all()
    return list(rows.scalars(select(AuditEntry).where(AuditEntry.action == "attachment.download")))


def test_a_download_is_a_file_to_save_under_its_own_name(signed_in: SignIn, attach: object) -> None:
    answer = signed_in("anna").get(attach("question", 'договор № 5\r\n"x".pdf', PDF))  # type: ignore[operator]
    assert answer.data == PDF
    headers = answer.headers
    assert headers["Content-Type"] == "application/pdf"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'; sandbox"
    assert headers["Cache-Control"] == "private, no-store"
    disposition = headers["Content-Disposition"]
    assert disposition.startswith("attachment;")
    assert "filename*=UTF-8''%D0%B4%D0%BE%D0%B3%D0%BE%D0%B2%D0%BE%D1%80%20%E2%84%96%205%20_x_.pdf" in disposition


def test_what_a_browser_could_run_goes_out_as_mere_bytes(signed_in: SignIn, attach: object) -> None:
    path = attach("question", "notes.txt", b"<html><script>x</script></html>", content_type="text/html")  # type: ignore[operator]
    answer = signed_in("anna").get(path)
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"].startswith("attachment;")


def test_every_download_is_in_the_audit_log_and_looking_is_not(
    signed_in: SignIn, attach: object, rows: Session, ids: dict[str, int]
) -> None:
    path = attach("pictures", "полка.png", PNG, content_id="<shelf@x>")  # type: ignore[operator]
    client = signed_in("anna")
    client.get(f"/messages/{ids['pictures']}")
    client.get(path.replace("attachments", "inline"))
    client.head(path)
    assert downloads(rows) == []
    client.get(path)
    (entry,) = downloads(rows)
    user_id = rows.scalars(select(User.id).where(User.name == "anna")).one()
    assert (entry.user_id, entry.entity, entry.entity_id) == (user_id, "message", ids["pictures"])
    assert entry.detail.startswith("attachment 0, sha256 ")
    assert "полка" not in entry.detail
    assert hashlib.sha256(PNG).hexdigest() in entry.detail


@pytest.mark.parametrize("who", ["boris", "admin"])
def test_nobody_gets_a_file_of_a_message_that_is_not_theirs_to_read(
    signed_in: SignIn, attach: object, rows: Session, who: str
) -> None:
    path = attach("question", "logo.png", PNG)  # type: ignore[operator]
    client = signed_in(who)
    csrf = token(client, "/")
    assert client.get(path).status_code == 404
    assert client.get(path.replace("attachments", "inline")).status_code == 404
    for post in (path, f"{path}/fetch", path.rpartition("/")[0]):
        assert client.post(post, data={"csrf_token": csrf}).status_code == 404
    assert client.get(path.rpartition("/")[0], headers={"HX-Request": "true"}).status_code == 404
    assert downloads(rows) == []


def test_a_file_of_another_message_is_not_reached_through_ones_own(signed_in: SignIn, attach: object) -> None:
    attach("secret", "geheim.pdf", PDF)  # type: ignore[operator]
    own = attach("pictures", "own.pdf")  # type: ignore[operator]
    assert signed_in("anna").get(own).status_code == 302
    assert signed_in("anna").get(own[:-1] + "1").status_code == 404


def test_a_flagged_file_is_handed_out_only_after_a_warning(signed_in: SignIn, attach: object, rows: Session) -> None:
    path = attach("question", "счёт.pdf.exe", b"MZ" + b"\x00" * 80)  # type: ignore[operator]
    client = signed_in("anna")
    page = client.get(path)
    assert page.status_code == 200
    assert "Its name hides what kind of file it is" in page.text
    assert downloads(rows) == []
    assert client.post(path).status_code == 400  # no token
    answer = client.post(path, data={"csrf_token": token(client, path)})
    assert answer.data.startswith(b"MZ")
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"].startswith("attachment;")
    assert len(downloads(rows)) == 1


def test_a_name_that_was_listed_before_there_were_flags_is_flagged(signed_in: SignIn, attach: object) -> None:
    path = attach("question", "setup.exe", PDF)  # type: ignore[operator]
    assert "a script or a file that can start one" in signed_in("anna").get(path).text


def fetch(client: Client, path: str, **headers: str) -> object:
    page = path.rpartition("/attachments")[0]
    return client.post(f"{path}/fetch", data={"csrf_token": token(client, page)}, headers=headers)


def test_asking_for_a_file_wakes_the_mailbox_and_the_page_waits(
    signed_in: SignIn, rows: Session, ids: dict[str, int]
) -> None:
    path, client = f"/messages/{ids['question']}/attachments/0", signed_in("anna")
    for stream in rows.scalars(select(Stream)):
        stream.due_at = utcnow() + timedelta(hours=1)
    rows.commit()
    answer = fetch(client, path)
    assert answer.status_code == 302
    rows.expire_all()
    row = rows.get_one(MessageAttachment, (ids["question"], 0))
    assert (row.state, row.requested_at is not None) == ("wanted", True)
    assert [s.mailbox.address for s in rows.scalars(select(Stream)) if s.due_at <= utcnow()] == [
        "anna@romashka.example"
    ]
    page = client.get(f"/messages/{ids['question']}").text
    assert "It is being fetched from the mailbox" in page
    assert 'hx-trigger="every 2s"' in page
    fragment = client.get(f"/messages/{ids['question']}/attachments?pictures=1", headers={"HX-Request": "true"})
    assert fragment.text.lstrip().startswith("<section")
    assert client.get(path).status_code == 302  # not here yet
    row.state, row.requested_at = "wanted", utcnow() - timedelta(minutes=3)
    rows.commit()
    page = client.get(f"/messages/{ids['question']}").text
    assert "It takes longer than usual" in page
    assert 'hx-trigger="every 2s"' not in page


def test_with_scripts_the_list_alone_is_answered(signed_in: SignIn, ids: dict[str, int]) -> None:
    client = signed_in("anna")
    answer = fetch(client, f"/messages/{ids['question']}/attachments/0", **{"HX-Request": "true"})
    assert answer.text.lstrip().startswith("<section")
    assert "<html" not in answer.text


def test_everything_can_be_asked_for_at_once(
    signed_in: SignIn, attach: object, rows: Session, ids: dict[str, int]
) -> None:
    attach("question", "второй.pdf")  # type: ignore[operator]
    client, path = signed_in("anna"), f"/messages/{ids['question']}"
    assert "Fetch all" in client.get(path).text
    assert client.post(f"{path}/attachments", data={"csrf_token": token(client, path)}).status_code == 302
    rows.expire_all()
    assert set(rows.scalars(select(MessageAttachment.state))) == {"wanted"}


@pytest.mark.parametrize(
    ("state", "error", "said"),
    [
        ("failed", "This item is corrupt.", "It could not be fetched: This item is corrupt."),
        ("gone", "", "It is no longer in the mailbox."),
        ("too_large", "", "It is larger than 25 MB"),
    ],
)
def test_the_page_says_why_a_file_is_not_here(
    signed_in: SignIn, attach: object, ids: dict[str, int], state: str, error: str, said: str
) -> None:
    attach("question", "x.pdf", state=state, error=error)  # type: ignore[operator]
    assert said in signed_in("anna").get(f"/messages/{ids['question']}").text


def test_a_link_into_the_cloud_is_a_link_when_it_is_safe(
    signed_in: SignIn, attach: object, ids: dict[str, int]
) -> None:
    attach("question", "Прайс.xlsx", state="link", content_id="https://disk.example/f?a=1&b=2")  # type: ignore[operator]
    attach("question", "Evil.xlsx", state="link", content_id="javascript:alert(1)")  # type: ignore[operator]
    page = signed_in("anna").get(f"/messages/{ids['question']}").text
    assert 'href="https://disk.example/f?a=1&amp;b=2" target="_blank" rel="noopener noreferrer nofollow"' in page
    assert "javascript:" not in page
    assert "A link that is not safe to open." in page


def in_text(rows: Session, ids: dict[str, int], html: str) -> None:
    rows.get_one(MessageBody, ids["pictures"]).html = html
    rows.commit()


def test_the_text_shows_the_images_that_came_with_it(
    signed_in: SignIn, attach: object, rows: Session, ids: dict[str, int]
) -> None:
    in_text(rows, ids, '<img src="cid:Logo@X" alt="our logo"><img src="cid:none@x" alt="lost"><img src="shelf.png">')
    logo = attach("pictures", "logo.png", PNG, content_type="image/png", content_id="<logo@x>")  # type: ignore[operator]
    attach("pictures", "shelf.png", PNG, content_type="image/png", content_id="s@x\nshelf.png")  # type: ignore[operator]
    client = signed_in("anna")
    body = client.get(f"/messages/{ids['pictures']}/body")
    inline = logo.replace("attachments", "inline")
    assert f'src="{inline}"' in body.text
    assert f'src="{inline[:-1]}1"' in body.text
    assert '<img alt="lost">' in body.text
    assert "img-src 'self' data:;" in body.headers["Content-Security-Policy"]
    image = client.get(inline)
    assert (image.data, image.headers["Content-Type"]) == (PNG, "image/png")
    assert image.headers["Content-Disposition"].startswith("inline;")
    assert image.headers["X-Content-Type-Options"] == "nosniff"
    page = client.get(f"/messages/{ids['pictures']}").text
    assert "2 pictures in the text" in page
    assert "2 attachments" not in page


def test_an_image_that_the_text_does_not_mention_is_listed(
    signed_in: SignIn, attach: object, rows: Session, ids: dict[str, int]
) -> None:
    in_text(rows, ids, "<p>See attached</p>")
    attach("pictures", "scan.jpg", content_type="image/jpeg", is_inline=True, content_id="scan@x")  # type: ignore[operator]
    page = signed_in("anna").get(f"/messages/{ids['pictures']}").text
    assert "1 attachment" in page
    assert "in the text" not in page


@pytest.mark.parametrize("content", [SVG, b"<html><script>alert(1)</script>", PDF, b"nothing known"])
def test_only_plain_images_are_ever_shown(
    signed_in: SignIn, attach: object, rows: Session, ids: dict[str, int], content: bytes
) -> None:
    in_text(rows, ids, '<img src="cid:logo@x" alt="our logo">')
    path = attach("pictures", "logo.png", content, content_type="image/png", content_id="logo@x")  # type: ignore[operator]
    client = signed_in("anna")
    assert '<img alt="our logo">' in client.get(f"/messages/{ids['pictures']}/body").text
    assert client.get(path.replace("attachments", "inline")).status_code == 404


def test_the_page_is_loaded_anew_when_a_picture_of_the_text_arrives(
    signed_in: SignIn, attach: object, rows: Session, ids: dict[str, int]
) -> None:
    in_text(rows, ids, '<img src="cid:logo@x">')
    attach("pictures", "logo.png", PNG, content_type="image/png", content_id="logo@x")  # type: ignore[operator]
    client, path = signed_in("anna"), f"/messages/{ids['pictures']}/attachments"
    assert client.get(f"{path}?pictures=1", headers={"HX-Request": "true"}).headers["HX-Refresh"] == "true"
    assert "HX-Refresh" not in client.get(f"{path}?pictures=2", headers={"HX-Request": "true"}).headers
    assert client.get(path).status_code == 302


def test_weird_names_are_harmless_on_the_page(signed_in: SignIn, attach: object, ids: dict[str, int]) -> None:
    for name in ("<script>alert(1)</script>.pdf", "a\u202egpj.exe", "../../x\x1b[31m.pdf", "", "ы" * 500 + ".docx"):
        attach("question", name)  # type: ignore[operator]
    page = signed_in("anna").get(f"/messages/{ids['question']}").text
    assert "<script>alert" not in page
    assert "\u202e" not in page
    assert "\x1b" not in page
    assert "(no name)" in page
