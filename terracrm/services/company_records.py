"""Companies made from what the mailboxes say: by the name on a contact, or by the domain of its address."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from terracrm.domain.addresses import DomainPolicy
from terracrm.domain.names import company_key, is_same_company
from terracrm.models import Company, CompanyDomain, Contact, FieldChange, Participant, SenderDecision
from terracrm.services import field_history, history, merge_privacy, merged, search
from terracrm.services.field_history import Change, Origin, forget_changes, move_changes

# What made a company known: the rules of Company.created_by_rule.
BY_NAME = "contact_company"
BY_DOMAIN = "mail_domain"


def company_for(session: Session, origin: Origin, name: str, domains: Iterable[str]) -> Company | None:
    """The company of this name or of these domains; made when unknown and named. The domains become its own.

    A company that was only known by its domain takes the name when one is found; a longer or shorter form of its
    name at the same domain is the same company.
    """
    wanted = sorted({domain for domain in domains if domain})
    by_domain = _by_domain(session, wanted)
    if not company_key(name):
        return by_domain
    company = _by_name(session, name)
    if company is None and by_domain is not None and is_named_by_domain(by_domain):
        company = by_domain
        rename(session, origin, company, name)
    elif company is None and by_domain is not None and is_same_company(by_domain.name, name):
        company = by_domain
    elif company is None:
        company = add_company(session, origin, name, BY_NAME)
    own_domains(session, origin, company, wanted)
    return company


def own_domains(session: Session, origin: Origin, company: Company, domains: Iterable[str]) -> None:
    """Give a company the domains of its people that nobody has, and what was only known by one of them."""
    wanted = sorted({domain for domain in domains if domain})
    owners = select(Company).join(CompanyDomain).where(CompanyDomain.domain.in_(wanted), Company.id != company.id)
    for other in session.scalars(owners.distinct().order_by(Company.id)).all():
        if is_named_by_domain(other) and not is_named_by_domain(company):
            _absorb(session, origin, other, company)
    _claim(session, origin, company, wanted)


def withdraw(session: Session, policy: DomainPolicy, company: Company, names: Iterable[str]) -> bool:
    """An entry that named this company became private: without its people it goes, and without its name it is
    called by its domain again (S4). One that somebody wrote notes about stays. Whether it does."""
    people = session.scalars(select(Contact).where(Contact.company_id == company.id)).all()
    if not people and not company.notes:
        drop(session, policy, [company])
        return False
    others = {company_key(person.company_name) for person in people}
    merge_privacy.forget_company(session, company, {company_key(name) for name in names} - others - {""})
    if company.domains and company.name_key in {company_key(name) for name in names} - others:
        with field_history.unrecorded(session, company):
            company.name = company.domains[0].domain
            company.name_key = company_key(company.name)
            forget_changes(session, "company", [company.id])
        index(session, company)
    return True


def company_by_domain(session: Session, origin: Origin, domain: str) -> Company:
    """The company of a domain; made and named by the domain when unknown."""
    company = _by_domain(session, [domain])
    if company is None:
        company = add_company(session, origin, domain, BY_DOMAIN)
        _claim(session, origin, company, [domain])
    return company


def add_company(session: Session, origin: Origin, name: str, rule: str) -> Company:
    """A new company that belongs to whom the origin belongs; it says which mailbox, run and rule made it known."""
    company = Company(
        name=name.strip(),
        name_key=company_key(name),
        owner_id=origin.user_id,
        team_id=origin.team_id,
        created_by_mailbox_id=origin.mailbox_id,
        created_by_run_id=origin.run_id,
        created_by_rule=rule,
    )
    with field_history.creating(session, origin, company):
        session.add(company)
    index(session, company)
    return company


def rename(session: Session, origin: Origin, company: Company, name: str) -> None:
    """Call the company something else; it is found by that from now on."""
    with field_history.recording(session, origin, company):
        company.name, company.name_key = name.strip(), company_key(name)
    index(session, company)


def is_named_by_domain(company: Company) -> bool:
    """Whether nobody has told the company's name yet."""
    return any(company.name == owned.domain for owned in company.domains)


def _by_name(session: Session, name: str) -> Company | None:
    """The company of this name; where only a merged one has it, what that one became (M4)."""
    named = select(Company).where(Company.name_key == company_key(name))
    merged_last = Company.merged_into_id.is_not(None)
    return merged.survivor(session, session.scalar(named.order_by(merged_last, Company.id).limit(1)))


