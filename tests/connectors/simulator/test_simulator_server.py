"""Who may come in, what bad input gets, faults on demand, restarts, TLS, autodiscover."""

# ruff: noqa: E501 - the requests are long

from __future__ import annotations

import gzip
import socket
import ssl
from pathlib import Path

import pytest
import requests
from lxml import etree

from connectors.simulator.simulator import Simulator
from tests.connectors.simulator.soap_client import ENVELOPE, NS, Client, codes, item_ids, texts

INBOX = '<m:GetFolder><m:FolderShape><t:BaseShape>AllProperties</t:BaseShape></m:FolderShape><m:FolderIds><t:DistinguishedFolderId Id="inbox">{}</t:DistinguishedFolderId></m:FolderIds></m:GetFolder>'
BOX = "<t:Mailbox><t:EmailAddress>{}</t:EmailAddress></t:Mailbox>"
ACT_AS = "<t:ExchangeImpersonation><t:ConnectingSID><t:{0}>{1}</t:{0}></t:ConnectingSID></t:ExchangeImpersonation>"
ASK = INBOX.format("")
SYNC = '<m:SyncFolderItems><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape><m:SyncFolderId><t:DistinguishedFolderId Id="inbox"/></m:SyncFolderId><m:MaxChangesReturned>10</m:MaxChangesReturned></m:SyncFolderItems>'
MAIL = b"From: o@shop.test\r\nTo: anna@example.test\r\nSubject: Order\r\n\r\nMilk\r\n"


@pytest.mark.parametrize("name", ["anna@example.test", "ANNA@EXAMPLE.TEST", "anna", "EXAMPLE\\anna"])
def test_every_way_to_write_a_user_name_signs_in(simulator: Simulator, name: str) -> None:
    assert codes(Client(simulator, name)(ASK)) == ["NoError"]


@pytest.mark.parametrize(
    ("name", "password"), [("anna", "wrong"), ("nobody", "secret"), ("info@example.test", "secret")]
)
def test_a_wrong_sign_in_gets_401_and_is_told_how(simulator: Simulator, name: str, password: str) -> None:
    answer = Client(simulator, name, password).post(ASK)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic")


@pytest.mark.parametrize("kind", ["PrimarySmtpAddress", "SmtpAddress", "PrincipalName", "SID"])
def test_the_service_account_acts_as_anyone(simulator: Simulator, kind: str) -> None:
    box = simulator.store.mailboxes.find("anna@example.test")
    header = ACT_AS.format(kind, box.sid if kind == "SID" else box.address)
    mine = Client(simulator, "anna")(ASK).find(".//t:FolderId", NS).get("Id")
    acted = Client(simulator, "service@example.test")(ASK, header=header)
    assert acted.find(".//t:FolderId", NS).get("Id") == mine


def test_others_may_not_act_as_anyone(simulator: Simulator, anna: Client) -> None:
    answer = anna.post(ASK, header=ACT_AS.format("PrimarySmtpAddress", "boris@example.test"))
    assert answer.status_code == 500
    assert codes(etree.fromstring(answer.content)) == ["ErrorImpersonateUserDenied"]


def test_acting_as_nobody_is_refused(simulator: Simulator) -> None:
    service = Client(simulator, "service@example.test")
    assert codes(service(ASK, header=ACT_AS.format("PrimarySmtpAddress", "x@example.test"))) == [
        "ErrorNonExistentMailbox"
    ]


def test_other_mailboxes_are_closed_until_they_are_granted(simulator: Simulator, anna: Client) -> None:
    assert codes(anna(INBOX.format(BOX.format("nobody@example.test")))) == ["ErrorNonExistentMailbox"]
    assert codes(anna(INBOX.format(BOX.format("info@example.test")))) == ["ErrorFolderNotFound"]
    simulator.grant("info@example.test", to="anna@example.test")
    assert codes(anna(INBOX.format(BOX.format("info@example.test")))) == ["NoError"]


