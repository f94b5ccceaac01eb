"""Errors, named by what the caller does about them.

Every message is a sentence a person can act on; none carries a secret. The command line turns a TerraCRMError
into its text and `exit_code`, the portal into a page, the sync engine into a reaction of the stream.
"""

from __future__ import annotations

from collections.abc import Sequence


class TerraCRMError(Exception):
    """Something the user can act on. `exit_code` is what the command line returns to scripts."""

    exit_code = 1


class ConfigError(TerraCRMError):
    """The settings do not hold: `problems` lists every mistake, each with its path."""

    exit_code = 78  # EX_CONFIG of sysexits.h

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))


class InvalidInput(TerraCRMError):
    """What was typed or sent cannot be used; nothing was changed."""

    exit_code = 2


class NotFound(TerraCRMError):
    """No such thing, or not for this viewer: the two are told apart for nobody."""


class Forbidden(TerraCRMError):
    """This role may not do that."""


class BrokerUnusable(TerraCRMError):
    """The message broker of the distributed engine cannot be reached, or is not set up."""


class ConnectorError(TerraCRMError):
    """A remote system did not do what was asked."""


class Temporary(ConnectorError):
    """Try again later: after `retry_after` seconds where the server named a time."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class AuthFailed(ConnectorError):
    """Credentials or rights are wrong: stop asking until a person has mended them."""


class SignInRefused(AuthFailed):
    """The account's own name or password is wrong: whatever signs in with it is refused, and each try counts."""


class Forgotten(ConnectorError):
    """The server watches these mailboxes (`addresses`) no longer: subscribe to them again."""

    def __init__(self, message: str, addresses: frozenset[str]) -> None:
        super().__init__(message)
        self.addresses = addresses


class CursorExpired(ConnectorError):
    """The server no longer knows this position: read the folder again from the start."""


class VersionConflict(ConnectorError):
    """The remote item has changed since it was read: read it again and plan anew."""


class ItemGone(ConnectorError):
    """The remote item or folder is no longer there."""


class ItemRejected(ConnectorError):
    """This one item cannot be read or written; the others can."""


class TooLarge(ItemRejected):
    """This content is larger than what was asked for: leave it where it is."""


class Unsupported(ConnectorError):
    """The remote system cannot do this at all."""
