"""An HTTP server that answers EWS requests from a script, for what a healthy server never sends."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from lxml import etree

from connectors.base import Account
from connectors.exchange_ews import ExchangeEWS

NAMESPACES = (
    'xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages"'
    ' xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types"'
)
SHARED = Path(os.environ.get("TERRACRM_SHARED", Path(__file__).parents[4] / "shared"))
SCHEMA = SHARED / "schemas" / "ews" / "messages.xsd"


def envelope(body: str) -> bytes:
    """A SOAP answer as Exchange 2016 sends it."""
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Header>'
        '<h:ServerVersionInfo MajorVersion="15" MinorVersion="1" MajorBuildNumber="2507" MinorBuildNumber="35"'
        ' Version="V2017_07_11" xmlns:h="http://schemas.microsoft.com/exchange/services/2006/types"/></s:Header>'
        f"<s:Body>{body}</s:Body></s:Envelope>"
    ).encode()


def answered(operation: str, *messages: str) -> str:
    """The response element of an operation with its response messages."""
    return (
        f"<m:{operation}Response {NAMESPACES}><m:ResponseMessages>{''.join(messages)}"
        f"</m:ResponseMessages></m:{operation}Response>"
    )


def success(operation: str, content: str) -> str:
    """A response message without an error."""
    return (
        f'<m:{operation}ResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode>'
        f"{content}</m:{operation}ResponseMessage>"
    )


def failure(operation: str, code: str, xml: str = "", content: str = "") -> str:
    """A response message with an error code."""
    return (
        f'<m:{operation}ResponseMessage ResponseClass="Error"><m:MessageText>It failed.</m:MessageText>'
        f"<m:ResponseCode>{code}</m:ResponseCode><m:DescriptiveLinkKey>0</m:DescriptiveLinkKey>{xml}{content}"
        f"</m:{operation}ResponseMessage>"
    )


def fault(code: str, xml: str = "") -> bytes:
    """A SOAP fault, which Exchange sends with HTTP status 500."""
    return envelope(
        "<s:Fault><faultcode>a:" + code + '</faultcode><faultstring xml:lang="en-US">It failed.</faultstring><detail>'
        '<e:ResponseCode xmlns:e="http://schemas.microsoft.com/exchange/services/2006/errors">'
        + code
        + '</e:ResponseCode><e:Message xmlns:e="http://schemas.microsoft.com/exchange/services/2006/errors">It failed.'
        f"</e:Message>{xml}</detail></s:Fault>"
    )


@dataclass
class Reply:
    """What goes over the wire."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False


Answer = Reply | Callable[[etree._Element], Reply]


class ScriptedServer:
    """Answers each operation as told; a wrong or missing password with 401, the version question by itself."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.invalid: list[str] = []
        self.connections = 0
        self.challenge = Reply(status=401, headers={"WWW-Authenticate": 'Basic realm="exchange"'})
        self._answers: dict[str, Answer] = {}
        self.on("ConvertId", answered("ConvertId", failure("ConvertId", "ErrorNonExistentMailbox")))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/EWS/Exchange.asmx"

    def on(self, operation: str, answer: str | Answer, *, valid: bool = True) -> None:
        """Answer an operation ("*": every request that signs in) from now on; `valid` text follows the schema."""
        if isinstance(answer, str):
            if valid:
                check(answer)
            answer = Reply(envelope(answer))
        self._answers[operation] = answer

    def connector(self, **options: int) -> ExchangeEWS:
        """A connector to Anna's mailbox."""
        return ExchangeEWS(Account("anna@example.test", self.url, "anna@example.test", "secret", **options))

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _reply(self, body: bytes, signs_in: bool) -> Reply:
        request = etree.fromstring(body).find("{*}Body")[0]
        operation = etree.QName(request).localname
        schema = _schema()
        if schema is not None and not schema.validate(request):
            self.invalid.append(f"{operation}: {schema.error_log.last_error}")
        self.requests.append(operation if signs_in else "anonymous")
        if not signs_in:
            return self.challenge
        answer = self._answers.get("*") or self._answers[operation]
        return answer if isinstance(answer, Reply) else answer(request)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        script = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # headers and body in one packet

            def setup(self) -> None:
                script.connections += 1
                super().setup()

            def log_message(self, format: str, *args: object) -> None:
                """Keep the output of the tests clean."""

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                reply = script._reply(body, "Authorization" in self.headers)
                script.headers.append(dict(self.headers.items()))
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body[: len(reply.body) // 2] if reply.cut else reply.body)
                self.close_connection = reply.cut or reply.headers.get("Connection") == "close"

        return Handler


@cache
def _schema() -> etree.XMLSchema | None:
    return etree.XMLSchema(etree.parse(SCHEMA)) if SCHEMA.exists() else None


def check(answer: str) -> None:
    """Hold a hand-written answer against Microsoft's schema, where it is at hand."""
    schema = _schema()
    if schema is not None:
        schema.assertValid(etree.fromstring(answer))
