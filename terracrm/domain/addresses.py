"""E-mail addresses and their domains, made comparable, and what a domain says about a person (M1, S5)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from publicsuffixlist import PublicSuffixList

MAX_ADDRESS = 320  # RFC 3696: 64 characters before the @ and 255 after it
_UNUSABLE = re.compile(r"[\s\x00\ud800-\udfff]")  # spaces, and what no database stores
_SUFFIXES = PublicSuffixList(accept_unknown=True)
# Nobody reads it, wherever in the name it says so.
_NO_REPLY = re.compile(r"(^|[._+=-])(no|do[._-]?not|not)[._-]?reply|(^|[._+=-])auto[._-]?(reply|respond|confirm)")
# A machine, when the name begins with it.
_MACHINE = re.compile(
    r"(mailer-?daemon|postmaster|bounces?|notif(y|ications?|ier)|newsletters?|robot|listserv|listmaster|majordomo"
    r"|mailman|owner(?=-))([-+._=].*)?$"
)
# What mailing lists name their helpers and themselves.
_OF_LIST = re.compile(r"-(request|bounces?|owner|subscribe|unsubscribe)([-+._=].*)?$")
_LIST_HOST = re.compile(r"(lists?\.[^.]+\..+|([^.]+\.)?(googlegroups\.com|groups\.io|yahoogroups\.com))$")


@lru_cache(maxsize=20_000)
def normalise(address: str) -> str:
    """The address in its comparable form, lower case, or "" where it is none; "" never matches anything (M1).

    The domain is in its ASCII form; a plus tag stays, since another person may be behind it.
    """
    address = address.strip().strip("<>'\"").strip().casefold().removeprefix("mailto:")
    local, _, domain = address.rpartition("@")
    domain = domain.rstrip(".")
    if not local or not domain or len(address) > MAX_ADDRESS or _UNUSABLE.search(address):
        return ""
    try:
        return f"{local}@{domain.encode('idna').decode()}"
    except UnicodeError:
        return f"{local}@{domain}"


def domain_of(address: str) -> str:
    """The domain of a normalised address."""
    return address.rpartition("@")[2]


@lru_cache(maxsize=20_000)
def registrable(domain: str) -> str:
    """The part of a domain that an organisation registers: spb.lavka.example -> lavka.example; "" for none."""
    return _SUFFIXES.privatesuffix(domain) or (domain if "." not in domain else "")


def is_no_reply(address: str) -> bool:
    """Whether no person is behind this normalised address: nobody reads it, a machine does, or it is a list's (S7)."""
    name, _, domain = address.rpartition("@")
    return bool(_NO_REPLY.search(name) or _MACHINE.match(name) or _OF_LIST.search(name) or _LIST_HOST.match(domain))


@dataclass(frozen=True)
class DomainPolicy:
    """Which domains are our own, and which are anybody's: the settings of `[mirror]`."""

    internal: frozenset[str] = frozenset()
    free_mail: frozenset[str] = frozenset()

    @classmethod
    def of(cls, internal: Iterable[str], free_mail: Iterable[str]) -> DomainPolicy:
        """From the lists of the settings."""
        return _policy(frozenset(internal), frozenset(free_mail))

    def is_internal(self, address: str) -> bool:
        """Whether a normalised address is of our own company; subdomains of ours are ours."""
        return _is_within(domain_of(address), self.internal)

    def company_domain(self, address: str) -> str:
        """The domain that tells the company of a normalised address; "" for internal, free-mail and none."""
        return _company_domain(domain_of(address), self)


@lru_cache(maxsize=10)
def _policy(internal: frozenset[str], free_mail: frozenset[str]) -> DomainPolicy:
    return DomainPolicy(frozenset(d.casefold() for d in internal), frozenset(d.casefold() for d in free_mail))


@lru_cache(maxsize=20_000)
def _is_within(domain: str, domains: frozenset[str]) -> bool:
    return bool(domain) and any(domain == d or domain.endswith(f".{d}") for d in domains)


@lru_cache(maxsize=20_000)
def _company_domain(domain: str, policy: DomainPolicy) -> str:
    if not domain or _is_within(domain, policy.internal) or domain in policy.free_mail:
        return ""
    found = registrable(domain)
    return "" if found in policy.free_mail else found
