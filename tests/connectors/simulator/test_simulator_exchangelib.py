"""exchangelib, the client that the product uses, works with the simulator as with Exchange."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from exchangelib import (
    DELEGATE,
    IMPERSONATION,
    Account,
    Configuration,
    Contact,
    Credentials,
    ExtendedProperty,
    FileAttachment,
    Folder,
    ItemAttachment,
    Message,
    Task,
)
from exchangelib.errors import ErrorFolderExists, ErrorItemNotFound, ErrorNonExistentMailbox, UnauthorizedError
from exchangelib.folders import Messages
from exchangelib.indexed_properties import EmailAddress, PhoneNumber

from connectors.simulator.simulator import Simulator

Open = Callable[..., Account]


@pytest.fixture(scope="module")
def open_account(simulator: Simulator) -> Open:
    """Opens an account as exchangelib users do."""

    def opened(address: str, user: str | None = None, password: str = "secret", access: str = DELEGATE) -> Account:
        config = Configuration(service_endpoint=simulator.url, credentials=Credentials(user or address, password))
        return Account(address, config=config, autodiscover=False, access_type=access)

    return opened


@pytest.fixture(scope="module")
def account(open_account: Open) -> Account:
    return open_account("anna@example.test")


def test_every_default_folder_has_its_class(simulator: Simulator, account: Account) -> None:
    for key in (
        "inbox",
        "drafts",
        "sent",
        "trash",
        "junk",
        "outbox",
        "contacts",
        "tasks",
        "calendar",
        "notes",
        "journal",
    ):
        folder = getattr(account, key)
        assert type(folder) is not Folder
        assert folder.effective_rights.read
    assert (account.root / "Top of Information Store" / "Inbox").id == account.inbox.id


def test_folders_are_made_renamed_moved_emptied_and_deleted(simulator: Simulator, account: Account) -> None:
    folder = Messages(parent=account.inbox, name="Shops").save()
    with pytest.raises(ErrorFolderExists):
        Messages(parent=account.inbox, name="shops").save()
    folder.name = "Chains"
    folder.save()
    Message(folder=folder, subject="x").save()
    folder.refresh()
    assert (folder.name, folder.total_count) == ("Chains", 1)
    folder.move(account.drafts)
    folder.empty()
    folder.refresh()
    assert folder.total_count == 0
    folder.delete()
    assert "Chains" not in [child.name for child in account.drafts.children]


def test_items_are_made_fetched_changed_and_deleted_in_bulk(simulator: Simulator, account: Account) -> None:
    made = account.bulk_create(
        account.inbox, [Message(account=account, subject=f"bulk {number}") for number in range(20)]
    )
    items = list(account.fetch(made, only_fields=["subject", "changekey"]))
    assert [item.subject for item in items] == [f"bulk {number}" for number in range(20)]
    for item in items:
        item.subject += "!"
    changed = account.bulk_update([(item, ["subject"]) for item in items])
    moved = account.bulk_move(changed, to_folder=account.drafts)
    assert {old.id for old in made}.isdisjoint(new[0] for new in moved)
    assert isinstance(next(iter(account.fetch(made[:1]))), ErrorItemNotFound)
    assert account.drafts.filter(subject__startswith="bulk").count() == 20
    assert account.bulk_delete(moved) == [True] * 20


def test_querysets_filter_sort_and_page(simulator: Simulator, account: Account) -> None:
    folder = Messages(parent=account.inbox, name="Query").save()
    account.bulk_create(
        folder, [Message(account=account, subject=f"q{number}", is_read=number > 2) for number in range(6)]
    )
    assert [item.subject for item in folder.all().order_by("-subject")[1:3]] == ["q4", "q3"]
    assert sorted(folder.filter(is_read=False).values_list("subject", flat=True)) == ["q0", "q1", "q2"]
    assert folder.filter(subject__in=["q1", "q5", "nothing"]).count() == 2
    assert folder.exclude(subject="q1").count() == 5
    assert folder.get(subject="q3").is_read
    assert folder.filter("subject:q4").count() == 1


def test_attachments_keep_what_they_hold(simulator: Simulator, account: Account) -> None:
    message = Message(folder=account.inbox, subject="with files")
    message.attach(FileAttachment(name="a.txt", content=b"hello"))
    message.attach(FileAttachment(name="i.png", content=b"png", is_inline=True, content_id="c1"))
    message.attach(ItemAttachment(name="inner", item=Message(account=account, subject="inside", body="text")))
    message.save()
    held = account.inbox.get(subject="with files")
    files = {one.name: one for one in held.attachments}
    assert files["a.txt"].content == b"hello"
    assert files["i.png"].is_inline
    assert files["inner"].item.subject == "inside"
    held.detach(list(held.attachments))
    held.refresh()
    assert not held.has_attachments


def test_contacts_and_tasks_come_back_as_they_were_written(simulator: Simulator, account: Account) -> None:
    contact = Contact(
        folder=account.contacts,
        display_name="Olga Orlova",
        given_name="Olga",
        surname="Orlova",
        company_name="Shop",
        categories=["Client"],
        email_addresses=[EmailAddress(email="olga@shop.test", label="EmailAddress1")],
        phone_numbers=[PhoneNumber(phone_number="+7 1", label="BusinessPhone")],
        body="a note",
    ).save()
    again = account.contacts.get(id=contact.id)
    assert (again.display_name, again.file_as, again.body) == ("Olga Orlova", "Orlova, Olga", "a note")
    assert again.complete_name.full_name == "Olga Orlova"
    assert again.email_addresses[0].email == "olga@shop.test"
    task = Task(folder=account.tasks, subject="Call").save()
    task.complete()
    done = account.tasks.get(subject="Call")
    assert (done.status, done.percent_complete, done.is_complete) == ("Completed", 100, True)


class Key(ExtendedProperty):
    property_set_id = "c11ff724-aa03-4555-9952-8fa248a11c3e"
    property_name = "SimulatorTest"
    property_type = "String"


def test_extended_properties_are_kept_and_found(simulator: Simulator, account: Account) -> None:
    Message.register("simulator_key", Key)
    try:
        item = Message(folder=account.inbox, subject="keyed", simulator_key="k-1").save()
        assert account.inbox.get(simulator_key="k-1").id == item.id
        item.simulator_key = None
        item.save(update_fields=["simulator_key"])
        assert not account.inbox.filter(simulator_key="k-1").exists()
    finally:
        Message.deregister("simulator_key")


def test_mail_is_sent_answered_and_forwarded(simulator: Simulator, account: Account, open_account: Open) -> None:
    Message(account=account, subject="Offer", body="Cheese?", to_recipients=["boris@example.test"]).send_and_save()
    boris = open_account("boris@example.test")
    offer = boris.inbox.get(subject="Offer")
    offer.reply_all("RE: Offer", "Yes")
    offer.forward("FW: Offer", "see", ["anna@example.test"])
    assert account.inbox.get(subject="RE: Offer").in_reply_to == offer.message_id
    assert account.inbox.filter(subject="FW: Offer").count() == 1
    assert account.sent.get(subject="Offer").is_read


def test_the_service_account_impersonates_and_a_wrong_password_is_unauthorized(
    simulator: Simulator, open_account: Open
) -> None:
    acted = open_account("boris@example.test", user="service@example.test", access=IMPERSONATION)
    assert acted.inbox.name == "Inbox"
    with pytest.raises(ErrorNonExistentMailbox):
        open_account("nobody@example.test", user="service@example.test", access=IMPERSONATION).inbox  # noqa: B018
    with pytest.raises(UnauthorizedError):
        open_account("anna@example.test", user="EXAMPLE\\anna", password="wrong").inbox  # noqa: B018


def test_names_are_resolved_and_rules_and_replies_kept(simulator: Simulator, account: Account) -> None:
    [box] = account.protocol.resolve_names(["boris"])
    assert box.email_address == "boris@example.test"
    assert account.oof_settings.state == "Disabled"
    assert list(account.rules) == []