def test_a_permission_set_opens_one_folder_as_far_as_it_says(simulator: Simulator, anna: Client, boris: Client) -> None:
    [row] = simulator.deliver(MAIL, ["anna@example.test"])
    get = f'<m:GetItem><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape><m:ItemIds><t:ItemId Id="{row.ews_id}"/></m:ItemIds></m:GetItem>'
    delete = (
        f'<m:DeleteItem DeleteType="HardDelete"><m:ItemIds><t:ItemId Id="{row.ews_id}"/></m:ItemIds></m:DeleteItem>'
    )
    assert codes(boris(get)) == ["ErrorItemNotFound"]
    permit = (
        '<m:UpdateFolder><m:FolderChanges><t:FolderChange><t:DistinguishedFolderId Id="inbox"/><t:Updates><t:SetFolderField>'
        '<t:FieldURI FieldURI="folder:PermissionSet"/><t:Folder><t:PermissionSet><t:Permissions><t:Permission><t:UserId>'
        "<t:PrimarySmtpAddress>boris@example.test</t:PrimarySmtpAddress></t:UserId><t:PermissionLevel>Reviewer</t:PermissionLevel>"
        "</t:Permission></t:Permissions></t:PermissionSet></t:Folder></t:SetFolderField></t:Updates></t:FolderChange></m:FolderChanges></m:UpdateFolder>"
    )
    assert codes(anna(permit)) == ["NoError"]
    assert codes(boris(get)) == ["NoError"]
    assert codes(boris(delete)) == ["ErrorAccessDenied"]
    shown = boris(INBOX.format(BOX.format("anna@example.test")))
    assert texts(shown, ".//t:EffectiveRights/t:Read") == ["true"]
    assert texts(shown, ".//t:EffectiveRights/t:Delete") == ["false"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "ErrorInvalidRequest"),
        (b"not xml", "ErrorInvalidRequest"),
        (b"<html/>", "ErrorInvalidRequest"),
        (b'<!DOCTYPE a [<!ENTITY b "c"><!ENTITY d "&b;&b;&b;">]><a>&d;</a>', "ErrorInvalidRequest"),
        (b'<!DOCTYPE a [<!ENTITY f SYSTEM "file:///etc/passwd">]><a>&f;</a>', "ErrorInvalidRequest"),
        (ENVELOPE.format(body="", header="", version="Exchange2016", **NS).encode(), "ErrorSchemaValidation"),
        (ENVELOPE.format(body=ASK, header="", version="Exchange1999", **NS).encode(), "ErrorInvalidServerVersion"),
    ],
)
def test_hostile_and_broken_requests_get_a_fault(simulator: Simulator, anna: Client, body: bytes, code: str) -> None:
    answer = anna.session.post(simulator.url, body, timeout=10)
    assert answer.status_code in (400, 500)
    assert codes(etree.fromstring(answer.content)) == [code]
    assert b"root:" not in answer.content


def test_an_unexpected_error_is_answered_without_its_traceback(
    simulator: Simulator, anna: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulator.store.folders, "distinguished", lambda *_: 1 / 0)
    answer = anna.post(ASK)
    assert codes(etree.fromstring(answer.content)) == ["ErrorInternalServerError"]
    assert b"ZeroDivision" not in answer.content


def test_the_path_ignores_case_and_get_shows_a_page_only_to_users(simulator: Simulator, anna: Client) -> None:
    url = simulator.url.replace("/EWS/Exchange.asmx", "/ews/exchange.ASMX")
    assert requests.get(url, timeout=5).status_code == 401
    assert anna.session.get(url, timeout=5).status_code == 200
    assert anna.session.get(simulator.url.replace("/EWS", "/elsewhere"), timeout=5).status_code == 404


def test_answers_say_their_version_and_are_compressed_when_asked(simulator: Simulator, anna: Client) -> None:
    answer = anna.post(
        '<m:FindFolder Traversal="Deep"><m:FolderShape><t:BaseShape>AllProperties</t:BaseShape></m:FolderShape><m:ParentFolderIds>'
        '<t:DistinguishedFolderId Id="root"/></m:ParentFolderIds></m:FindFolder>',
        stream=True,
    )
    assert answer.headers["Content-Encoding"] == "gzip"
    root = etree.fromstring(gzip.decompress(answer.raw.read(decode_content=False)))
    assert root.find(".//t:ServerVersionInfo", NS).get("MajorVersion") == "15"


