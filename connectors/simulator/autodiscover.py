"""Autodiscover: the little that clients need to find the EWS address of a mailbox (POX and SOAP)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from lxml import etree

from connectors.simulator.rows import Mailbox
from connectors.simulator.wire import Answer

if TYPE_CHECKING:
    from connectors.simulator.simulator import Simulator

_POX_REQUEST = "{http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006}"
_SOAP = "{http://schemas.microsoft.com/exchange/2010/Autodiscover}"
_ANSWER = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
_POX = """<?xml version="1.0" encoding="utf-8"?>
<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006">
<Response xmlns="{schema}"><User><DisplayName>{name}</DisplayName><LegacyDN>{dn}</LegacyDN>
<AutoDiscoverSMTPAddress>{address}</AutoDiscoverSMTPAddress><DeploymentId>{guid}</DeploymentId></User>
<Account><AccountType>email</AccountType><Action>settings</Action>{protocols}</Account></Response></Autodiscover>"""
_PROTOCOL = """<Protocol><Type>{type}</Type><Server>{host}</Server><ASUrl>{url}</ASUrl><EwsUrl>{url}</EwsUrl>
<EmwsUrl>{url}</EmwsUrl><OOFUrl>{url}</OOFUrl><AuthPackage>basic</AuthPackage></Protocol>"""
_POX_ERROR = """<?xml version="1.0" encoding="utf-8"?>
<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"><Response>
<Error Time="00:00:00" Id="1"><ErrorCode>{code}</ErrorCode><Message>{message}</Message><DebugData /></Error>
</Response></Autodiscover>"""
_SETTINGS = """<?xml version="1.0" encoding="utf-8"?>
<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:a="http://www.w3.org/2005/08/addressing">
<s:Header><a:Action s:mustUnderstand="1">{action}Response</a:Action>
<h:ServerVersionInfo xmlns:h="http://schemas.microsoft.com/exchange/2010/Autodiscover"
 xmlns:i="http://www.w3.org/2001/XMLSchema-instance"><h:MajorVersion>15</h:MajorVersion>
<h:MinorVersion>1</h:MinorVersion><h:MajorBuildNumber>2507</h:MajorBuildNumber>
<h:MinorBuildNumber>35</h:MinorBuildNumber><h:Version>Exchange2016</h:Version></h:ServerVersionInfo></s:Header>
<s:Body><GetUserSettingsResponseMessage xmlns="http://schemas.microsoft.com/exchange/2010/Autodiscover">
<Response xmlns:i="http://www.w3.org/2001/XMLSchema-instance"><ErrorCode>NoError</ErrorCode><ErrorMessage />
<UserResponses>{users}</UserResponses></Response></GetUserSettingsResponseMessage></s:Body></s:Envelope>"""
_ACTION = "http://schemas.microsoft.com/exchange/2010/Autodiscover/Autodiscover/GetUserSettings"


def answer(simulator: Simulator, path: str, body: bytes, base: str, user: Mailbox) -> Answer:
    """Answer a POX (autodiscover.xml) or SOAP (autodiscover.svc) request of a signed-in user."""
    try:
        root = etree.fromstring(body, etree.XMLParser(resolve_entities=False, no_network=True))
    except etree.XMLSyntaxError:
        return Answer(400, b"Bad request", content_type="text/plain")
    url = f"{base}/EWS/Exchange.asmx"
    if path.endswith(".svc"):
        addresses = [node.text or "" for node in root.iter(f"{_SOAP}Mailbox")]
        wanted = [node.text or "" for node in root.iter(f"{_SOAP}Setting")]
        users = "".join(_user_response(simulator, address, wanted, url) for address in addresses)
        return Answer(200, _SETTINGS.format(action=_ACTION, users=users).encode())
    address = next((node.text or "" for node in root.iter(f"{_POX_REQUEST}EMailAddress")), user.address)
    found = simulator.store.mailboxes.find(address)
    if found is None:
        return Answer(200, _POX_ERROR.format(code=500, message="The email address can't be found.").encode())
    protocols = "".join(
        _PROTOCOL.format(type=kind, host=escape(base.partition("//")[2]), url=escape(url))
        for kind in ("EXCH", "EXPR", "EXHTTP")
    )
    values = {key: escape(text) for key, text in _facts(found).items()}
    return Answer(200, _POX.format(schema=_ANSWER, protocols=protocols, **values).encode())


def _facts(box: Mailbox) -> dict[str, str]:
    dn = f"/o=Simulator/ou=Exchange Administrative Group/cn=Recipients/cn={box.guid.replace('-', '')}"
    return {"name": box.name, "dn": dn, "address": box.address, "guid": box.guid}


def _user_response(simulator: Simulator, address: str, wanted: list[str], url: str) -> str:
    box = simulator.store.mailboxes.find(address)
    if box is None:
        return (
            "<UserResponse><ErrorCode>InvalidUser</ErrorCode><ErrorMessage>Invalid user: "
            f"'{escape(address)}'</ErrorMessage><RedirectTarget i:nil=\"true\" /><UserSettingErrors />"
            '<UserSettings i:nil="true" /></UserResponse>'
        )
    facts = _facts(box)
    known = {
        "UserDisplayName": facts["name"],
        "UserDN": facts["dn"],
        "UserDeploymentId": facts["guid"],
        "AutoDiscoverSMTPAddress": facts["address"],
        "MailboxDN": facts["dn"],
        "EwsSupportedSchemas": "Exchange2007, Exchange2007_SP1, Exchange2010, Exchange2010_SP1,"
        " Exchange2010_SP2, Exchange2013, Exchange2013_SP1, Exchange2016",
        "InternalEwsUrl": url,
        "ExternalEwsUrl": url,
        "ExternalEwsVersion": "15.01.2507.035",
    }
    settings = "".join(
        f'<UserSetting i:type="StringSetting"><Name>{name}</Name><Value>{escape(known[name])}</Value></UserSetting>'
        for name in wanted
        if name in known
    )
    errors = "".join(
        "<UserSettingError><ErrorCode>SettingIsNotAvailable</ErrorCode><ErrorMessage>Setting is not available."
        f"</ErrorMessage><SettingName>{escape(name)}</SettingName></UserSettingError>"
        for name in wanted
        if name not in known
    )
    return (
        "<UserResponse><ErrorCode>NoError</ErrorCode><ErrorMessage>No error.</ErrorMessage>"
        f'<RedirectTarget i:nil="true" /><UserSettingErrors>{errors}</UserSettingErrors>'
        f"<UserSettings>{settings}</UserSettings></UserResponse>"
    )
