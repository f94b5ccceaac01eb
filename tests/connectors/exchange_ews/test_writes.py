"""Writing to Exchange: how contacts are filed, what other clients see of them, and what the server may answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date

import exchangelib
import pytest
import requests
from lxml import etree

from connectors.base import Account, Version
from connectors.exchange_ews import ExchangeEWS
from connectors.exchange_ews.connect import connect
from connectors.simulator.simulator import Simulator
from terracrm.domain.records import ContactRecord, Folder, LabelledAddress, Phone, StreamKind
from terracrm.errors import AuthFailed, ConnectorError, ItemGone, ItemRejected, Temporary, Unsupported, VersionConflict
from tests.connectors.exchange_ews.script import Reply, ScriptedServer, answered, envelope, failure, fault, success

ANNA = "anna@example.test"
VERA = ContactRecord(
    display_name="Vera Orlova", given_name="Vera", surname="Orlova", emails=(LabelledAddress("1", "vera@client.test"),)
)
CLIENTS = Folder("clients-id", "Contacts/Clients", StreamKind.CONTACTS)


class Outlook:
    """Anna's mailbox: our connector to it, and Anna with another client of Exchange."""

    def __init__(self, simulator: Simulator) -> None:
        simulator.add_mailbox(ANNA, "Anna")
        account = Account(ANNA, simulator.url, ANNA, "secret")
        self.connector = ExchangeEWS(account)
        self.anna = connect(account)
        self.folder = next(each for each in self.connector.folders() if each.well_known == "contacts")

    def create(self, record: ContactRecord = VERA) -> Version:
        return self.connector.create(self.folder, record, "key")

    def update(self, version: Version, **values: object) -> Version:
        (change,) = self.connector.get(self.folder, [version.remote_id])
        assert isinstance(change.record, ContactRecord)
        record = replace(change.record, **values)
        return self.connector.update(version.remote_id, record, set(values), change.version)

    def seen(self, version: Version) -> exchangelib.Contact:
        """The contact as exchangelib reads it."""
        (contact,) = self.anna.fetch([exchangelib.properties.ItemId(id=version.remote_id)])
        return contact


@pytest.fixture
def outlook() -> Iterator[Outlook]:
    with Simulator() as simulator:
        mailbox = Outlook(simulator)
        yield mailbox
        mailbox.connector.close()
        mailbox.anna.protocol.close()


class TestNames:
    def test_a_person_is_filed_as_outlook_files_people(self, outlook: Outlook) -> None:
        contact = outlook.seen(outlook.create())
        assert (contact.file_as, contact.display_name, contact.subject) == (
            "Orlova, Vera",
            "Vera Orlova",
            "Vera Orlova",
        )

    def test_one_without_a_persons_name_is_filed_as_it_is_called(self, outlook: Outlook) -> None:
        assert outlook.seen(outlook.create(ContactRecord(display_name="Front desk"))).file_as == "Front desk"
        assert outlook.seen(outlook.create(ContactRecord(company_name="ООО Сыры"))).file_as == "ООО Сыры"

    def test_a_new_name_is_filed_anew(self, outlook: Outlook) -> None:
        version = outlook.update(outlook.create(), surname="Orlova-Berg", display_name="Vera Orlova-Berg")
        contact = outlook.seen(version)
        assert (contact.file_as, contact.subject) == ("Orlova-Berg, Vera", "Vera Orlova-Berg")

    def test_what_was_filed_as_it_is_called_follows_what_it_is_called(self, outlook: Outlook) -> None:
        version = outlook.create(ContactRecord(display_name="Front desk"))
        version = outlook.update(version, display_name="Reception")
        assert outlook.seen(version).file_as == "Reception"
        version = outlook.update(version, given_name="Nina", surname="Berg")
        assert outlook.seen(version).file_as == "Berg, Nina"

    def test_one_that_loses_its_names_is_filed_as_it_is_called(self, outlook: Outlook) -> None:
        version = outlook.update(outlook.create(), given_name="", surname="")
        assert outlook.seen(version).file_as == "Vera Orlova"

    def test_how_the_user_files_it_stays(self, outlook: Outlook) -> None:
        contact = outlook.seen(outlook.create())
        contact.file_as, contact.file_as_mapping = "Сырная Вера", "None"
        contact.save(update_fields=["file_as", "file_as_mapping"])
        version = outlook.update(Version(contact.id, contact.changekey), surname="Berg", display_name="Vera Berg")
        assert outlook.seen(version).file_as == "Сырная Вера"

    def test_a_name_that_is_too_long_is_rejected(self, outlook: Outlook) -> None:
        version = outlook.create()
        with pytest.raises(ItemRejected, match="too long"):
            outlook.update(version, surname="O" * 300)


