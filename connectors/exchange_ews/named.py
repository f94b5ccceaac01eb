"""The named properties that we keep on the items of a mailbox, and nobody else does (W2).

They are in PS_PUBLIC_STRINGS, the set of Outlook's user-defined fields ({00020329-0000-0000-C000-000000000046}): so
a user adds them as columns of a view by their names, and Graph reads them as singleValueExtendedProperties
"String {00020329-0000-0000-C000-000000000046} Name TerraCRM Key". A copy of an item carries them too.
"""

from __future__ import annotations

from typing import Final

from connectors.exchange_ews.elements import Item, moment
from connectors.exchange_ews.services import Path
from terracrm.domain.records import ClientCard

KEY: Final = "TerraCRM Key"
"""The idempotency key that an item was created with."""

CARD: Final = {
    "client_id": ("TerraCRM Client", "String"),
    "owner": ("TerraCRM Owner", "String"),
    "stage": ("TerraCRM Stage", "String"),
    "last_contact": ("TerraCRM Last Contact", "SystemTime"),
    "next_step": ("TerraCRM Next Step", "String"),
    "profile_link": ("TerraCRM Profile", "String"),
}
"""The field of ClientCard -> the property's name, which is the title of its column in Outlook, and its type."""


def path(name: str, kind: str = "String") -> Path:
    """The path of a named property."""
    return "ExtendedFieldURI", (
        ("DistinguishedPropertySetId", "PublicStrings"),
        ("PropertyName", name),
        ("PropertyType", kind),
    )


PATHS: Final = (path(KEY), *(path(*named) for named in CARD.values()))


def key(item: Item) -> str:
    """The idempotency key of an item that we created, or of a copy of it."""
    return item.extended().get(KEY.lower(), "")


def card(item: Item) -> ClientCard:
    """What we wrote about the client on a contact."""
    found = item.extended()
    texts = {field: found.get(name.lower(), "") for field, (name, kind) in CARD.items() if kind == "String"}
    return ClientCard(**texts, last_contact=moment(found.get(CARD["last_contact"][0].lower(), "")))
