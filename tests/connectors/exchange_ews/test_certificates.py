"""Connections over TLS: checked as they should be, by authorities that are read once."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from connectors.base import Account
from connectors.exchange_ews import ExchangeEWS
from connectors.simulator.certificate import self_signed
from connectors.simulator.simulator import Simulator
from terracrm.errors import Temporary


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(tls=True) as simulator:
        simulator.add_mailbox("anna@example.test")
        yield simulator


@pytest.fixture
def authorities(simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with the certificate of the simulator, which the environment names."""
    path = tmp_path / "authorities.pem"
    path.write_text(certificate_of(simulator))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))
    return path


def certificate_of(simulator: Simulator) -> str:
    address = urlsplit(simulator.url)
    return ssl.get_server_certificate((str(address.hostname), int(address.port or 0)))


def folders(simulator: Simulator, *, verify_tls: bool = True) -> int:
    opened = ExchangeEWS(Account("anna@example.test", simulator.url, "anna@example.test", "secret", False, verify_tls))
    try:
        return len(opened.folders())
    finally:
        opened.close()


def test_a_certificate_that_nobody_vouches_for_is_refused(simulator: Simulator) -> None:
    with pytest.raises(Temporary, match="not trusted"):
        folders(simulator)


def test_unless_the_administrator_says_so(simulator: Simulator) -> None:
    assert folders(simulator, verify_tls=False)
    with pytest.raises(Temporary, match="not trusted"):
        folders(simulator)  # what holds for one server holds for no other


@pytest.mark.usefixtures("authorities")
def test_the_authorities_of_the_environment_hold_and_are_read_once(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert folders(simulator)
    read: list[object] = []
    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", lambda *given, **named: read.append((given, named)))
    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", lambda *given: read.append(given))
    assert folders(simulator)
    assert folders(simulator, verify_tls=False)
    assert read == []


def test_authorities_that_were_replaced_are_read_anew(simulator: Simulator, authorities: Path) -> None:
    assert folders(simulator)
    with Simulator(tls=True) as other:
        authorities.write_text(certificate_of(other))
        os.utime(authorities, ns=(1, 1))
        with pytest.raises(Temporary, match="not trusted"):
            folders(simulator)


def test_a_certificate_for_another_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = tmp_path / "certificate.pem", tmp_path / "key.pem"
    for path, content in zip(paths, self_signed("mail.example.test"), strict=True):
        path.write_bytes(content)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(paths[0]))
    with Simulator(tls=paths) as simulator:
        simulator.add_mailbox("anna@example.test")
        with pytest.raises(Temporary, match="not trusted"):
            folders(simulator)


def test_authorities_that_cannot_be_read_are_named(simulator: Simulator, authorities: Path) -> None:
    authorities.write_text("")
    with pytest.raises(Temporary, match=r"authorities\.pem"):
        folders(simulator)
