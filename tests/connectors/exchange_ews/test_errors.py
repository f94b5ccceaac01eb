"""Every way in which a server can fail ends in an error that says what to do, after one attempt."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from connectors.base import Account
from connectors.exchange_ews import ExchangeEWS
from connectors.exchange_ews.protocol import MailboxProtocol
from connectors.simulator.simulator import Simulator
from terracrm.domain.records import Folder
from terracrm.errors import AuthFailed, ConnectorError, CursorExpired, ItemGone, SignInRefused, Temporary, Unsupported
from tests.connectors.exchange_ews.script import Reply, ScriptedServer, answered, envelope, failure, fault, success

BACK_OFF = (
    '<t:MessageXml xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types">'
    '<t:Value Name="BackOffMilliseconds">{}</t:Value></t:MessageXml>'
)


def error_of(server: ScriptedServer) -> ConnectorError:
    """What the connector makes of the server when it asks for the folders."""
    with pytest.raises(ConnectorError) as raised:
        server.connector().folders()
    assert "secret" not in str(raised.value)
    return raised.value


class TestSignIn:
    def test_a_refused_password_is_not_tried_again(self, server: ScriptedServer) -> None:
        server.on("*", Reply(status=401, headers={"WWW-Authenticate": "Basic"}))
        assert isinstance(error_of(server), AuthFailed)
        assert server.requests == ["anonymous", "ConvertId"]

    def test_a_refusal_that_closes_the_connection_is_no_busy_server(self, server: ScriptedServer) -> None:
        server.on("*", Reply(status=401, headers={"WWW-Authenticate": "Basic", "Connection": "close"}))
        assert isinstance(error_of(server), AuthFailed)
        assert server.requests == ["anonymous", "ConvertId"]

    def test_forbidden_is_a_matter_of_rights(self, server: ScriptedServer) -> None:
        server.on("*", Reply(status=403))
        assert isinstance(error_of(server), AuthFailed)

    def test_a_server_that_wants_a_modern_sign_in_says_so(self, server: ScriptedServer) -> None:
        server.challenge = Reply(status=401, headers={"WWW-Authenticate": "Bearer realm=x"})
        error = error_of(server)
        assert isinstance(error, Unsupported)
        assert "Bearer" in str(error)
        assert server.requests == ["anonymous"]

    @pytest.mark.parametrize("code", ["ErrorImpersonateUserDenied", "ErrorNonExistentMailbox", "ErrorAccessDenied"])
    def test_missing_rights_stop_the_asking(self, server: ScriptedServer, code: str) -> None:
        server.on("GetFolder", Reply(fault(code), status=500))
        error = error_of(server)
        assert isinstance(error, AuthFailed)
        assert code in str(error)


class TestWrongAddress:
    def test_a_path_without_ews(self, server: ScriptedServer) -> None:
        server.challenge = Reply(b"Not found", status=404)
        error = error_of(server)
        assert isinstance(error, Unsupported)
        assert server.url in str(error)
        assert server.requests == ["anonymous"]

    def test_a_web_page_instead_of_ews(self, server: ScriptedServer) -> None:
        server.challenge = Reply(b"<!DOCTYPE html><html><body>Outlook</body></html>")
        error = error_of(server)
        assert isinstance(error, Unsupported)
        assert "web page" in str(error)

    def test_a_redirect_names_its_target(self, server: ScriptedServer) -> None:
        server.challenge = Reply(status=302, headers={"Location": "https://mail.example.test/owa?token=abc"})
        error = error_of(server)
        assert isinstance(error, Unsupported)
        assert "https://mail.example.test/owa" in str(error)
        assert "abc" not in str(error)


class TestTrouble:
    def test_unavailable_with_a_time_in_seconds(self, server: ScriptedServer) -> None:
        server.on("*", Reply(b"Service Unavailable", 503, {"Retry-After": "30"}))
        error = error_of(server)
        assert isinstance(error, Temporary)
        assert error.retry_after == 30

    def test_unavailable_with_a_date(self, server: ScriptedServer) -> None:
        later = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
        server.on("*", Reply(status=503, headers={"Retry-After": later}))
        error = error_of(server)
        assert isinstance(error, Temporary)
        assert error.retry_after == pytest.approx(3600, abs=60)

    def test_unavailable_without_a_time(self, server: ScriptedServer) -> None:
        server.on("*", Reply(status=503))
        error = error_of(server)
        assert isinstance(error, Temporary)
        assert error.retry_after is None
        assert server.requests == ["anonymous", "ConvertId"]

    def test_busy_as_a_soap_fault_with_back_off(self, server: ScriptedServer) -> None:
        server.on("GetFolder", Reply(fault("ErrorServerBusy", BACK_OFF.format(4500)), status=500))
        error = error_of(server)
        assert isinstance(error, Temporary)
        assert error.retry_after == 4.5

    def test_busy_in_a_response_message_with_back_off(self, server: ScriptedServer, inbox: Folder) -> None:
        back_off = '<m:MessageXml><t:Value Name="BackOffMilliseconds">9000</t:Value></m:MessageXml>'
        busy = failure("SyncFolderItems", "ErrorServerBusy", back_off)
        server.on("SyncFolderItems", answered("SyncFolderItems", busy))
        with pytest.raises(Temporary) as raised:
            list(server.connector().changes(inbox, None, 10))
        assert raised.value.retry_after == 9

    def test_busy_without_back_off_names_no_time(self, server: ScriptedServer) -> None:
        server.on("GetFolder", Reply(fault("ErrorServerBusy"), status=500))
        error = error_of(server)
        assert isinstance(error, Temporary)
        assert error.retry_after is None
        assert server.requests.count("GetFolder") == 1

    @pytest.mark.parametrize(
        "code", ["ErrorMailboxMoveInProgress", "ErrorMailboxStoreUnavailable", "ErrorInternalServerTransientError"]
    )
    def test_trouble_of_the_mailbox_is_temporary(self, server: ScriptedServer, code: str) -> None:
        server.on("GetFolder", answered("GetFolder", *[failure("GetFolder", code)] * 15))
        assert isinstance(error_of(server), Temporary)

    def test_an_internal_error_without_soap(self, server: ScriptedServer) -> None:
        server.on("*", Reply(b"<html>Server Error in '/EWS' Application.</html>", 500))
        assert isinstance(error_of(server), Temporary)
        assert server.requests == ["anonymous", "ConvertId"]

    def test_a_request_that_is_not_understood_is_sent_once(self, server: ScriptedServer) -> None:
        server.on("GetFolder", Reply(fault("ErrorInvalidRequest"), status=500))
        assert isinstance(error_of(server), Unsupported)
        assert server.requests.count("GetFolder") == 1

    def test_an_answer_that_is_cut_off_loses_nothing(self, server: ScriptedServer, inbox: Folder) -> None:
        page = success(
            "SyncFolderItems",
            "<m:SyncState>next</m:SyncState><m:IncludesLastItemInRange>true</m:IncludesLastItemInRange><m:Changes>"
            '<t:Delete><t:ItemId Id="a"/></t:Delete><t:Delete><t:ItemId Id="b"/></t:Delete></m:Changes>',
        )
        whole = envelope(answered("SyncFolderItems", page))
        server.on("SyncFolderItems", Reply(whole[: whole.index(b'<t:ItemId Id="b"')]))
        with pytest.raises(Temporary, match="cut off"):
            list(server.connector().changes(inbox, "state", 10))

    def test_a_connection_that_breaks_in_the_middle(self, server: ScriptedServer) -> None:
        server.on("GetFolder", Reply(envelope("<x/>"), cut=True))
        assert isinstance(error_of(server), Temporary)

    def test_something_that_is_not_soap(self, server: ScriptedServer) -> None:
        server.on("*", Reply(b"OK"))
        assert isinstance(error_of(server), Temporary)

    def test_a_server_that_does_not_run(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        connector = ExchangeEWS(Account("a@example.test", f"http://127.0.0.1:{port}/EWS/Exchange.asmx", "a", "secret"))
        with pytest.raises(Temporary, match="refuses connections"):
            connector.test()

    def test_a_name_that_nobody_knows(self) -> None:
        connector = ExchangeEWS(Account("a@example.test", "http://exchange.invalid/EWS/Exchange.asmx", "a", "secret"))
        with pytest.raises(Temporary, match=r"exchange\.invalid"):
            connector.test()

    def test_a_server_that_does_not_answer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(MailboxProtocol, "TIMEOUT", (0.05, 0.05))
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"http://127.0.0.1:{silent.getsockname()[1]}/EWS/Exchange.asmx"
            with pytest.raises(Temporary, match="did not answer in time"):
                ExchangeEWS(Account("a@example.test", url, "a", "secret")).test()

    def test_a_certificate_that_nobody_signed_is_refused_unless_asked_otherwise(self) -> None:
        with Simulator(tls=True) as simulator:
            simulator.add_mailbox("anna@example.test")
            account = ("anna@example.test", simulator.url, "anna@example.test", "secret")
            with pytest.raises(Temporary, match="certificate"):
                ExchangeEWS(Account(*account)).test()
            with pytest.warns(match="Unverified HTTPS"):
                assert ExchangeEWS(Account(*account, verify_tls=False)).test().folders
            with pytest.raises(Temporary, match="certificate"):
                ExchangeEWS(Account(*account)).test()


class TestCursor:
    def test_an_expired_state_with_an_empty_state_in_the_answer(self, server: ScriptedServer, inbox: Folder) -> None:
        content = "<m:SyncState/><m:IncludesLastItemInRange>true</m:IncludesLastItemInRange>"
        expired = failure("SyncFolderItems", "ErrorInvalidSyncStateData", content=content)
        server.on("SyncFolderItems", answered("SyncFolderItems", expired))
        with pytest.raises(CursorExpired):
            list(server.connector().changes(inbox, "old", 10))

    def test_an_expired_state_with_no_state_in_the_answer(self, server: ScriptedServer, inbox: Folder) -> None:
        expired = failure("SyncFolderItems", "ErrorInvalidSyncStateData")
        server.on("SyncFolderItems", answered("SyncFolderItems", expired))
        with pytest.raises(CursorExpired):
            list(server.connector().changes(inbox, "old", 10))

    def test_a_folder_that_is_not_found(self, server: ScriptedServer, inbox: Folder) -> None:
        server.on("SyncFolderItems", answered("SyncFolderItems", failure("SyncFolderItems", "ErrorItemNotFound")))
        with pytest.raises(ItemGone):
            list(server.connector().changes(inbox, "state", 10))

    def test_a_page_without_a_state_is_not_taken(self, server: ScriptedServer, inbox: Folder) -> None:
        server.on("SyncFolderItems", answered("SyncFolderItems", success("SyncFolderItems", "<m:Changes/>")))
        with pytest.raises(Temporary):
            list(server.connector().changes(inbox, None, 10))


def test_a_refusal_of_the_first_request_of_all_is_one_whatever_exchangelib_makes_of_it() -> None:
    with Simulator() as simulator:
        simulator.add_mailbox("anna@example.test")
        simulator.fault("error", code="ErrorPasswordExpired")
        connector = ExchangeEWS(Account("anna@example.test", simulator.url, "anna@example.test", simulator.password))
        with pytest.raises(SignInRefused, match="expired"):
            connector.folders()
        connector.close()
