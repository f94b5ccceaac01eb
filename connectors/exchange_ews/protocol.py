"""How exchangelib talks HTTP for one mailbox: its own sessions, one attempt, each body read in one piece."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import requests
from exchangelib.configuration import Configuration
from exchangelib.credentials import Credentials
from exchangelib.errors import UnauthorizedError
from exchangelib.protocol import FailFast, NoVerifyHTTPAdapter, Protocol
from exchangelib.transport import OAUTH2, get_auth_method_from_response
from requests.adapters import HTTPAdapter
from requests.auth import HTTPBasicAuth
from requests.cookies import RequestsCookieJar
from urllib3 import BaseHTTPResponse

from connectors.exchange_ews import errors
from connectors.exchange_ews.certificates import tls_context
from terracrm.errors import SignInRefused, Unsupported

PIECE = 1024 * 1024  # bytes


class MailboxCredentials(Credentials):
    """The sign-in for one open mailbox, equal to no other.

    exchangelib shares sessions and back-off between all that sign in to one server with equal credentials: the
    mailboxes of a service account would wait for each other.
    """

    __hash__ = object.__hash__

    def __init__(self, username: str, password: str, mailbox: str) -> None:
        super().__init__(username, password)
        self.mailbox = mailbox

    def __eq__(self, other: object) -> bool:
        return self is other


class OneAttempt(FailFast):
    """No retries: the schedule of retries is in the database, and repeated wrong passwords lock accounts.

    Remembers the server's clock from the last answer that named it, and by how much it was ahead of ours; and a refused
    sign-in: requests that were to follow those under way are not sent.
    """

    def __init__(self) -> None:
        self.server_time: datetime | None = None
        self.clock_skew: timedelta | None = None
        self.refusal = ""

    def raise_response_errors(self, response: requests.Response) -> None:
        """Raise the ConnectorError that the HTTP status stands for."""
        self._note_time(response.headers.get("Date"))
        error = errors.http_error(response)
        if error is None and not is_streaming(response):
            error = errors.incomplete_answer(response)
        if isinstance(error, SignInRefused):
            self.refusal = str(error)
        if error is not None:
            raise error

    def _note_time(self, date: str | None) -> None:
        try:
            told = parsedate_to_datetime(date) if date else None
        except ValueError:
            return
        if told is not None and told.tzinfo is not None:
            self.server_time, self.clock_skew = told, told - datetime.now(UTC)


def is_streaming(response: requests.Response) -> bool:
    """Whether the body is still to come, part by part."""
    return vars(response)["_content"] is False


class OnePieceResponse(requests.Response):
    """A response that hands out its body at once.

    exchangelib iterates with requests' default chunk of one byte, which is 72 % of the time of a fetch.
    """

    @property
    def content(self) -> bytes:
        """The body; requests reads it in pieces of 10 KB, and an answer has many of them."""
        if is_streaming(self):
            self._content = b"".join(super().iter_content(PIECE))
        return super().content

    def iter_content(self, chunk_size: int | None = 1, decode_unicode: bool = False) -> Any:
        """The whole body as bytes once it was read, as exchangelib's own DummyResponse does."""
        body = vars(self)["_content"]
        return body if isinstance(body, bytes) else super().iter_content(chunk_size, decode_unicode)


class OnePieceAdapter(HTTPAdapter):
    """Builds OnePieceResponses, and knows by which authorities to check: requests reads them for each connection."""

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: bool | str | None, cert: Any = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """What requests says of a connection, with the TLS context of this process."""
        host, tls = super().build_connection_pool_key_attributes(request, verify, cert)
        if host["scheme"] == "https":
            tls["ssl_context"] = tls_context(verify)
        return host, tls

    def cert_verify(self, conn: Any, url: str, verify: bool | str | None, cert: Any) -> None:
        """As requests does, but for the authorities, which the context knows."""
        super().cert_verify(conn, url, verify, cert)
        conn.ca_certs = conn.ca_cert_dir = None

    def build_response(self, req: requests.PreparedRequest, resp: BaseHTTPResponse) -> requests.Response:
        """What requests builds, as a OnePieceResponse."""
        response = super().build_response(req, resp)
        response.__class__ = OnePieceResponse
        return response


class UnverifiedAdapter(OnePieceAdapter, NoVerifyHTTPAdapter):
    """The same without a look at the server's certificate."""


class MailboxProtocol(Protocol):
    """exchangelib's protocol of one open mailbox: each request that is under way has a session of its own."""

    HTTP_ADAPTER_CLS = OnePieceAdapter
    USERAGENT = "TerraCRM"
    TIMEOUT = (10, 120)  # seconds to connect; seconds without a byte
    RETRY_WAIT = 0  # exchangelib puts this into errors as if the server had named a time

    def __init__(self, config: Configuration) -> None:
        super().__init__(config)
        # The affinity to a server outlives a session that broke off.
        self._cookies = RequestsCookieJar()
        self._connected: HTTPAdapter | None = None

    def get_auth_type(self) -> str:
        """Ask once what sign-in the server wants; exchangelib would ask again for every EWS version it knows.

        The first session goes on with the connection, which costs more than the question.
        """
        session = self.raw_session(self.service_endpoint)
        self._connected = session.get_adapter(self.service_endpoint)
        response = session.post(
            self.service_endpoint, data=self.dummy_xml(), allow_redirects=False, timeout=self.TIMEOUT
        )
        if response.status_code != 401:
            self.retry_policy.raise_response_errors(response)
        return _auth_type(response)

    def close(self) -> None:
        """Close the connections, one that was never used for a session among them."""
        super().close()
        if self._connected is not None:
            self._connected.close()

    def get_session(self) -> requests.Session:
        """A session for one request; none once the account was refused, for each try counts towards its lock-out."""
        session = super().get_session()  # waits while all are in use
        if self.retry_policy.refusal:
            self.release_session(session)
            raise SignInRefused(self.retry_policy.refusal)
        return session

    def create_session(self) -> requests.Session:
        """A session whose Basic sign-in is in UTF-8 (RFC 7617): requests knows Latin-1 only, and fails on Cyrillic.

        It looks once for proxies and certificates in the environment: requests does at each request, and spends a
        quarter of its time on it.
        """
        session: requests.Session = super().create_session()
        session.cookies = self._cookies
        if self._connected is not None:
            session.mount(self.service_endpoint, self._connected)
            self._connected = None
        surroundings = session.merge_environment_settings(self.service_endpoint, {}, None, None, None)
        session.proxies, session.verify, session.trust_env = surroundings["proxies"], surroundings["verify"], False
        if isinstance(session.auth, HTTPBasicAuth):
            session.auth = HTTPBasicAuth(self.credentials.username.encode(), self.credentials.password.encode())
        return session


class UnverifiedProtocol(MailboxProtocol):
    """For a server whose certificate cannot be checked, when the administrator says so."""

    HTTP_ADAPTER_CLS = UnverifiedAdapter


def _auth_type(response: requests.Response) -> str:
    host = urlsplit(response.url).netloc
    try:
        auth_type = get_auth_method_from_response(response)
    except UnauthorizedError:
        offered = response.headers.get("WWW-Authenticate", "nothing").split(" ")[0]
        raise Unsupported(f"{host} offers neither NTLM nor Basic nor Digest sign-in, but {offered}.") from None
    if auth_type == OAUTH2:
        raise Unsupported(f"{host} wants a modern sign-in (OAuth) and accepts no password over EWS.")
    return str(auth_type)