FAULTS = [
    ("server_busy", {"milliseconds": 7000}, 500, ["ErrorServerBusy"]),
    ("unavailable", {"seconds": 3}, 503, None),
    ("internal", {}, 500, None),
    ("unauthorized", {}, 401, None),
    ("error", {"code": "ErrorMailboxStoreUnavailable"}, 500, ["ErrorMailboxStoreUnavailable"]),
    ("slow", {"milliseconds": 5}, 200, ["NoError"]),
]


@pytest.mark.parametrize(("kind", "settings", "status", "found"), FAULTS)
def test_a_fault_strikes_as_often_as_it_was_told(
    simulator: Simulator, anna: Client, kind: str, settings: dict, status: int, found: list | None
) -> None:
    fault = requests.post(
        f"{simulator.control_url}/faults",
        json={"kind": kind, "operation": "GetFolder", "count": 1, **settings},
        timeout=5,
    )
    assert fault.status_code == 201
    answer = anna.post(ASK)
    assert answer.status_code == status
    if found is not None:
        assert codes(etree.fromstring(answer.content)) == found
    assert anna.post(ASK).status_code == 200
    if kind == "server_busy":
        assert texts(etree.fromstring(answer.content), ".//t:Value") == ["7000"]
    if kind == "unavailable":
        assert answer.headers["Retry-After"] == "3"


def test_a_busy_server_can_refuse_one_item_of_a_batch(simulator: Simulator, anna: Client) -> None:
    simulator.fault("server_busy", per_item=True, position=1, milliseconds=2000, count=1)
    twice = ASK.replace("</m:FolderIds>", '<t:DistinguishedFolderId Id="drafts"/></m:FolderIds>')
    answer = anna(twice)
    assert codes(answer) == ["NoError", "ErrorServerBusy"]
    assert texts(answer, ".//t:Value") == ["2000"]
    assert codes(anna(twice)) == ["NoError", "NoError"]


@pytest.mark.parametrize("kind", ["drop", "cut"])
def test_a_connection_can_break(simulator: Simulator, anna: Client, kind: str) -> None:
    simulator.fault(kind, count=1)
    with pytest.raises(requests.exceptions.RequestException):
        anna.post(ASK)
    assert anna.post(ASK).status_code == 200


def test_an_answer_can_end_in_the_middle_of_its_xml(simulator: Simulator, anna: Client) -> None:
    simulator.fault("truncated", count=1)
    with pytest.raises(etree.XMLSyntaxError):
        etree.fromstring(anna.post(ASK).content)


def test_faults_of_items_and_syncs(simulator: Simulator, anna: Client) -> None:
    good, sick = (
        simulator.deliver(MAIL.replace(b"Order", name), ["anna@example.test"])[0] for name in (b"Good", b"Sick")
    )
    ids = "".join(f'<t:ItemId Id="{row.ews_id}"/>' for row in (good, sick))
    get = f"<m:GetItem><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape><m:ItemIds>{ids}</m:ItemIds></m:GetItem>"
    for kind, expected in (
        ("corrupt_item", ["NoError", "ErrorItemCorrupt"]),
        ("conversion_failed", ["ErrorContentConversionFailed"] * 2),
    ):
        simulator.fault(kind, item="sick", count=1)
        assert codes(anna(get)) == expected
    simulator.fault("invalid_sync_state", count=1)
    assert codes(anna(SYNC)) == ["ErrorInvalidSyncStateData"]
    simulator.fault("empty_folder", count=1)
    assert item_ids(anna(SYNC)) == []
    assert item_ids(anna(SYNC)) != []


def test_a_write_can_change_its_change_key_once_more(simulator: Simulator, anna: Client) -> None:
    [row] = simulator.deliver(MAIL, ["anna@example.test"])
    simulator.fault("second_change", operation="UpdateItem", count=1)
    answer = anna(
        '<m:UpdateItem ConflictResolution="AutoResolve" MessageDisposition="SaveOnly"><m:ItemChanges><t:ItemChange>'
        f'<t:ItemId Id="{row.ews_id}"/><t:Updates><t:SetItemField><t:FieldURI FieldURI="item:Importance"/><t:Message>'
        "<t:Importance>Low</t:Importance></t:Message></t:SetItemField></t:Updates></t:ItemChange></m:ItemChanges></m:UpdateItem>"
    )
    assert simulator.store.items.get(row.number).change_key != item_ids(answer)[0][1]


