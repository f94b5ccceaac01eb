"""A fixed day of an office, which may be cut short at any point: afterwards all is as if it had not been."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import select

from terracrm.domain import history_block
from terracrm.domain.contact_merge import LISTS
from terracrm.domain.records import ContactRecord, LabelledAddress, Phone
from terracrm.models import Conflict, Contact, FieldChange
from terracrm.services import contact_data
from tests.sync import two_way_edits as edits
from tests.sync.two_way_outlook import Entry, Outlook
from tests.sync.two_way_truth import plain
from tests.sync.two_way_world import NAMES, Crash, World

_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.+]+")


class Day:
    """What happens on that day; `run` starts again where it was killed."""

    def __init__(self, template: Path, outlook: Outlook, crash_at: int = 0) -> None:
        self.world = World(template, outlook)
        self.world.points.crash_at = crash_at
        self.contacts: dict[str, int] = {}

    def live(self) -> None:
        """The whole day, to its settled end."""
        world = self.world
        world.settings.mirror.page_size = 2
        world.choose("boris", scope="team", conflict="crm")
        world.choose("vera", directions={"phones": "out"}, conflict="outlook", on_delete="archive")
        for name, owner in (("olga", "anna"), ("petr", "anna"), ("ivan", "vera"), ("nina", "vera")):
            self.contacts[name] = self.create(name, owner)
        self.run_everything()
        self.edit("anna", "olga", job_title="Директор")
        self.notes("boris", "olga", "above")
        world.edit(self.contacts["olga"], {"department": "Закупки"})
        self.edit("vera", "ivan", phones=(Phone("mobile", "+74950000099"),))
        clients = world.clients_folder("vera")
        assert clients is not None
        world.outlook.put(
            "vera", clients, ContactRecord(display_name="Новая", emails=(LabelledAddress("1", "new@firm.example"),))
        )
        self.run_everything()
        world.archive(self.contacts["petr"], True)
        world.assign(self.contacts["ivan"], "anna")
        self.notes("anna", "olga", "delete the block")
        world.outlook.delete(self.card("vera", "nina"))
        boris = self.card("boris", "olga")
        world.outlook.move("boris", boris.remote_id, self.contacts_folder("boris"))
        self.run_everything()
        self.edit("anna", "olga", surname="В Outlook")
        world.edit(self.contacts["olga"], {"surname": "В системе"})
        world.archive(self.contacts["petr"], False)
        self.run_everything()
        world.merge(self.contacts["petr"], self.contacts["olga"])
        self.run_everything()
        world.settle()

    def create(self, name: str, owner: str) -> int:
        return self.world.create(
            owner,
            {
                "display_name": name,
                "notes": f"О человеке: {name}",
                "emails": [{"label": "1", "address": f"{name}@firm.example"}],
                "phones": [{"label": "mobile", "number": f"+7495111000{len(self.contacts)}"}],
            },
        )

    def run_everything(self) -> None:
        for name in NAMES:
            self.world.now()
            try:
                self.world.run(name)
            except Crash:
                self.world.bury_the_worker()
                self.world.now()
                self.world.run(name)

    def card(self, owner: str, name: str) -> Entry:
        with self.world.sessions() as session:
            links = self.world.links(session, owner)
            (remote_id,) = [link.remote_id for link in links if link.local_id == self.contacts[name]]
        return next(entry for entry in self.world.outlook.entries(owner) if entry.remote_id == remote_id)

    def edit(self, owner: str, name: str, **values: Any) -> None:
        entry = self.card(owner, name)
        self.world.outlook.edit(entry, replace(entry.record, **values), set(values))

    def notes(self, owner: str, name: str, act: str) -> None:
        entry = self.card(owner, name)
        body = edits.notes_edit(entry.body, act, "tok0x")
        self.world.outlook.edit(entry, replace(entry.record, body=body), {"notes"})

    def contacts_folder(self, owner: str) -> Any:
        return next(folder for folder in self.world.outlook.folders(owner) if folder.well_known == "contacts")

    def state(self) -> dict[str, Any]:
        """How things are, but for ids and times."""
        with self.world.sessions() as session:
            contacts = session.scalars(select(Contact)).all()
            ids = {
                contact.id: f"{contact.display_name} {contact.addresses[:1] and contact.addresses[0].address}"
                for contact in contacts
            }
            links = [
                (name, link)
                for name in NAMES
                for is_live in (True, False)
                for link in self.world.links(session, name, is_live)
            ]
            written = {link.remote_id: link.written for _, link in links}
            said = {
                "contacts": sorted(
                    (
                        ids[each.id],
                        contact_data.texts(each),
                        [contact_data.entries(each, name) for name in LISTS],
                        each.archived_at is not None,
                        ids.get(each.merged_into_id or 0, ""),
                    )
                    for each in contacts
                ),
                "links": sorted((name, ids[link.local_id], link.gone_at is None) for name, link in links),
                "changes": sorted(
                    (ids[c.entity_id], c.field, *(_TIME.sub("then", each) for each in (c.old, c.new)))
                    for c in session.scalars(select(FieldChange).where(FieldChange.entity == "contact"))
                ),
                "conflicts": sorted(
                    (ids[c.entity_id], c.field, str(c.crm_value), str(c.outlook_value), c.winner)
                    for c in session.scalars(select(Conflict))
                ),
            }
        cards = [
            (name, entry.folder.path, *self._without_ids(entry, written.get(entry.remote_id, "")))
            for name in NAMES
            for entry in self.world.outlook.entries(name)
        ]
        return said | {"cards": sorted(cards, key=str)}

    @staticmethod
    def _without_ids(entry: Entry, written: str) -> tuple[Any, ...]:
        own = plain(history_block.strip(entry.body, written))
        has_block = "[TerraCRM:" in entry.body.content
        return replace(
            entry.record, notes=own, body=None, card=replace(entry.record.card, last_contact=None)
        ), has_block


def walk(template: Path, make: Callable[[], Outlook], stride: int) -> int:
    """Live the day undisturbed, then killed at each `stride`th point; how many points there are."""
    calm = Day(template, make())
    try:
        calm.live()
        expected, total = calm.state(), calm.world.points.passed
        log = calm.world.points.log
    finally:
        calm.world.close()
    for point in range(min(stride, total // 2), total + 1, stride):
        day = Day(template, make(), point)
        try:
            day.live()
            found = day.state()
        except AssertionError as error:
            raise AssertionError(f"killed at point {point} of {total} ({log[point - 1]}): {error}") from error
        finally:
            day.world.close()
        for name, value in expected.items():
            assert found[name] == value, (
                f"killed at point {point} of {total} ({log[point - 1]}), {name}:",
                [each for each in value if each not in found[name]],
                [each for each in found[name] if each not in value],
            )
    return total
