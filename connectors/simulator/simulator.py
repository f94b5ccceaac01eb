"""The simulator as one object: started by tests in their own process, or served from the command line."""

from __future__ import annotations

import logging
import signal
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

from connectors.simulator import certificate, control, delivery, operations, soap
from connectors.simulator.errors import EwsError, SoapFault
from connectors.simulator.faults import Fault, Faults
from connectors.simulator.registry import OPERATIONS, Call
from connectors.simulator.rows import ItemRow, Mailbox
from connectors.simulator.schema import Element
from connectors.simulator.server import Server
from connectors.simulator.store import Store
from connectors.simulator.subscriptions import Subscriptions
from connectors.simulator.wire import Answer

_log = logging.getLogger(__name__)
_SERVICE = "service"


class Simulator:
    """An Exchange server with its mailboxes.

    `with Simulator() as simulator:` serves on a free port of 127.0.0.1 until the block ends; `simulator.url` is
    the EWS address. `data` keeps everything in a folder over restarts. `tls` True makes a certificate of its
    own; a pair of paths names certificate and key. Every mailbox has the one `password`.
    """

    def __init__(
        self,
        *,
        domain: str = "example.test",
        password: str = "secret",  # noqa: S107 - what tests sign in with
        host: str = "127.0.0.1",
        port: int = 0,
        data: Path | None = None,
        tls: bool | tuple[Path, Path] = False,
    ) -> None:
        operations.load()
        self.domain = domain
        self.password = password
        self.faults = Faults()
        self.subscriptions = Subscriptions()
        self.on_answer: list[Callable[[bytes], None]] = []
        self.requests: list[str] = []
        self.store = Store(data, domain=domain)
        self.service = self.store.mailboxes.add(f"{_SERVICE}@{domain}", "Sync Service")
        self.scheme = "https" if tls else "http"
        self.stopping = threading.Event()
        self._server = Server((host, port), self, _context(tls, host))
        self._thread: threading.Thread | None = None

    @property
    def netloc(self) -> str:
        """Host and port of the server."""
        host, port = self._server.server_address[:2]
        return f"{host!s}:{port}"

    @property
    def url(self) -> str:
        """The EWS address."""
        return f"{self.scheme}://{self.netloc}/EWS/Exchange.asmx"

    @property
    def control_url(self) -> str:
        """The address of the control endpoint that only the simulator has."""
        return f"{self.scheme}://{self.netloc}/_control"

    def __enter__(self) -> Simulator:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Serve in a thread."""
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop serving, end the streams, and close the store."""
        self.stopping.set()
        with self.store.journal.changed:
            self.store.journal.changed.notify_all()
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
        self._server.close_connections()
        self._server.server_close()
        self.store.close()

    def add_mailbox(self, address: str, name: str | None = None, *, shared: bool = False) -> Mailbox:
        """The mailbox with that address, made when there is none; a shared one has no sign-in of its own."""
        return self.store.mailboxes.add(address, name, kind="shared" if shared else "user")

    def grant(self, address: str, to: str) -> None:
        """Give `to` full access to the mailbox `address`; both must exist (KeyError)."""
        mailbox, grantee = self.store.mailboxes.find(address), self.store.mailboxes.find(to)
        if mailbox is None or grantee is None:
            raise KeyError(f"no mailbox {address if mailbox is None else to}")
        self.store.mailboxes.grant(mailbox, grantee)

    def deliver(self, message: bytes, to: list[str], *, folder: str = "inbox") -> list[ItemRow]:
        """Deliver an RFC 822 message from outside to mailboxes (KeyError for an unknown address)."""
        return delivery.from_outside(self.store, message, to, folder=folder)

    def reset(self) -> None:
        """Forget every mailbox, item, fault and subscription; the service account stays."""
        self.faults.clear()
        self.subscriptions.clear()
        self.store.skew = timedelta()
        self.store.reset()
        self.service = self.store.mailboxes.add(f"{_SERVICE}@{self.domain}", "Sync Service")

    def fault(self, kind: str, **settings: Any) -> Fault:
        """Switch a fault on; see `faults.KINDS`."""
        return self.faults.add(kind, **settings)

    def control(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        """Answer a request to the control endpoint."""
        return control.answer(self, method, path, body)

    def serve(self, body: bytes, caller: Mailbox, url: str, gone: Callable[[], bool] = lambda: False) -> Answer:
        """Answer one EWS request of a signed-in user; `gone` says whether the client still waits for it."""
        try:
            envelope = soap.parse(body)
        except soap.NotXml as error:
            return Answer(400 if b"<" not in body else 500, soap.fault(error))
        except SoapFault as error:
            return self._fault(error)
        mailbox = soap.mailbox_named(envelope) or caller.address
        striking = self.faults.striking(envelope.operation, mailbox)
        early = self._early(striking)
        if early is not None:
            return early
        self.requests.append(envelope.operation)
        del self.requests[:-10_000]
        try:
            user = self._acting(envelope, caller)
            call = Call(
                self.store,
                envelope.operation,
                envelope.body,
                user,
                caller,
                envelope.version,
                envelope.time_zone,
                simulator=self,
                url=url,
                striking=striking,
                gone=gone,
            )
            made = self._answer(call)
        except EwsError as error:
            return self._fault(error)
        except Exception:  # noqa: BLE001 - whatever went wrong, the client gets an answer of Exchange
            _log.exception("%s failed", envelope.operation)
            return self._fault(SoapFault("ErrorInternalServerError"))
        if not isinstance(made, Element):
            return Answer(stream=self._streamed(striking, made))
        return self._late(striking, Answer(200, self._shown(soap.wrap(made))))

    def _answer(self, call: Call) -> Element | Iterator[Element]:
        handler = OPERATIONS.get(call.name)
        if handler is None:
            raise SoapFault("ErrorInvalidRequest")
        if call.name in _STREAMING:
            return handler(call)
        with self.store.transaction():
            return handler(call)

    def _streamed(self, striking: list[Fault], parts: Iterator[Element]) -> Iterator[bytes]:
        """The parts of an answer that goes on; cut off behind the first one where a fault says so."""
        is_cut = any(fault.kind == "cut" for fault in striking)
        try:
            for part in parts:
                yield self._shown(soap.wrap_notification(part))
                if is_cut:
                    raise ConnectionResetError
        finally:
            parts.close()  # type: ignore[attr-defined]

    def _shown(self, data: bytes) -> bytes:
        for watch in self.on_answer:
            watch(data)
        return data

    def _fault(self, error: EwsError) -> Answer:
        return Answer(500, soap.fault(error))

    def _acting(self, envelope: soap.Envelope, caller: Mailbox) -> Mailbox:
        if envelope.impersonated is None:
            return caller
        kind, value = envelope.impersonated
        boxes = self.store.mailboxes
        if kind == "SID":
            found = boxes.by_sid(value)
        elif kind == "PrincipalName":
            found = boxes.by_user_name(value)
        else:
            found = boxes.find(value)
        if caller.number != self.service.number and (found is None or found.number != caller.number):
            raise SoapFault("ErrorImpersonateUserDenied")
        if found is None:
            raise SoapFault("ErrorNonExistentMailbox", "The SMTP address has no mailbox associated with it.")
        return found

    def _early(self, striking: list[Fault]) -> Answer | None:
        for fault in striking:
            if fault.kind == "slow":
                self.stopping.wait(fault.milliseconds / 1000)
            elif fault.kind == "drop":
                return Answer(drop=True)
            elif fault.kind == "unavailable":
                headers = {} if fault.seconds is None else {"Retry-After": str(fault.seconds)}
                return Answer(503, b"Service Unavailable", headers=headers, content_type="text/plain")
            elif fault.kind == "internal":
                return Answer(500, b"Internal Server Error", content_type="text/plain")
            elif fault.kind == "unauthorized":
                return Answer(401, headers={"WWW-Authenticate": 'Basic realm="exchange"'})
            elif fault.kind == "server_busy" and not fault.per_item:
                wait = str(fault.milliseconds or 1000)
                return self._fault(SoapFault("ErrorServerBusy", BackOffMilliseconds=wait))
            elif fault.kind == "error" and not fault.per_item:
                return self._fault(SoapFault(fault.code or "ErrorInternalServerError"))
        return None

    def _late(self, striking: list[Fault], answer: Answer) -> Answer:
        for fault in striking:
            if fault.kind == "cut":
                answer.cut = True
            elif fault.kind == "truncated":
                answer.body = answer.body[: len(answer.body) * 2 // 3]
        return answer


_STREAMING = frozenset({"GetStreamingEvents"})


def _context(tls: bool | tuple[Path, Path], host: str) -> ssl.SSLContext | None:
    if not tls:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if isinstance(tls, tuple):
        context.load_cert_chain(*tls)
    else:
        certificate.load_self_signed(context, host)
    return context


def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 8580,
    domain: str = "example.test",
    password: str,
    load: Callable[[Simulator], None] | None = None,
    data: Path | None = None,
    tls: bool | tuple[Path, Path] = False,
    announce: Callable[[str], None] = print,
) -> None:
    """Serve until SIGINT or SIGTERM. `load` fills the mailboxes first; then `ready URL` is announced.

    Raises OSError when the port is taken.
    """
    simulator = Simulator(domain=domain, password=password, host=host, port=port, data=data, tls=tls)
    done = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        # From a thread: who waits for the event holds its lock for an instant, and a signal may come just then.
        signal.signal(number, lambda *_: threading.Thread(target=done.set).start())
    try:
        if load is not None:
            load(simulator)
        if not done.is_set():
            simulator.start()
            announce(f"ready {simulator.url}")
            done.wait()
    finally:
        simulator.stop()
