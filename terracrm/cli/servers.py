"""The servers behind the mailboxes, asked from here: do they let us in, is their clock right, how long is their
certificate good."""

from __future__ import annotations

import socket
import ssl
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from connectors.base import Capabilities
from terracrm.cli.invocation import current
from terracrm.errors import SignInRefused
from terracrm.services import mailboxes

CLOCK_SKEW = timedelta(minutes=2)
CERTIFICATE_DAYS = 21
CONNECT_SECONDS = 10


def look_round(address: str, *, by_hand: bool = True) -> Capabilities:
    """Sign in to a mailbox and list its folders, changing nothing; raises what the connector raises.

    An account that is refused is tried once in a call, for however many mailboxes; and unless it is done `by_hand` not
    at all when it was refused before.
    """
    # The client library of Exchange takes long to import, and only these commands speak to a server.
    from sync.connecting import connect
    from sync.engine import account_of

    current().start_log()
    with current().transaction() as session:
        account = account_of(current().settings, mailboxes.get(session, address), by_hand=by_hand)
    key = (account.server, account.username, account.password)
    if key in current().refused:
        raise current().refused[key]
    connector = connect(account)
    try:
        return connector.test()
    except SignInRefused as error:
        current().refused[key] = error
        raise
    finally:
        connector.close()


def clock_problem(server_time: datetime | None) -> str | None:
    """What to do when the server's clock and ours differ too much: times of mail and meetings would be wrong."""
    if server_time is None:
        return None
    skew = abs(datetime.now(UTC) - server_time)
    if skew <= CLOCK_SKEW:
        return None
    return f"the clocks of the server and of this machine differ by {skew.total_seconds():.0f} s: set them"


def certificate_problem(server: str) -> str | None:
    """What to do about the certificate of an https server; None when it is good for a while or nothing answers."""
    url = urlsplit(server)
    if url.scheme != "https" or not url.hostname:
        return None
    try:
        address = (url.hostname, url.port or 443)
        with socket.create_connection(address, CONNECT_SECONDS) as plain:
            context = ssl.create_default_context()
            with context.wrap_socket(plain, server_hostname=url.hostname) as secure:
                certificate = secure.getpeercert() or {}
    except ssl.SSLCertVerificationError as error:
        return f"the certificate is not trusted ({error.verify_message}): have it renewed, or trust its issuer here"
    except OSError:
        return None
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC)
    days = (ends - datetime.now(UTC)).days
    return f"the certificate ends in {days} days: have it renewed" if days < CERTIFICATE_DAYS else None
