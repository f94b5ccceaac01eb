"""What Exchange keeps of contacts beside what EWS shows: properties of e-mail entries, birthdays, texts of clients."""

from __future__ import annotations

import pytest

from tests.connectors.simulator.soap_client import Client, codes, item_ids, texts

FOLDER = '<m:ParentFolderIds><t:DistinguishedFolderId Id="contacts"/></m:ParentFolderIds>'
ENTRIES = (
    '<t:EmailAddresses><t:Entry Key="EmailAddress1" Name="Vera">vera@client.test</t:Entry>'
    '<t:Entry Key="EmailAddress2">second@client.test</t:Entry></t:EmailAddresses>'
)


def address(number: int, kind: str = "String") -> str:
    """A property of contacts by its number."""
    return f'<t:ExtendedFieldURI DistinguishedPropertySetId="Address" PropertyId="{number}" PropertyType="{kind}"/>'


def named(name: str) -> str:
    """A property that a client has made up."""
    return (
        f'<t:ExtendedFieldURI DistinguishedPropertySetId="PublicStrings" PropertyName="{name}" PropertyType="String"/>'
    )


def valued(uri: str, value: str) -> str:
    return f"<t:ExtendedProperty>{uri}<t:Value>{value}</t:Value></t:ExtendedProperty>"


def create(client: Client, properties: str) -> tuple[str, str]:
    answer = client(f"<m:CreateItem><m:Items><t:Contact>{properties}</t:Contact></m:Items></m:CreateItem>")
    assert codes(answer) == ["NoError"]
    return item_ids(answer)[0]


def update(client: Client, item: tuple[str, str], updates: str) -> tuple[str, str]:
    answer = client(
        '<m:UpdateItem ConflictResolution="NeverOverwrite"><m:ItemChanges><t:ItemChange>'
        f'<t:ItemId Id="{item[0]}" ChangeKey="{item[1]}"/><t:Updates>{updates}</t:Updates>'
        "</t:ItemChange></m:ItemChanges></m:UpdateItem>"
    )
    assert codes(answer) == ["NoError"]
    return item_ids(answer)[0]


def delete(*paths: str) -> str:
    return "".join(f"<t:DeleteItemField>{path}</t:DeleteItemField>" for path in paths)


def set_to(path: str, value: str) -> str:
    return f"<t:SetItemField>{path}<t:Contact>{value}</t:Contact></t:SetItemField>"


def get(client: Client, item: tuple[str, str], *paths: str) -> dict[str, list[str]]:
    """The e-mail entries as "key name address", and the values of extended properties."""
    answer = client(
        "<m:GetItem><m:ItemShape><t:BaseShape>Default</t:BaseShape><t:AdditionalProperties>"
        f'<t:FieldURI FieldURI="contacts:Birthday"/>{"".join(paths)}</t:AdditionalProperties></m:ItemShape>'
        f'<m:ItemIds><t:ItemId Id="{item[0]}"/></m:ItemIds></m:GetItem>'
    )
    entries = answer.findall(".//{*}EmailAddresses/{*}Entry")
    return {
        "entries": [f"{entry.get('Key')} {entry.get('Name')} {entry.text}" for entry in entries],
        "values": texts(answer, ".//t:ExtendedProperty/t:Value"),
        "birthday": texts(answer, ".//t:Birthday"),
    }


def test_the_properties_of_an_e_mail_entry_are_views_of_it(anna: Client) -> None:
    item = create(anna, ENTRIES)
    shown = get(anna, item, address(0x8080), address(0x8082), address(0x8083), address(0x8084))
    assert shown["values"] == ["Vera", "SMTP", "vera@client.test", "vera@client.test"]
    item = update(anna, item, set_to(address(0x8080), valued(address(0x8080), "Vera O.")))
    assert get(anna, item)["entries"][0] == "EmailAddress1 Vera O. vera@client.test"


def test_an_e_mail_entry_goes_with_its_properties(anna: Client) -> None:
    item = create(anna, ENTRIES)
    item = update(anna, item, delete(*(address(0x8080 + number) for number in range(5)), address(0x8085, "Binary")))
    assert get(anna, item)["entries"] == ["EmailAddress2 second@client.test second@client.test"]
    item = update(anna, item, delete(address(0x8093)))
    assert get(anna, item)["entries"] == []


def test_an_address_can_be_written_by_its_property(anna: Client) -> None:
    item = create(anna, valued(address(0x80A3), "third@client.test"))
    assert get(anna, item)["entries"] == ["EmailAddress3 third@client.test third@client.test"]


def test_a_birthday_that_outlook_wrote_comes_back_until_both_its_properties_go(anna: Client) -> None:
    local = address(0x80DE, "SystemTime")
    item = create(anna, f"{valued(local, '1980-02-29T00:00:00Z')}<t:Birthday>1980-02-29T11:59:00Z</t:Birthday>")
    birthday = '<t:FieldURI FieldURI="contacts:Birthday"/>'
    item = update(anna, item, delete(birthday))
    assert get(anna, item)["birthday"] == ["1980-02-29T00:00:00Z"]
    item = update(anna, item, delete(birthday, local))
    assert get(anna, item)["birthday"] == []


@pytest.mark.parametrize(("wanted", "found"), [("1", 1), ("01", 0), ("1.0", 0), ("A", 1)])
def test_a_text_is_searched_as_text_even_when_it_looks_like_a_number(anna: Client, wanted: str, found: int) -> None:
    name = f"Key {wanted}"
    for value in ("1", "a", "2026-01-01T00:00:00Z"):
        create(anna, valued(named(name), value))
    answer = anna(
        '<m:FindItem Traversal="Shallow"><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape><m:Restriction>'
        f'<t:IsEqualTo>{named(name)}<t:FieldURIOrConstant><t:Constant Value="{wanted}"/></t:FieldURIOrConstant>'
        f"</t:IsEqualTo></m:Restriction>{FOLDER}</m:FindItem>"
    )
    assert len(item_ids(answer)) == found


def test_a_new_contact_can_change_once_more(anna: Client) -> None:
    anna.simulator.fault("second_change", operation="CreateItem", count=1)
    item = create(anna, "<t:GivenName>Vera</t:GivenName>")
    answer = anna(
        "<m:GetItem><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape>"
        f'<m:ItemIds><t:ItemId Id="{item[0]}"/></m:ItemIds></m:GetItem>'
    )
    ((same, key),) = item_ids(answer)
    assert same == item[0]
    assert key != item[1]
