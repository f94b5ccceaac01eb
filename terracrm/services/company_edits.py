"""Companies changed by hand, in the portal or by command: made, edited, archived, restored, assigned (P7, P2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from terracrm.domain.addresses import DomainPolicy
from terracrm.domain.client_values import COMPANY_FIELDS
from terracrm.domain.names import company_key
from terracrm.models import Company, CompanyDomain
from terracrm.services import access, company_records, edits, history
from terracrm.services.access import Viewer
from terracrm.services.edits import Values
from terracrm.services.field_history import of_viewer, recording
from terracrm.services.sources import lock_directory

BY_HAND: Final = "by_hand"
TEXTS: Final = ("city", "phone", "website", "notes")


def values(company: Company) -> dict[str, Any]:
    """All that an edit can change, as it is now."""
    said: dict[str, Any] = {field: getattr(company, field) for field in ("name", *TEXTS)}
    return said | {"domains": [owned.domain for owned in company.domains]}


def blank() -> dict[str, Any]:
    """The values of a company that is not there yet."""
    return dict.fromkeys(COMPANY_FIELDS, "") | {"domains": []}


def add(session: Session, policy: DomainPolicy, viewer: Viewer, wanted: Values) -> Company:
    """A new company of the viewer's; its domains bring their past mail. Raises Forbidden, or BadValues."""
    edits.require_right(viewer)
    lock_directory(session, for_writing=True)
    found = edits.changed(wanted, blank(), None)
    _check_name(session, viewer, found.get("name", ""))
    made = company_records.add_company(session, of_viewer(viewer), found["name"], BY_HAND)
    _check_domains(session, policy, viewer, made, found.get("domains", []))
    _write(session, policy, viewer, made, found)
    edits.note(session, viewer, made, "add")
    return made


def edit(
    session: Session,
    policy: DomainPolicy,
    viewer: Viewer,
    company_id: int,
    wanted: Values,
    seen: Mapping[str, str] | None = None,
) -> list[str]:
    """Change what is wanted otherwise; the fields that changed. Arguments and errors as `contact_edits.edit`."""
    company = edits.company(session, viewer, company_id)
    now = values(company)
    found = edits.changed(wanted, now, seen)
    if "name" in found and company_key(found["name"]) != company.name_key:
        _check_name(session, viewer, found["name"])
    if "domains" in found:
        _check_domains(session, policy, viewer, company, set(found["domains"]) - set(now["domains"]))
    if found:
        _write(session, policy, viewer, company, found)
        edits.note(session, viewer, company, "edit", sorted(found))
    return sorted(found)


def archive(session: Session, viewer: Viewer, company_id: int) -> bool:
    """Put a company away: it leaves the lists; its people and its history stay. Whether it was there."""
    return edits.set_archived(session, viewer, edits.company(session, viewer, company_id), True)


def restore(session: Session, viewer: Viewer, company_id: int) -> bool:
    """Take an archived company out again. Whether it was archived."""
    return edits.set_archived(session, viewer, edits.company(session, viewer, company_id), False)


def assign(
    session: Session,
    viewer: Viewer,
    company_id: int,
    owner_id: int | None = edits.UNCHANGED,
    team_id: int | None = edits.UNCHANGED,
) -> None:
    """Say who looks after a company; see `edits.assign`. Raises Forbidden, NotFound or InvalidInput."""
    edits.assign(session, viewer, edits.company(session, viewer, company_id), owner_id, team_id)


def _check_name(session: Session, viewer: Viewer, name: str) -> None:
    if not company_key(name):
        raise edits.refuse("name", "name")
    same = Company.name_key == company_key(name), Company.archived_at.is_(None), access.companies(viewer)
    if session.scalar(select(Company.id).where(*same).limit(1)) is not None:
        raise edits.refuse("name", "there", name)


def _check_domains(
    session: Session, policy: DomainPolicy, viewer: Viewer, company: Company, domains: Iterable[str]
) -> None:
    """A domain is a company's that nobody has, or one that is only known by it and that the viewer sees: it goes."""
    for domain in sorted(domains):
        if policy.company_domain(f"x@{domain}") != domain:
            raise edits.refuse("domains", "domain", domain)
        owned = session.get(CompanyDomain, domain)
        if owned is not None and owned.company is not company and not _may_go(session, viewer, owned.company):
            raise edits.refuse("domains", "taken", domain)


def _may_go(session: Session, viewer: Viewer, company: Company) -> bool:
    seen = select(Company.id).where(Company.id == company.id, access.companies(viewer))
    return company_records.is_named_by_domain(company) and session.scalar(seen) is not None


def _write(session: Session, policy: DomainPolicy, viewer: Viewer, company: Company, found: Mapping[str, Any]) -> None:
    origin = of_viewer(viewer)
    given_up: list[str] = []
    with recording(session, origin, company):
        company.name = found.get("name", company.name)
        company.name_key = company_key(company.name)
        for field in TEXTS:
            setattr(company, field, found.get(field, getattr(company, field)))
        if "domains" in found:
            gone = [owned for owned in company.domains if owned.domain not in found["domains"]]
            given_up = [owned.domain for owned in gone]
            for owned in gone:
                company.domains.remove(owned)
    company_records.own_domains(session, origin, company, found.get("domains", []))
    for domain in given_up:
        history.unlink_domain(session, domain)
    company_records.index(session, company)
