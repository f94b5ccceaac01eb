"""The people of a seeded office: ours with their mailboxes, and the clients."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

from sqlalchemy import Connection, insert
from sqlalchemy.orm import Session

from terracrm.domain.made_up import Writer
from terracrm.domain.names import company_key, name_key
from terracrm.domain.words import stem
from terracrm.models import (
    Company,
    CompanyDomain,
    Contact,
    ContactAddress,
    ContactPhone,
    Mailbox,
    MirrorFolder,
    Sharing,
    Stream,
    Team,
    User,
)
from terracrm.services import search
from terracrm.services.access import RoleCode
from terracrm.services.matching import INTERNAL

Row = dict[str, Any]

OURS = "seeded.example"
STREAMS = ("contacts", "calendar", "mail")
SHARING = (Sharing.EVERYONE, Sharing.TEAM, Sharing.PARTICIPANTS, Sharing.PRIVATE)
SHARING_WEIGHTS = (60, 25, 10, 5)
ASSIGNED = 0.75  # of the companies, to a manager; of the others one half belongs to a team


@dataclass(frozen=True, slots=True)
class Size:
    """How much there is of each thing in a seeded office with so many activities."""

    activities: int

    @property
    def companies(self) -> int:
        """A company has 80 activities on average."""
        return max(5, self.activities // 80)

    @property
    def contacts(self) -> int:
        """Four people at each company: those of company n are n, n + companies, ..."""
        return 4 * self.companies

    @property
    def users(self) -> int:
        """Managers, each with a mailbox of the same number."""
        return min(200, max(8, self.activities // 2000))

    @property
    def teams(self) -> int:
        """Each has a shared mailbox too, numbered after those of the managers."""
        return max(2, self.users // 10)

    @property
    def sentences(self) -> int:
        """What people say to each other: each is said in a hundred activities, or more."""
        return min(20_000, max(50, self.activities // 50))

    @property
    def subjects(self) -> int:
        """What they write about."""
        return self.sentences // 5


class Office:
    """Made up on construction, written by `write`."""

    def __init__(self, random: Random, writer: Writer, size: Size) -> None:
        self._random = random
        self._writer = writer
        self._size = size
        self._names = writer.companies(size.companies)
        self.sharing = {n: self._level(n) for n in range(1, size.users + size.teams + 1)}
        self.owners = [self._owner() for _ in range(size.companies)]

    def write(self, connection: Connection) -> list[Row]:
        """Write all; the faces, for participants, of everybody with a mail address."""
        faces = [*self._write_ours(connection), *self._write_clients(connection)]
        self._make_findable(connection, faces)
        return faces

    def _level(self, mailbox: int) -> int:
        shared = mailbox > self._size.users
        return Sharing.TEAM if shared else self._random.choices(SHARING, SHARING_WEIGHTS)[0]

    def _owner(self) -> tuple[int | None, int | None]:
        """To whom a company belongs: a manager, a team, or nobody."""
        if self._random.random() < ASSIGNED:
            return self._random.randint(1, self._size.users), None
        return None, self._random.choice((None, self._random.randint(1, self._size.teams)))

    def _write_ours(self, connection: Connection) -> list[Row]:
        users, teams = range(1, self._size.users + 1), range(1, self._size.teams + 1)
        names = {n: self._writer.person() for n in users}
        connection.execute(insert(Team), [{"id": n, "name": f"Team {n}"} for n in teams])
        managers = [
            {
                "id": n,
                "name": f"manager{n}",
                "full_name": names[n],
                "email": f"manager{n}@{OURS}",
                "role_code": RoleCode.MANAGER,
                "team_id": (n - 1) % self._size.teams + 1,
            }
            for n in users
        ]
        controller = {"id": len(users) + 1, "name": "controller", "full_name": "Controller", "email": ""}
        none = {"role_code": RoleCode.CONTROLLER, "team_id": None}
        connection.execute(insert(User), [*managers, controller | none])
        boxes: list[Row] = [
            {"id": n, "address": f"manager{n}@{OURS}", "user_id": n, "team_id": None, "sharing": self.sharing[n]}
            for n in users
        ]
        boxes += [
            {"id": n, "address": f"team{n}@{OURS}", "user_id": None, "team_id": team, "sharing": self.sharing[n]}
            for team, n in enumerate(sorted(self.sharing)[len(users) :], start=1)
        ]
        account = {"server": "https://mail.seeded.example/EWS/Exchange.asmx", "username": "seeded"}
        connection.execute(insert(Mailbox), [box | account for box in boxes])
        streams = [
            {"id": stream_of(box["id"], kind), "mailbox_id": box["id"], "kind": kind, "is_enabled": False}
            for box in boxes
            for kind in STREAMS
        ]
        connection.execute(insert(Stream), streams)
        connection.execute(
            insert(MirrorFolder),
            [
                {"id": row["id"], "stream_id": row["id"], "remote_id": f"folder{row['id']}", "path": row["kind"]}
                for row in streams
            ],
        )
        return [_face(-box["id"], box["address"], names.get(box["id"], "")) for box in boxes]

    def _write_clients(self, connection: Connection) -> list[Row]:
        companies: list[Row] = []
        contacts: list[Row] = []
        addresses: list[Row] = []
        phones: list[Row] = []
        faces: list[Row] = []
        for number, (name, (owner, team)) in enumerate(zip(self._names, self.owners, strict=True), start=1):
            company = {"id": number, "name": f"ООО «{name}»", "name_key": company_key(name), "owner_id": owner}
            companies.append(company | {"team_id": team, "city": "Москва", "created_by_rule": "seed"})
        for number in range(1, self._size.contacts + 1):
            of_company = (number - 1) % len(companies) + 1
            name, domain = self._writer.person(), self.domain(of_company)
            address, phone = f"client{number}@{domain}", f"+7495{number:07}"
            contact = {"id": number, "company_id": of_company, "display_name": name, "name_key": name_key(name)}
            contacts.append(contact | {"job_title": "Закупщик", "created_by_rule": "seed"})
            addresses.append({"contact_id": number, "address": address, "domain": domain, "written": address})
            phones.append({"contact_id": number, "number": phone, "e164": phone})
            faces.append(_face(number, address, name, of_company, domain))
        connection.execute(insert(Company), companies)
        connection.execute(
            insert(CompanyDomain), [{"domain": self.domain(row["id"]), "company_id": row["id"]} for row in companies]
        )
        connection.execute(insert(Contact), contacts)
        connection.execute(insert(ContactAddress), addresses)
        connection.execute(insert(ContactPhone), phones)
        return faces

    def domain(self, company: int) -> str:
        """The mail domain of a company."""
        return f"{self._names[company - 1].lower()}.example"

    def _make_findable(self, connection: Connection, faces: list[Row]) -> None:
        with Session(connection, join_transaction_mode="rollback_only") as session:
            named = [(n, f"{name} {self.domain(n)}") for n, name in enumerate(self._names, start=1)]
            search.index_companies(session, named)
            clients = [face for face in faces if face["id"] > 0]
            search.index_contacts(session, [(face["id"], f"{face['name']} {face['address']}") for face in clients])


def stream_of(mailbox: int, kind: str) -> int:
    """The number of a mailbox's stream of a kind, and of its one folder."""
    return len(STREAMS) * mailbox + STREAMS.index(kind)


def _face(number: int, address: str, name: str, company: int | None = None, domain: str = "") -> Row:
    known = {"contact_id": number if company else None, "company_id": company, "domain": domain}
    method = "address" if company else INTERNAL
    return known | {
        "id": number,
        "address": address,
        "name": name,
        "method": method,
        "words": stem(f"{name} {address}"),
    }