def test_chance_repeats_with_its_seed(simulator: Simulator, anna: Client) -> None:
    def run() -> list[int]:
        simulator.faults.clear()
        simulator.fault("internal", probability=0.5, seed=7)
        return [anna.post(ASK).status_code for _ in range(8)]

    first = run()
    assert first == run()
    assert set(first) == {200, 500}


def test_the_control_endpoint_delivers_tells_and_explains_mistakes(simulator: Simulator) -> None:
    url = simulator.control_url
    assert requests.post(f"{url}/deliver", MAIL, params={"to": "anna@example.test"}, timeout=5).status_code == 201
    assert requests.get(f"{url}/outbound", timeout=5).json() == []
    assert "anna@example.test" in requests.get(f"{url}/state", timeout=5).json()["mailboxes"]
    for path, body in (
        ("deliver?to=x@y", MAIL),
        ("deliver", MAIL),
        ("faults", b'{"kind": "x"}'),
        ("faults", b"{"),
        ("faults", b'{"kind": "slow", "no": 1}'),
    ):
        answer = requests.post(f"{url}/{path}", body, timeout=5)
        assert answer.status_code == 400
        assert answer.json()["error"]
    assert requests.get(f"{url}/nothing", timeout=5).status_code == 404


def test_the_clock_can_be_wrong(simulator: Simulator) -> None:
    requests.post(f"{simulator.control_url}/clock", json={"seconds": -86400 * 365 * 10}, timeout=5)
    [row] = simulator.deliver(MAIL, ["anna@example.test"])
    requests.post(f"{simulator.control_url}/clock", json={"seconds": 0}, timeout=5)
    assert row.received < "2020"


def test_autodiscover_names_the_address_of_the_server(simulator: Simulator, anna: Client) -> None:
    pox = (
        '<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"><Request>'
        "<EMailAddress>anna@example.test</EMailAddress></Request></Autodiscover>"
    )
    base = simulator.url.partition("/EWS")[0]
    answer = anna.session.post(f"{base}/autodiscover/autodiscover.xml", pox, timeout=5)
    assert f"<EwsUrl>{simulator.url}</EwsUrl>" in answer.text
    soap = (
        '<a xmlns="http://schemas.microsoft.com/exchange/2010/Autodiscover"><Mailbox>anna@example.test</Mailbox>'
        "<Setting>ExternalEwsUrl</Setting><Setting>Nothing</Setting></a>"
    )
    answer = anna.session.post(f"{base}/Autodiscover/Autodiscover.svc", soap, timeout=5)
    assert f"<Value>{simulator.url}</Value>" in answer.text
    assert "SettingIsNotAvailable" in answer.text


def test_everything_survives_a_restart(tmp_path: Path) -> None:
    with Simulator(data=tmp_path) as first:
        first.add_mailbox("anna@example.test")
        client = Client(first, "anna")
        first.deliver(MAIL, ["anna@example.test"])
        answer = client(SYNC)
        [(item, key)] = item_ids(answer)
        state = texts(answer, ".//m:SyncState")[0]
    with Simulator(data=tmp_path) as second:
        client = Client(second, "anna")
        get = f'<m:GetItem><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape><m:ItemIds><t:ItemId Id="{item}"/></m:ItemIds></m:GetItem>'
        assert item_ids(client(get)) == [(item, key)]
        [new] = second.deliver(MAIL, ["anna@example.test"])
        again = client(SYNC.replace("</m:SyncFolderId>", f"</m:SyncFolderId><m:SyncState>{state}</m:SyncState>"))
        assert item_ids(again) == [(new.ews_id, new.change_key)]


def test_https_works_with_a_certificate_of_its_own() -> None:
    with Simulator(tls=True) as running:
        running.add_mailbox("anna@example.test")
        host, port = running.netloc.split(":")
        pem = ssl.get_server_certificate((host, int(port)))
        context = ssl.create_default_context(cadata=pem)
        with (
            socket.create_connection((host, int(port)), timeout=5) as raw,
            context.wrap_socket(raw, server_hostname=host) as tls,
        ):
            tls.sendall(b"GET /EWS/Exchange.asmx HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert b"401" in tls.recv(100)