class TestOtherClients:
    def test_they_read_what_we_wrote(self, outlook: Outlook) -> None:
        record = replace(
            VERA,
            birthday=date(1980, 2, 29),
            phones=(Phone("business_2", "+7 1"), Phone("other", "+7 2")),
            categories=("Client",),
            notes="Notes",
            website="https://client.test",
        )
        contact = outlook.seen(outlook.create(record))
        assert contact.birthday == date(1980, 2, 29)
        assert [(each.label, each.phone_number) for each in contact.phone_numbers] == [
            ("BusinessPhone2", "+7 1"),
            ("OtherTelephone", "+7 2"),
        ]
        assert [(each.label, each.email) for each in contact.email_addresses] == [("EmailAddress1", "vera@client.test")]
        assert (contact.categories, contact.body, contact.business_homepage) == (
            ["Client"],
            "Notes",
            "https://client.test",
        )
        assert contact.sensitivity == "Normal"

    def test_an_address_from_the_address_book_stays_one_when_another_changes(self, outlook: Outlook) -> None:
        folder = outlook.folder.remote_id
        entry = '<t:Entry Key="EmailAddress1" Name="Boris" RoutingType="EX">/o=office/cn=boris</t:Entry>'
        original = '<t:ExtendedFieldURI DistinguishedPropertySetId="Address" PropertyId="32900" PropertyType="String"/>'
        made = post(
            outlook,
            f'<m:CreateItem><m:SavedItemFolderId><t:FolderId Id="{folder}"/></m:SavedItemFolderId><m:Items><t:Contact>'
            f"<t:ExtendedProperty>{original}<t:Value>boris@example.test</t:Value></t:ExtendedProperty>"
            f"<t:EmailAddresses>{entry}</t:EmailAddresses></t:Contact></m:Items></m:CreateItem>",
        )
        item_id = made.find(".//{*}ItemId")
        version = Version(item_id.get("Id"), item_id.get("ChangeKey"))
        boris = LabelledAddress("1", "boris@example.test", "Boris")
        version = outlook.update(version, emails=(boris, LabelledAddress("2", "second@client.test")))
        (change,) = outlook.connector.get(outlook.folder, [version.remote_id])
        assert isinstance(change.record, ContactRecord)
        assert [each.address for each in change.record.emails] == ["boris@example.test", "second@client.test"]
        shown = post(
            outlook,
            "<m:GetItem><m:ItemShape><t:BaseShape>Default</t:BaseShape></m:ItemShape>"
            f'<m:ItemIds><t:ItemId Id="{version.remote_id}"/></m:ItemIds></m:GetItem>',
        )
        assert [each.get("RoutingType") for each in shown.iter("{*}Entry") if "Email" in each.get("Key")] == [
            "EX",
            "SMTP",
        ]

    def test_a_birthday_that_outlook_wrote_can_be_taken_off(self, outlook: Outlook) -> None:
        version = outlook.create(replace(VERA, birthday=date(1980, 2, 29)))
        assert outlook.seen(outlook.update(version, birthday=None)).birthday is None


def post(outlook: Outlook, body: str) -> etree._Element:
    """What the simulator answers to a request of an odd client."""
    namespaces = (
        'xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" '
        'xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages" '
        'xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types"'
    )
    text = f"<s:Envelope {namespaces}><s:Body>{body}</s:Body></s:Envelope>"
    url = outlook.anna.protocol.service_endpoint
    answer = requests.post(url, text.encode(), auth=(ANNA, "secret"), timeout=30)
    return etree.fromstring(answer.content)


def item(change_key: str = "k1", fields: str = "") -> str:
    return f'<m:Items><t:Contact><t:ItemId Id="id1" ChangeKey="{change_key}"/>{fields}</t:Contact></m:Items>'


def updated(change_key: str = "k2") -> str:
    conflicts = "<m:ConflictResults><t:Count>0</t:Count></m:ConflictResults>"
    return answered("UpdateItem", success("UpdateItem", item(change_key) + conflicts))


