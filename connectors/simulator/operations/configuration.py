"""User configurations, automatic replies and inbox rules: what clients keep on the server beside items."""

from __future__ import annotations

import base64

from lxml import etree

from connectors.simulator import targets
from connectors.simulator.errors import EwsError, SchemaViolation
from connectors.simulator.registry import Call, operation
from connectors.simulator.responses import Part, answer, attempt, failure, part
from connectors.simulator.rows import FolderRow, Mailbox
from connectors.simulator.schema import Element, add, elements, local, m, make, message, t, text_of

_PARTS = {"Id": "ItemId", "Dictionary": "Dictionary", "XmlData": "XmlData", "BinaryData": "BinaryData"}
_OOF = """<t:OofSettings xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types"><t:OofState>Disabled</t:OofState>
<t:ExternalAudience>All</t:ExternalAudience><t:Duration><t:StartTime>{start}</t:StartTime><t:EndTime>{end}</t:EndTime>
</t:Duration><t:InternalReply><t:Message/></t:InternalReply><t:ExternalReply><t:Message/></t:ExternalReply>
</t:OofSettings>"""


def _place(call: Call, name: Element) -> tuple[FolderRow, str]:
    label = name.get("Name") or ""
    return targets.target(call, name, "read"), label


def _normalise(entry: Element) -> Element:
    """Write the booleans of a dictionary in the one form that the server answers."""
    for kind in entry.iter(t("Type")):
        if kind.text == "Boolean":
            for value in kind.itersiblings(t("Value")):
                value.text = {"1": "true", "0": "false"}.get(value.text or "", value.text)
    return entry


def _stored(call: Call, folder: FolderRow, name: str) -> tuple[int, Element]:
    row = call.store.one("SELECT item, xml FROM configuration WHERE folder = ? AND name = ?", folder.number, name)
    if row is None:
        raise EwsError("ErrorItemNotFound")
    return row[0], etree.fromstring(row[1])


@operation("CreateUserConfiguration")
def create_user_configuration(call: Call) -> Element:
    def serve(entry: Element) -> list[Part]:
        name = entry.find(t("UserConfigurationName"))
        if name is None:
            raise SchemaViolation("The element 'UserConfiguration' has incomplete content.")
        folder, label = _place(call, name)
        if call.store.one("SELECT 1 FROM configuration WHERE folder = ? AND name = ?", folder.number, label):
            raise EwsError("ErrorItemSave", "The configuration object exists already.")
        hidden = make("Item")
        add(hidden, "ItemClass", f"IPM.Configuration.{label}")
        add(hidden, "Subject", f"IPM.Configuration.{label}")
        row = call.store.items.create(folder, hidden, associated=True, draft=False)
        call.store.execute(
            "INSERT INTO configuration VALUES (?, ?, ?, ?)",
            folder.number,
            label,
            row.number,
            etree.tostring(_normalise(entry)),
        )
        return []

    entry = part(call, "UserConfiguration")
    return answer(call.name, [attempt(call, f"{call.name}ResponseMessage", entry, serve)])


@operation("GetUserConfiguration")
def get_user_configuration(call: Call) -> Element:
    wanted = (part(call, "UserConfigurationProperties").text or "").split()

    def serve(name: Element) -> list[Part]:
        folder, label = _place(call, name)
        number, stored = _stored(call, folder, label)
        made = message("UserConfiguration")
        shown = stored.find(t("UserConfigurationName"))
        if shown is not None:
            made.append(shown)
        if "Id" in wanted or "All" in wanted:
            row = call.store.items.get(number)
            add(made, "ItemId", Id=row.ews_id, ChangeKey=row.change_key)
        for asked, tag in _PARTS.items():
            held = stored.find(t(tag))
            if (asked in wanted or "All" in wanted) and held is not None:
                made.append(held)
        return [made]

    # The schema declares this answer without the usual list of response messages.
    return attempt(call, "GetUserConfigurationResponse", part(call, "UserConfigurationName"), serve)


@operation("UpdateUserConfiguration")
def update_user_configuration(call: Call) -> Element:
    def serve(entry: Element) -> list[Part]:
        name = entry.find(t("UserConfigurationName"))
        if name is None:
            raise SchemaViolation("The element 'UserConfiguration' has incomplete content.")
        folder, label = _place(call, name)
        number, stored = _stored(call, folder, label)
        for child in elements(entry):
            for held in stored.findall(child.tag):
                stored.remove(held)
        order = ("UserConfigurationName", *_PARTS.values())
        children = [*elements(stored), *elements(_normalise(entry))]
        stored[:] = sorted(children, key=lambda child: order.index(local(child)))
        row = call.store.items.get(number)
        call.store.items.rewrite(row, call.store.items.element(row))
        call.store.execute("UPDATE configuration SET xml = ? WHERE item = ?", etree.tostring(stored), number)
        return []

    entry = part(call, "UserConfiguration")
    return answer(call.name, [attempt(call, f"{call.name}ResponseMessage", entry, serve)])


