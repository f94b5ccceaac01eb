"""Pages of changes: what is asked, what of the answers counts, and what a sick item does to its page."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from lxml import etree

from terracrm.domain.records import Change, ChangeKind, Folder, MessageRecord, Page, StreamKind
from terracrm.errors import Temporary
from tests.connectors.exchange_ews.script import (
    Reply,
    ScriptedServer,
    answered,
    check,
    envelope,
    failure,
    fault,
    success,
)

T = "{http://schemas.microsoft.com/exchange/services/2006/types}"


def synced(*changes: str, state: str = "next", is_last: bool = True) -> str:
    """A SyncFolderItems answer."""
    return answered(
        "SyncFolderItems",
        success(
            "SyncFolderItems",
            f"<m:SyncState>{state}</m:SyncState>"
            f"<m:IncludesLastItemInRange>{str(is_last).lower()}</m:IncludesLastItemInRange>"
            f"<m:Changes>{''.join(changes)}</m:Changes>",
        ),
    )


def created(item_id: str, kind: str = "Message") -> str:
    """A Create element."""
    return f'<t:Create><t:{kind}><t:ItemId Id="{item_id}" ChangeKey="k1"/></t:{kind}></t:Create>'


def message(item_id: str) -> str:
    """The response message of a mail whose subject is its id."""
    return success(
        "GetItem",
        f'<m:Items><t:Message><t:ItemId Id="{item_id}" ChangeKey="k2"/><t:Subject>{item_id}</t:Subject>'
        "<t:Sensitivity>Normal</t:Sensitivity></t:Message></m:Items>",
    )


def ids_of(request: etree._Element) -> list[str]:
    """The item ids of a GetItem request."""
    return [element.get("Id") for element in request.iter(f"{T}ItemId")]


def items(answer: Callable[[str], str]) -> Callable[[etree._Element], Reply]:
    """Answer GetItem item by item."""

    def reply(request: etree._Element) -> Reply:
        text = answered("GetItem", *(answer(item_id) for item_id in ids_of(request)))
        check(text)
        return Reply(envelope(text))

    return reply


def read(server: ScriptedServer, folder: Folder, cursor: str | None = None) -> list[Page]:
    return list(server.connector().changes(folder, cursor, 100))


def subjects(page: Page) -> list[str]:
    return [change.record.subject for change in page.changes if isinstance(change.record, MessageRecord)]


def test_changes_keep_the_order_of_the_server(server: ScriptedServer, inbox: Folder) -> None:
    flag = '<t:ReadFlagChange><t:ItemId Id="c" ChangeKey="k"/><t:IsRead>false</t:IsRead></t:ReadFlagChange>'
    deletion = '<t:Delete><t:ItemId Id="d" ChangeKey="k"/></t:Delete>'
    update = created("b").replace("Create>", "Update>")
    server.on("SyncFolderItems", synced(deletion, created("a"), flag, update))
    server.on("GetItem", items(message))
    (page,) = read(server, inbox)
    assert [(change.kind, change.remote_id) for change in page.changes] == [
        (ChangeKind.DELETED, "d"),
        (ChangeKind.CREATED, "a"),
        (ChangeKind.READ_FLAG, "c"),
        (ChangeKind.UPDATED, "b"),
    ]
    assert page.changes[1].version == "k2"
    assert (page.changes[2].is_read, page.changes[2].version) == (False, "k")
    assert server.requests.count("GetItem") == 1


def test_each_page_carries_the_state_after_it(server: ScriptedServer, inbox: Folder) -> None:
    def page(request: etree._Element) -> Reply:
        state = request.findtext("{*}SyncState") or "0"
        number = int(state) + 1
        return Reply(envelope(synced(state=str(number), is_last=number == 3)))

    server.on("SyncFolderItems", page)
    assert [page.cursor for page in read(server, inbox)] == ["1", "2", "3"]
    assert [page.cursor for page in read(server, inbox, "2")] == ["3"]
    assert "GetItem" not in server.requests


def test_no_more_is_asked_than_the_server_gives(server: ScriptedServer, inbox: Folder) -> None:
    asked = []
    server.on("SyncFolderItems", lambda request: asked.append(request) or Reply(envelope(synced())))
    list(server.connector().changes(inbox, None, 10_000))
    list(server.connector().changes(inbox, None, 7))
    assert [request.findtext("{*}MaxChangesReturned") for request in asked] == ["512", "7"]
    assert asked[0].find("{*}SyncState") is None


@pytest.mark.parametrize("kind", [StreamKind.CONTACTS, StreamKind.CALENDAR, StreamKind.MAIL])
def test_sensitivity_is_always_asked_for(server: ScriptedServer, kind: StreamKind) -> None:
    asked = []
    server.on("GetItem", lambda request: asked.append(request) or items(message)(request))
    server.connector().get(Folder("f", "F", kind), ["a"])
    (request,) = asked
    assert request.xpath("//*[local-name()='FieldURI'][@FieldURI='item:Sensitivity']")
    assert request.findtext("{*}ItemShape/{*}BaseShape") == "IdOnly"


def test_an_element_that_is_not_known_is_passed_over(server: ScriptedServer, inbox: Folder) -> None:
    news = "<t:Archive><t:ItemId Id='x'/></t:Archive>"
    server.on("SyncFolderItems", synced(news, created("a"), created("b", "Hologram")), valid=False)
    server.on("GetItem", items(message))
    (page,) = read(server, inbox)
    assert subjects(page) == ["a"]
    assert len(page.changes) == 1


def test_an_item_gone_between_the_two_requests_is_a_deletion(server: ScriptedServer, inbox: Folder) -> None:
    server.on("SyncFolderItems", synced(created("a"), created("gone")))
    server.on(
        "GetItem",
        items(
            lambda each: (
                failure("GetItem", "ErrorItemNotFound", content="<m:Items/>") if each == "gone" else message(each)
            )
        ),
    )
    (page,) = read(server, inbox)
    assert subjects(page) == ["a"]
    assert page.changes[1] == Change(ChangeKind.DELETED, "gone")


def test_distribution_lists_are_no_contacts(server: ScriptedServer) -> None:
    server.on("SyncFolderItems", synced(created("list", "DistributionList"), created("vera", "Contact")))
    server.on("GetItem", items(lambda each: message(each).replace("t:Message>", "t:Contact>")))
    (page,) = read(server, Folder("contacts-id", "Contacts", StreamKind.CONTACTS, "contacts"))
    assert [change.remote_id for change in page.changes] == ["vera"]


def test_a_task_in_a_mail_folder_is_passed_over(server: ScriptedServer, inbox: Folder) -> None:
    server.on("SyncFolderItems", synced(created("task", "Task"), created("request", "MeetingRequest")))
    server.on("GetItem", items(lambda each: message(each).replace("t:Message>", "t:MeetingRequest>")))
    (page,) = read(server, inbox)
    assert subjects(page) == ["request"]


SICK = [
    "ErrorContentConversionFailed",
    "ErrorItemPropertyRequestFailed",
    "ErrorInternalServerError",
    "ErrorMimeContentInvalid",
    "ErrorAccessDenied",
    "ErrorItemCorrupt",
    "ErrorMessageSizeExceeded",
    "ErrorStaleObject",
]


@pytest.mark.parametrize("code", SICK)
def test_an_error_of_one_item_is_its_own(server: ScriptedServer, inbox: Folder, code: str) -> None:
    server.on("SyncFolderItems", synced(*(created(each) for each in "abc")))
    server.on(
        "GetItem", items(lambda each: failure("GetItem", code, content="<m:Items/>") if each == "b" else message(each))
    )
    (page,) = read(server, inbox)
    assert subjects(page) == ["a", "c"]
    assert code in page.changes[1].error
    assert page.changes[1].kind is ChangeKind.CREATED
    assert page.changes[1].record is None


@pytest.mark.parametrize("code", SICK[:5])
@pytest.mark.parametrize("whole", ["fault", "every item"])
@pytest.mark.parametrize("way", ["reading", "reading back"])
def test_a_batch_refused_for_one_item_is_halved_until_it_is_alone(
    server: ScriptedServer, inbox: Folder, code: str, whole: str, way: str
) -> None:
    names = [f"item{number}" for number in range(60)]

    def reply(request: etree._Element) -> Reply:
        if "item41" not in ids_of(request):
            return items(message)(request)
        if whole == "fault":
            return Reply(fault(code), status=500)
        return items(lambda _: failure("GetItem", code, content="<m:Items/>"))(request)

    server.on("SyncFolderItems", synced(*(created(name) for name in names)))
    server.on("GetItem", reply)
    changes = read(server, inbox)[0].changes if way == "reading" else server.connector().get(inbox, names)
    assert subjects(Page(tuple(changes), "")) == [name for name in names if name != "item41"]
    (sick,) = [change for change in changes if change.error]
    assert sick.remote_id == "item41"
    assert server.requests.count("GetItem") < 15


def test_many_sick_items_at_the_beginning_of_a_batch_do_not_stop_the_others(
    server: ScriptedServer, inbox: Folder
) -> None:
    names = [f"item{number}" for number in range(100)]
    sick = set(names[:20])

    def reply(request: etree._Element) -> Reply:
        return Reply(fault(SICK[0]), status=500) if sick & set(ids_of(request)) else items(message)(request)

    server.on("SyncFolderItems", synced(*(created(name) for name in names)))
    server.on("GetItem", reply)
    (page,) = read(server, inbox)
    assert subjects(page) == names[20:]
    assert {change.remote_id for change in page.changes if change.error} == sick
    assert server.requests.count("GetItem") < 60


def test_a_server_that_fails_on_everything_makes_nobody_sick(server: ScriptedServer, inbox: Folder) -> None:
    server.on("SyncFolderItems", synced(*(created(f"item{number}") for number in range(60))))
    server.on("GetItem", Reply(fault("ErrorInternalServerError"), status=500))
    with pytest.raises(Temporary):
        read(server, inbox)
    assert server.requests.count("GetItem") < 30


def test_trouble_of_the_server_is_not_laid_on_an_item(server: ScriptedServer, inbox: Folder) -> None:
    server.on("SyncFolderItems", synced(created("a"), created("b")))
    server.on("GetItem", items(lambda _: failure("GetItem", "ErrorMailboxMoveInProgress", content="<m:Items/>")))
    with pytest.raises(Temporary):
        read(server, inbox)
    assert server.requests.count("GetItem") == 1


def test_what_the_server_left_out_of_a_batch_is_asked_again(server: ScriptedServer, inbox: Folder) -> None:
    def reply(request: etree._Element) -> Reply:
        first, *rest = ids_of(request)
        stopped = failure("GetItem", "ErrorBatchProcessingStopped", content="<m:Items/>").replace('Error"', 'Warning"')
        return Reply(envelope(answered("GetItem", message(first), *(stopped for _ in rest))))

    server.on("SyncFolderItems", synced(*(created(each) for each in "abc")))
    server.on("GetItem", reply)
    (page,) = read(server, inbox)
    assert subjects(page) == ["a", "b", "c"]


def test_a_large_page_is_fetched_in_batches(server: ScriptedServer, inbox: Folder) -> None:
    names = [f"item{number}" for number in range(250)]
    sizes = []
    server.on("SyncFolderItems", synced(*(created(name) for name in names)))
    server.on("GetItem", lambda request: sizes.append(len(ids_of(request))) or items(message)(request))
    (page,) = read(server, inbox)
    assert subjects(page) == names
    assert sizes == [100, 100, 50]


def test_characters_that_xml_forbids_cost_no_item(server: ScriptedServer, inbox: Folder) -> None:
    text = answered("GetItem", message("a").replace("<t:Subject>a", "<t:Subject>one&#x1F;two&#x0;three"))
    server.on("SyncFolderItems", synced(created("a")))
    server.on("GetItem", text, valid=False)
    (page,) = read(server, inbox)
    (subject,) = subjects(page)
    assert subject.startswith("one")
    assert subject.endswith("three")
    assert "\x00" not in subject


def listed(*ids: str, offset: int, is_last: bool) -> str:
    """A FindItem answer."""
    found = "".join(f'<t:Message><t:ItemId Id="{each}" ChangeKey="k{each}"/></t:Message>' for each in ids)
    root = (
        f'<m:RootFolder IndexedPagingOffset="{offset}" TotalItemsInView="5" '
        f'IncludesLastItemInRange="{str(is_last).lower()}"><t:Items>{found}</t:Items></m:RootFolder>'
    )
    return answered("FindItem", success("FindItem", root))


def test_a_list_is_read_by_its_pages(server: ScriptedServer, inbox: Folder) -> None:
    answers = [listed("a", "b", offset=2, is_last=False), listed("c", offset=3, is_last=True)]
    asked: list[tuple[str | None, str | None]] = []

    def reply(request: etree._Element) -> Reply:
        (view,) = request.iter("{*}IndexedPageItemView")
        asked.append((view.get("Offset"), view.get("MaxEntriesReturned")))
        return Reply(envelope(answers[len(asked) - 1]))

    server.on("FindItem", reply)
    found = list(server.connector().listing(inbox))
    assert [(each.remote_id, each.version, each.is_other) for each in found] == [
        ("a", "ka", False),
        ("b", "kb", False),
        ("c", "kc", False),
    ]
    assert asked == [("0", "1000"), ("2", "1000")]


def test_a_list_without_an_end_is_given_up(server: ScriptedServer, inbox: Folder) -> None:
    server.on("FindItem", listed("a", offset=0, is_last=False))
    with pytest.raises(Temporary, match="no end"):
        list(server.connector().listing(inbox))
    assert server.requests.count("FindItem") == 1