def _by_domain(session: Session, domains: list[str]) -> Company | None:
    return session.scalar(
        select(Company).join(CompanyDomain).where(CompanyDomain.domain.in_(domains)).order_by(Company.id).limit(1)
    )


def _claim(session: Session, origin: Origin, company: Company, domains: list[str]) -> None:
    taken = set(session.scalars(select(CompanyDomain.domain).where(CompanyDomain.domain.in_(domains))))
    free = [domain for domain in domains if domain not in taken]
    if not free:
        return
    with field_history.recording(session, origin, company):
        company.domains += [CompanyDomain(domain=domain) for domain in free]
    for domain in free:
        history.link_domain(session, domain)
        _adopt(session, origin, company, domain)
    index(session, company)


def _adopt(session: Session, origin: Origin, company: Company, domain: str) -> None:
    """Contacts that had no company and whose address is of this domain belong to it from now on."""
    homeless = session.scalars(
        select(Contact).where(
            Contact.company_id.is_(None),
            Contact.company_name == "",
            Contact.addresses.any(domain=domain),
        )
    ).all()
    for contact in homeless:
        contact.company_id = company.id
        history.move_contact(session, contact.id, None, company.id)
    field_history.record(session, origin, [Change(person, "company", "", str(company.id)) for person in homeless])


def _absorb(session: Session, origin: Origin, known_by_domain: Company, company: Company) -> None:
    """A company that was only known by its domain is this one: all of it goes there, and nothing known is lost."""
    old = known_by_domain.id
    people = session.scalars(select(Contact).where(Contact.company_id == old)).all()
    session.execute(update(Contact).where(Contact.company_id == old).values(company_id=company.id))
    field_history.record(session, origin, [Change(person, "company", str(old), str(company.id)) for person in people])
    history.move_company(session, old, company.id)
    forget_changes(session, "company", [old], FieldChange.field == field_history.CREATED)
    move_changes(session, "company", old, company.id)
    absorbed = session.scalars(select(Company).where(Company.merged_into_id == old)).all()
    merge_privacy.hand_over(session, "company", old, company.id)
    field_history.record(session, origin, [Change(each, "merged", str(old), str(company.id)) for each in absorbed])
    _take_over(session, origin, known_by_domain, company)
    search.remove(session, "company_search", [old])
    session.delete(known_by_domain)
    session.flush()
    index(session, company)


def _take_over(session: Session, origin: Origin, gone: Company, company: Company) -> None:
    """The domains of a company that goes, and what was known of it: what is empty here is filled, notes stand below
    each other, and a value that gives way is in the history of changes."""
    lost = [
        Change(company, field, getattr(gone, field), getattr(company, field))
        for field in ("name", "phone", "website", "city")
        if getattr(gone, field) and getattr(company, field)
    ]
    with field_history.recording(session, origin, company):
        domains = [owned.domain for owned in gone.domains]
        gone.domains.clear()
        session.flush()
        company.domains += [CompanyDomain(domain=domain) for domain in domains]
        for field in ("phone", "website", "city"):
            setattr(company, field, getattr(company, field) or getattr(gone, field))
        company.notes = "\n".join(text for text in (company.notes, gone.notes) if text)
    field_history.record(session, origin, lost)


def drop(session: Session, policy: DomainPolicy, companies: Sequence[Company]) -> None:
    """Companies without people go, and what was decided in their favour; their mail is matched anew."""
    ids = [company.id for company in companies]
    for company in companies:
        company.domains.clear()
    session.execute(delete(SenderDecision).where(SenderDecision.company_id.in_(ids)))
    session.flush()
    history.rematch(session, policy, Participant.company_id.in_(ids))
    history.forget_topics(session, "company", ids)
    forget_changes(session, "company", ids)
    merge_privacy.drop(session, "company", ids)
    search.remove(session, "company_search", ids)
    for company in companies:
        session.delete(company)
    session.flush()


def index(session: Session, company: Company) -> None:
    """Make the company found by its name and its domains."""
    domains = " ".join(owned.domain for owned in company.domains)
    search.index_companies(session, [(company.id, f"{company.name} {domains}")])
