"""Posting JSON to the webhook of the settings. Its address may carry a secret: no error names more than the host."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import requests
from pydantic import SecretStr

from terracrm.errors import ConnectorError, Temporary, Unsupported

CONNECT_SECONDS, ANSWER_SECONDS = 5, 10


def post(url: SecretStr, body: dict[str, Any]) -> None:
    """One attempt. No redirect is followed, and the certificate is checked.

    Raises Temporary for what may go by, Unsupported for what a person has to mend.
    """
    address = url.get_secret_value()
    host = urlsplit(address).netloc
    try:
        # Closed without reading: what the receiver says is of no use, however long it is.
        with requests.post(
            address,
            json=body,
            timeout=(CONNECT_SECONDS, ANSWER_SECONDS),
            allow_redirects=False,
            stream=True,
            headers={"User-Agent": "TerraCRM"},
        ) as answer:
            status = answer.status_code
    except (requests.RequestException, ValueError) as error:
        raise _unreachable(error, host) from None
    if 200 <= status < 300:
        return
    if status in (408, 425, 429) or status >= 500:
        raise Temporary(f"{host} cannot take it at the moment (HTTP {status}).")
    if 300 <= status < 400:
        raise Unsupported(f"{host} redirects (HTTP {status}): set alerts.webhook_url to the address that it means.")
    raise Unsupported(f"{host} refuses it (HTTP {status}): check alerts.webhook_url.")


def _unreachable(error: Exception, host: str) -> ConnectorError:
    if isinstance(error, ValueError):  # InvalidURL is one
        return Unsupported("The address of the webhook is no URL that works: check alerts.webhook_url.")
    if isinstance(error, requests.exceptions.SSLError):
        return Temporary(f"The TLS certificate of {host} is not trusted.")
    if isinstance(error, requests.exceptions.Timeout):
        return Temporary(f"{host} did not answer in time.")
    return Temporary(f"{host} cannot be reached.")
