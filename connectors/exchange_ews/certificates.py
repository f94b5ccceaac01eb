"""What connections over TLS are checked with, read once: that takes longer than asking whether anything changed."""

from __future__ import annotations

import ssl
from functools import lru_cache
from pathlib import Path

from requests.certs import where
from requests.exceptions import SSLError
from urllib3.util.ssl_ import create_urllib3_context


def tls_context(verify: bool | str | None) -> ssl.SSLContext:
    """The context of this process for servers that are checked by the authorities in a file or folder, by the usual
    ones (True), or not at all (False). A file that was replaced is read anew.

    Raises requests' SSLError when it cannot be read.
    """
    if not verify:
        return _unchecked()
    path = where() if verify is True else verify
    try:
        return _checked_by(path, Path(path).stat().st_mtime_ns)
    except OSError as error:
        raise SSLError(f"the certificates in {path} cannot be read: {error}") from error


@lru_cache(maxsize=1)
def _unchecked() -> ssl.SSLContext:
    return create_urllib3_context(cert_reqs=ssl.CERT_NONE)


@lru_cache(maxsize=2)
def _checked_by(path: str, _: int) -> ssl.SSLContext:
    context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED)
    if Path(path).is_dir():
        context.load_verify_locations(capath=path)
    else:
        context.load_verify_locations(cafile=path)
    return context
