"""The HTTP server: connections, sign-in, and what goes over the wire."""

from __future__ import annotations

import base64
import binascii
import gzip
import hmac
import selectors
import socket
import ssl
from collections.abc import Generator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from connectors.simulator import autodiscover
from connectors.simulator.rows import Mailbox
from connectors.simulator.wire import XML, Answer

if TYPE_CHECKING:
    from connectors.simulator.simulator import Simulator

EWS_PATH = "/ews/exchange.asmx"
_MAX_BODY = 150 * 1024 * 1024
_READY_PAGE = b"<html><head><title>Service</title></head><body><p>You have created a service.</p></body></html>"


class Server(ThreadingHTTPServer):
    """One thread per connection; connections stay open between requests."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], simulator: Simulator, tls: ssl.SSLContext | None) -> None:
        self.simulator = simulator
        self._tls = tls
        self._open: set[socket.socket] = set()
        super().__init__(address, Handler)

    def get_request(self) -> tuple[Any, Any]:
        connection, address = self.socket.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls is not None:
            connection = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        """Close what clients keep open, so that no thread waits for them."""
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error of the server."""


class Handler(BaseHTTPRequestHandler):
    """One connection of a client."""

    protocol_version = "HTTP/1.1"
    server_version = "Microsoft-IIS/10.0"
    sys_version = ""
    timeout = 300
    server: Server

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not logged: the simulator keeps what tests need to know."""

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The Date header, by the server's own clock."""
        own = self.server.simulator.store.now().timestamp()
        return super().date_time_string(own if timestamp is None else timestamp)

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_HEAD(self) -> None:
        self._serve()

    def do_OPTIONS(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def _serve(self) -> None:
        body = self._body()
        if body is None:
            self.close_connection = True
            self._send(Answer(413, b"The request is too large.", content_type="text/plain"))
            return
        self._send(self._route(body))

    def _body(self) -> bytes | None:
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            body = self._chunks()
        else:
            length = self.headers.get("Content-Length", "0")
            if not length.isdigit() or int(length) > _MAX_BODY:
                return None
            body = self.rfile.read(int(length))
        if body is not None and self.headers.get("Content-Encoding", "") == "gzip":
            try:
                body = gzip.decompress(body)
            except (OSError, EOFError):
                return b""
        return body

    def _chunks(self) -> bytes | None:
        parts, total = [], 0
        while True:
            size = self.rfile.readline(100).split(b";")[0].strip()
            try:
                length = int(size, 16)
            except ValueError:
                return None
            if not length:
                self.rfile.readline()
                return b"".join(parts)
            total += length
            if total > _MAX_BODY:
                return None
            parts.append(self.rfile.read(length))
            self.rfile.readline()

    def _route(self, body: bytes) -> Answer:
        path = self.path.partition("?")[0].lower()
        simulator = self.server.simulator
        if path.startswith("/_control"):
            return simulator.control(self.command, self.path, body, dict(self.headers.items()))
        if path.startswith("/autodiscover/") and self.command == "GET":
            return Answer(401, headers=_challenge()) if self._user() is None else Answer(200)
        if path not in (EWS_PATH, "/ews/services.wsdl") and not path.startswith("/autodiscover/"):
            return Answer(404, b"Not found", content_type="text/plain")
        user = self._user()
        if user is None:
            return Answer(401, headers=_challenge())
        if path.startswith("/autodiscover/"):
            return autodiscover.answer(simulator, path, body, self._base(), user)
        if self.command != "POST":
            return Answer(200, _READY_PAGE, content_type="text/html; charset=utf-8")
        return simulator.serve(body, user, f"{self._base()}/EWS/Exchange.asmx", self._gone)

    def _gone(self) -> bool:
        """True when the client has hung up: while it waits for an answer it has nothing to send."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.connection, selectors.EVENT_READ)
            return bool(selector.select(0))

    def _base(self) -> str:
        host = self.headers.get("Host") or self.server.simulator.netloc
        return f"{self.server.simulator.scheme}://{host}"

    def _user(self) -> Mailbox | None:
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            name, _, password = base64.b64decode(token).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        simulator = self.server.simulator
        user = simulator.store.mailboxes.by_user_name(name)
        right = hmac.compare_digest(password.encode(), simulator.password.encode())
        return user if right and user is not None and user.kind == "user" else None

    def _send(self, answer: Answer) -> None:
        if answer.drop:
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.stream is not None:
            self._send_stream(answer.stream)
            return
        body = answer.body
        self.send_header("Content-Type", answer.content_type)
        if "gzip" in self.headers.get("Accept-Encoding", "") and len(body) > 1024 and not answer.cut:
            body = gzip.compress(body, compresslevel=1)
            self.send_header("Content-Encoding", "gzip")
            self.send_header("Vary", "Accept-Encoding")
        self.send_header("Content-Length", str(len(body)))
        if answer.cut:
            body, self.close_connection = body[: len(body) // 2], True
        if self.command == "HEAD":
            body = b""
        self._headers_buffer.append(b"\r\n" + body)  # one write: no packet of headers alone
        self.flush_headers()

    def _send_stream(self, stream: Iterator[bytes]) -> None:
        self.send_header("Content-Type", XML)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for part in stream:
                self.wfile.write(f"{len(part):X}\r\n".encode() + part + b"\r\n")
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            self.close_connection = True
        finally:
            if isinstance(stream, Generator):
                stream.close()  # the connection is not held any longer


def _challenge() -> dict[str, str]:
    return {"WWW-Authenticate": 'Basic realm="exchange"', "X-WSSecurity-Enabled": "True"}
