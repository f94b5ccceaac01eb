"""Answers: one response message per item of a batch, each a success or an error of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from lxml import etree

from connectors.simulator.errors import EwsError, SchemaViolation, SoapFault
from connectors.simulator.registry import Call
from connectors.simulator.schema import Element, elements, m, message, t

# A part of a response message may be an element, or (element name, text).
Part = Element | tuple[str, str]


def success(name: str, parts: Iterable[Part] = ()) -> Element:
    """One response message that says NoError, with its parts."""
    made = message(name, ResponseClass="Success")
    etree.SubElement(made, m("ResponseCode")).text = "NoError"
    for part in parts:
        if isinstance(part, tuple):
            etree.SubElement(made, m(part[0])).text = part[1]
        else:
            made.append(part)
    return made


def failure(name: str, error: EwsError, empty: str | None = None, response_class: str = "Error") -> Element:
    """One response message that says what went wrong; `empty` names the part that Exchange sends empty."""
    made = message(name, ResponseClass=response_class)
    etree.SubElement(made, m("MessageText")).text = error.text
    etree.SubElement(made, m("ResponseCode")).text = error.code
    etree.SubElement(made, m("DescriptiveLinkKey")).text = "0"
    if error.values:
        holder = etree.SubElement(made, m("MessageXml"))
        for key, text in error.values.items():
            etree.SubElement(holder, t("Value"), Name=key).text = text
    if empty:
        etree.SubElement(made, m(empty))
    return made


def answer(name: str, messages: Iterable[Element]) -> Element:
    """The whole answer of an operation, of its response messages."""
    made = message(f"{name}Response")
    etree.SubElement(made, m("ResponseMessages")).extend(list(messages))
    return made


def batch(
    call: Call,
    entries: Iterable[Element],
    serve: Callable[[Element], Iterable[Part]],
    *,
    empty: str | None = None,
) -> Element:
    """Serve every entry of a request; one that fails is undone and answers its error, the others go on."""
    name = f"{call.name}ResponseMessage"
    made = []
    for number, entry in enumerate(entries):
        struck = _struck(call, number)
        made.append(failure(name, struck, empty) if struck else attempt(call, name, entry, serve, empty=empty))
    return answer(call.name, made)


def _struck(call: Call, number: int) -> EwsError | None:
    """The error that a fault on demand gives to this item of the batch."""
    for fault in call.striking:
        if fault.per_item and fault.position in (None, number):
            if fault.kind == "server_busy":
                return EwsError("ErrorServerBusy", BackOffMilliseconds=str(fault.milliseconds or 1000))
            if fault.kind == "error":
                return EwsError(fault.code or "ErrorInternalServerError")
    return None


def attempt(
    call: Call,
    name: str,
    entry: Element,
    serve: Callable[[Element], Iterable[Part]],
    *,
    empty: str | None = None,
) -> Element:
    """Serve one entry, or undo it and say why not."""
    try:
        with call.store.transaction():
            return success(name, serve(entry))
    except SoapFault:
        raise
    except EwsError as error:
        return failure(name, error, empty)


def holding(name: str, *children: Element) -> Element:
    """A part of a response message that holds these elements."""
    made = message(name)
    made.extend(children)
    return made


def listed(call: Call, name: str) -> list[Element]:
    """The entries of a required, non-empty list of the request."""
    holder = call.request.find(m(name))
    found = elements(holder)
    if not found:
        raise SchemaViolation(f"The element '{call.name}' has incomplete content: '{name}' is missing or empty.")
    return found


def part(call: Call, name: str) -> Element:
    """A required child of the request."""
    found = call.request.find(m(name))
    if found is None:
        raise SchemaViolation(
            f"The element '{call.name}' has incomplete content. List of possible elements expected: '{name}'."
        )
    return found


def choice(call: Call, name: str, allowed: Iterable[str], default: str | None = None) -> str:
    """An attribute of the request that must be one of a few words."""
    found = call.request.get(name, default)
    if found is None:
        raise SchemaViolation(f"The required attribute '{name}' is missing.")
    if found not in allowed:
        raise SchemaViolation(f"The '{name}' attribute is invalid - The value '{found}' is invalid.")
    return found


def flag(text: str | None) -> bool:
    """What an XML Schema boolean says; absent is false."""
    return text in ("true", "1")
