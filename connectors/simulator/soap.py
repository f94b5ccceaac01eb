"""SOAP envelopes: what a request says beside its operation, and how answers and faults are wrapped."""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from connectors.simulator.content import SOAP
from connectors.simulator.errors import EwsError, SchemaViolation, SoapFault
from connectors.simulator.schema import ERRORS, NSMAP, Element, elements, local, make, t, text_of

VERSIONS = {
    name: rank
    for rank, name in enumerate(
        (
            "Exchange2007",
            "Exchange2007_SP1",
            "Exchange2010",
            "Exchange2010_SP1",
            "Exchange2010_SP2",
            "Exchange2013",
            "Exchange2013_SP1",
            "Exchange2015",
            "Exchange2016",
        )
    )
}
# Exchange 2016 cumulative update 23.
_VERSION = {
    "MajorVersion": "15",
    "MinorVersion": "1",
    "MajorBuildNumber": "2507",
    "MinorBuildNumber": "35",
    "Version": "V2017_07_11",
}
_S = f"{{{SOAP}}}"
_LIMITED = {
    "resolve_entities": False,
    "no_network": True,
    "load_dtd": False,
    "remove_comments": True,
    "remove_pis": True,
}


class NotXml(SoapFault):
    """The body of the request is no SOAP envelope."""


@dataclass(frozen=True)
class Envelope:
    """A request: its operation, and what its headers ask for."""

    body: Element
    version: str
    impersonated: tuple[str, str] | None
    time_zone: Element | None

    @property
    def operation(self) -> str:
        return local(self.body).removesuffix("Request")


def parse(data: bytes) -> Envelope:
    """Read a request. Raises NotXml, SchemaViolation or ErrorInvalidServerVersion."""
    try:
        root = etree.fromstring(data, etree.XMLParser(huge_tree=len(data) > 5_000_000, **_LIMITED))
    except etree.XMLSyntaxError as error:
        raise NotXml("ErrorInvalidRequest", f"The request is not well-formed XML: {error.msg}") from error
    if root.getroottree().docinfo.doctype:
        raise NotXml("ErrorInvalidRequest", "For security reasons DTD is prohibited in this XML document.")
    body = root.find(f"{_S}Body")
    if root.tag != f"{_S}Envelope" or body is None:
        raise NotXml("ErrorInvalidRequest", "The request is not a SOAP 1.1 envelope.")
    children = elements(body)
    if not children:
        raise SchemaViolation("The element 'Body' has incomplete content.")
    header = root.find(f"{_S}Header")
    return Envelope(children[0], _version(header), _impersonated(header), _time_zone(header))


def _version(header: Element | None) -> str:
    asked = header.find(t("RequestServerVersion")) if header is not None else None
    version = asked.get("Version", "") if asked is not None else "Exchange2013_SP1"
    if version not in VERSIONS and not version.startswith("V20"):
        raise SoapFault("ErrorInvalidServerVersion")
    return version if version in VERSIONS else "Exchange2016"


def _impersonated(header: Element | None) -> tuple[str, str] | None:
    if header is None:
        return None
    sid = header.find(f"{t('ExchangeImpersonation')}/{t('ConnectingSID')}")
    named = elements(sid)
    if sid is not None and not named:
        raise SchemaViolation("The element 'ConnectingSID' has incomplete content.")
    return (local(named[0]), (named[0].text or "").strip()) if named else None


def _time_zone(header: Element | None) -> Element | None:
    return header.find(f"{t('TimeZoneContext')}/{t('TimeZoneDefinition')}") if header is not None else None


def _envelope() -> tuple[Element, Element]:
    root = etree.Element(f"{_S}Envelope", nsmap={"s": SOAP})
    header = etree.SubElement(root, f"{_S}Header")
    etree.SubElement(header, t("ServerVersionInfo"), _VERSION, nsmap={"h": NSMAP["t"]})
    return root, etree.SubElement(root, f"{_S}Body")


def wrap_notification(answer: Element) -> bytes:
    """One part of a stream: clients look for an Envelope without a prefix to tell where the part begins and ends."""
    root = etree.Element(f"{_S}Envelope", nsmap={None: SOAP})
    header = etree.SubElement(root, f"{_S}Header", nsmap={"soap11": SOAP})
    etree.SubElement(header, t("ServerVersionInfo"), _VERSION, nsmap={None: NSMAP["t"]})
    etree.SubElement(root, f"{_S}Body", nsmap={"soap11": SOAP}).append(answer)
    return etree.tostring(root, encoding="utf-8")


def wrap(answer: Element) -> bytes:
    """The answer in its envelope."""
    root, body = _envelope()
    body.append(answer)
    return etree.tostring(root, xml_declaration=True, encoding="utf-8")


def fault(error: EwsError) -> bytes:
    """The error as the SOAP fault that Exchange sends for it (with HTTP status 500)."""
    root = etree.Element(f"{_S}Envelope", nsmap={"s": SOAP})
    body = etree.SubElement(root, f"{_S}Body")
    made = etree.SubElement(body, f"{_S}Fault")
    etree.SubElement(made, "faultcode", nsmap={"a": NSMAP["t"]}).text = f"a:{error.code}"
    text = etree.SubElement(made, "faultstring")
    text.set("{http://www.w3.org/XML/1998/namespace}lang", "en-US")
    text.text = error.text
    detail = etree.SubElement(made, "detail")
    for name, value in (("ResponseCode", error.code), ("Message", error.text)):
        etree.SubElement(detail, f"{{{ERRORS}}}{name}", nsmap={"e": ERRORS}).text = value
    values = message_xml(error)
    if values is not None:
        detail.append(values)
    return etree.tostring(root, xml_declaration=True, encoding="utf-8")


def message_xml(error: EwsError) -> Element | None:
    """The MessageXml of a fault: where a schema violation is, or values such as BackOffMilliseconds."""
    made = make("MessageXml")
    if isinstance(error, SchemaViolation):
        for name, text in (("LineNumber", "1"), ("LinePosition", "1"), ("Violation", error.violation)):
            etree.SubElement(made, t(name)).text = text
    for name, text in error.values.items():
        etree.SubElement(made, t("Value"), Name=name).text = text
    return made if len(made) else None


def mailbox_named(envelope: Envelope) -> str:
    """The first mailbox address that a request names, to match faults by; "" when it names none."""
    if envelope.impersonated is not None:
        return envelope.impersonated[1].lower()
    box = envelope.body.find(f".//{t('DistinguishedFolderId')}/{t('Mailbox')}")
    return text_of(box, "EmailAddress").lower()
