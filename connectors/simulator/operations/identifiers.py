"""ConvertId: ids of one interface of Exchange in the words of another."""

from __future__ import annotations

from connectors.simulator import ids
from connectors.simulator.errors import EwsError, SchemaViolation
from connectors.simulator.registry import Call, operation
from connectors.simulator.responses import Part, batch, choice, listed
from connectors.simulator.schema import Element, local, m, make

_XSI = "{http://www.w3.org/2001/XMLSchema-instance}type"


# These do not say whose mailbox they belong to; the others do, whatever address is given beside them.
_WITHOUT_MAILBOX = ("EntryId", "HexEntryId", "StoreId")


@operation("ConvertId")
def convert_id(call: Call) -> Element:
    wanted = choice(call, "DestinationFormat", ids.FORMATS)

    def serve(entry: Element) -> list[Part]:
        if local(entry) != "AlternateId":
            raise EwsError("ErrorUnsupportedTypeForConversion", "Only mailbox ids can be converted.")
        form, address = entry.get("Format", ""), entry.get("Mailbox", "")
        if form not in ids.FORMATS:
            raise SchemaViolation(f"The 'Format' attribute is invalid - The value '{form}' is invalid.")
        known = call.store.mailboxes.find(address)
        if known is None and form in _WITHOUT_MAILBOX:
            raise EwsError("ErrorNonExistentMailbox", "The SMTP address has no mailbox associated with it.")
        this = ids.from_format(entry.get("Id", ""), form, known.guid if known else "")
        box = call.store.mailboxes.by_guid(this.mailbox)
        made = make("AlternateId")
        made.tag = m("AlternateId")
        made.set(_XSI, "t:AlternateIdType")
        made.set("Format", wanted)
        made.set("Id", ids.to_format(this, wanted))
        made.set("Mailbox", box.address if box is not None else address)
        return [made]

    return batch(call, listed(call, "SourceIds"), serve)