class TestAnswers:
    """What no healthy server answers."""

    @pytest.fixture(autouse=True)
    def _contact(self, server: ScriptedServer) -> None:
        server.on("GetItem", answered("GetItem", success("GetItem", item())))

    def write(self, server: ScriptedServer, operation: str) -> object:
        connector = server.connector()
        if operation == "CreateItem":
            return connector.create(CLIENTS, VERA, "key")
        if operation == "DeleteItem":
            connector.delete("id1", "k1")
            return None
        return connector.update("id1", VERA, {"notes", "surname"}, "k1")

    @pytest.mark.parametrize("operation", ["CreateItem", "UpdateItem", "DeleteItem"])
    @pytest.mark.parametrize(
        ("code", "raised"),
        [
            ("ErrorIrresolvableConflict", VersionConflict),
            ("ErrorStaleObject", VersionConflict),
            ("ErrorItemNotFound", ItemGone),
            ("ErrorFolderNotFound", ItemGone),
            ("ErrorPropertyUpdate", ItemRejected),
            ("ErrorItemSave", ItemRejected),
            ("ErrorMessageSizeExceeded", ItemRejected),
            ("ErrorCannotCreateContactInNonContactFolder", ItemRejected),
            ("ErrorAccessDenied", AuthFailed),
            ("ErrorQuotaExceeded", Temporary),
            ("ErrorMailboxStoreUnavailable", Temporary),
            ("ErrorInternalServerError", Temporary),
            ("ErrorTimeoutExpired", Temporary),
            ("ErrorSchemaValidation", Unsupported),
            ("ErrorNobodyKnows", Temporary),
        ],
    )
    def test_a_refusal_says_what_to_do(
        self, server: ScriptedServer, operation: str, code: str, raised: type[ConnectorError]
    ) -> None:
        server.on(operation, answered(operation, failure(operation, code)), valid=False)
        with pytest.raises(raised):
            self.write(server, operation)
        assert server.requests.count(operation) == 1

    def test_a_busy_server_names_the_time_and_is_asked_once(self, server: ScriptedServer) -> None:
        wait = '<t:Value Name="BackOffMilliseconds">7000</t:Value>'
        xml = f'<t:MessageXml xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types">{wait}</t:MessageXml>'
        server.on("CreateItem", Reply(fault("ErrorServerBusy", xml), status=500))
        with pytest.raises(Temporary) as raised:
            self.write(server, "CreateItem")
        assert raised.value.retry_after == 7
        assert server.requests.count("CreateItem") == 1

    @pytest.mark.parametrize("operation", ["CreateItem", "UpdateItem", "DeleteItem"])
    @pytest.mark.parametrize("reply", [Reply(b"nonsense"), Reply(status=503), Reply(envelope("<x/>"))])
    def test_an_answer_that_is_none_is_temporary(self, server: ScriptedServer, operation: str, reply: Reply) -> None:
        server.on(operation, reply)
        with pytest.raises(Temporary):
            self.write(server, operation)
        assert server.requests.count(operation) == 1

    @pytest.mark.parametrize("count", [0, 2])
    def test_another_number_of_answers_than_one_is_temporary(self, server: ScriptedServer, count: int) -> None:
        made = success("CreateItem", item())
        server.on("CreateItem", answered("CreateItem", *[made] * count), valid=False)
        with pytest.raises(Temporary):
            self.write(server, "CreateItem")

    def test_an_update_carries_the_version_and_only_what_differs(self, server: ScriptedServer) -> None:
        fields = "<t:Surname>Orlova</t:Surname>"
        server.on("GetItem", answered("GetItem", success("GetItem", item(fields=fields))))
        sent = []

        def update(request: etree._Element) -> Reply:
            sent.append(request)
            return Reply(envelope(updated()))

        server.on("UpdateItem", update)
        record = replace(VERA, notes="New")
        assert server.connector().update("id1", record, {"surname", "notes"}, "k1") == Version("id1", "k2")
        (request,) = sent
        assert request.get("ConflictResolution") == "NeverOverwrite"
        assert request.find(".//{*}ItemId").get("ChangeKey") == "k1"
        assert [each.get("FieldURI") for each in request.iter("{*}FieldURI")] == ["item:Body"]

    def test_an_item_that_became_something_else_is_rejected(self, server: ScriptedServer) -> None:
        group = '<m:Items><t:DistributionList><t:ItemId Id="id1" ChangeKey="k1"/></t:DistributionList></m:Items>'
        server.on("GetItem", answered("GetItem", success("GetItem", group)))
        with pytest.raises(ItemRejected, match="another kind"):
            self.write(server, "UpdateItem")

    def test_a_folder_that_somebody_else_makes_meanwhile_is_taken(self, server: ScriptedServer) -> None:
        shown = '<t:FolderId Id="c" ChangeKey="k"/><t:DisplayName>Contacts</t:DisplayName>'
        parent = f"<m:Folders><t:ContactsFolder>{shown}</t:ContactsFolder></m:Folders>"
        clients = (
            '<t:ContactsFolder><t:FolderId Id="clients-id" ChangeKey="k"/><t:FolderClass>IPF.Contact</t:FolderClass>'
            "<t:DisplayName>Clients</t:DisplayName><t:TotalCount>3</t:TotalCount></t:ContactsFolder>"
        )
        found = iter(["", clients])
        root = (
            '<m:RootFolder TotalItemsInView="1" IncludesLastItemInRange="true"><t:Folders>{}</t:Folders></m:RootFolder>'
        )

        def find(request: etree._Element) -> Reply:
            return Reply(envelope(answered("FindFolder", success("FindFolder", root.format(next(found))))))

        server.on("GetFolder", answered("GetFolder", success("GetFolder", parent)))
        server.on("FindFolder", find)
        server.on("CreateFolder", answered("CreateFolder", failure("CreateFolder", "ErrorFolderExists")), valid=False)
        assert server.connector().ensure_folder("contacts", "Clients", StreamKind.CONTACTS) == replace(
            CLIENTS, item_count=3
        )