@operation("DeleteUserConfiguration")
def delete_user_configuration(call: Call) -> Element:
    def serve(name: Element) -> list[Part]:
        folder, label = _place(call, name)
        number, _ = _stored(call, folder, label)
        call.store.items.delete(call.store.items.get(number))
        call.store.execute("DELETE FROM configuration WHERE item = ?", number)
        return []

    name = part(call, "UserConfigurationName")
    return answer(call.name, [attempt(call, f"{call.name}ResponseMessage", name, serve)])


def _owner(call: Call) -> Mailbox:
    box = call.request.find(t("Mailbox"))
    found = targets.mailbox_of(call, text_of(box, "Address"))
    if not call.store.mailboxes.may_open(found, call.user):
        raise EwsError("ErrorAccessDenied")
    return found


def _oof_answer(name: str, error: EwsError | None = None) -> Element:
    made = message(f"{name}Response")
    if error is not None:
        made.append(failure("ResponseMessage", error))
        return made
    one = etree.SubElement(made, m("ResponseMessage"), ResponseClass="Success")
    etree.SubElement(one, m("ResponseCode")).text = "NoError"
    return made


@operation("GetUserOofSettings")
def get_user_oof_settings(call: Call) -> Element:
    try:
        box = _owner(call)
    except EwsError as error:
        return _oof_answer("GetUserOofSettings", error)
    kept = call.store.value("SELECT oof FROM mailbox WHERE number = ?", box.number)
    now = call.store.stamp()[:13] + ":00:00Z"
    made = _oof_answer("GetUserOofSettings")
    made.append(etree.fromstring(kept or _OOF.format(start=now, end=now)))
    external = made[-1].find(t("ExternalAudience"))
    add(made, "AllowExternalOof", external.text if external is not None else "All").tag = m("AllowExternalOof")
    return made


@operation("SetUserOofSettings")
def set_user_oof_settings(call: Call) -> Element:
    settings = call.request.find(t("UserOofSettings"))
    if settings is None:
        raise SchemaViolation("The element 'SetUserOofSettingsRequest' has incomplete content.")
    try:
        box = _owner(call)
    except EwsError as error:
        return _oof_answer("SetUserOofSettings", error)
    kept = make("OofSettings")
    kept.extend(elements(settings))
    call.store.execute("UPDATE mailbox SET oof = ? WHERE number = ?", etree.tostring(kept), box.number)
    return _oof_answer("SetUserOofSettings")


def _rules_key(call: Call) -> str:
    address = call.request.findtext(m("MailboxSmtpAddress"))
    box = targets.mailbox_of(call, address) if address else call.user
    if not call.store.mailboxes.may_open(box, call.user):
        raise EwsError("ErrorAccessDenied")
    return f"rules:{box.number}"


def _rules(call: Call, key: str) -> Element:
    kept = call.store.setting(key)
    return etree.fromstring(kept) if kept else message("InboxRules")


@operation("GetInboxRules")
def get_inbox_rules(call: Call) -> Element:
    made = message("GetInboxRulesResponse", ResponseClass="Success")
    etree.SubElement(made, m("ResponseCode")).text = "NoError"
    etree.SubElement(made, m("OutlookRuleBlobExists")).text = "false"
    rules = _rules(call, _rules_key(call))
    if len(rules):
        made.append(rules)
    return made


@operation("UpdateInboxRules")
def update_inbox_rules(call: Call) -> Element:
    key = _rules_key(call)
    rules = _rules(call, key)
    for change in elements(part(call, "Operations")):
        rule = change.find(t("Rule"))
        named = text_of(change, "RuleId") or text_of(rule, "RuleId")
        for held in list(rules):
            if named and text_of(held, "RuleId") == named:
                rules.remove(held)
        if rule is not None:
            if not named:
                number = base64.b64encode(call.store.tick().to_bytes(8, "big")).decode()
                identifier = make("RuleId", number)
                rule.insert(0, identifier)
            rules.append(rule)
    call.store.remember(key, etree.tostring(rules).decode())
    made = message("UpdateInboxRulesResponse", ResponseClass="Success")
    etree.SubElement(made, m("ResponseCode")).text = "NoError"
    return made
