"""Local sign-in: the lockout, unknown names, revoked sessions (A3)."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.orm import Session, sessionmaker

from terracrm.models import User
from terracrm.services import sign_in
from terracrm.services.sign_in import Lockout
from tests.office import NOW, PASSWORD, Office

LOCKOUT = Lockout(attempts=3, duration=timedelta(minutes=15))


def enter(session: Session, name: str, password: str, minutes: float = 0) -> User | None:
    user = sign_in.sign_in(session, name, password, LOCKOUT, NOW + timedelta(minutes=minutes))
    session.commit()
    return user


def test_the_right_password_lets_in(office: Office) -> None:
    office.session.commit()
    assert enter(office.session, " anna ", PASSWORD) is not None
    assert enter(office.session, "anna", "wrong") is None
    assert enter(office.session, "nobody", PASSWORD) is None
    assert enter(office.session, "anna", "") is None


def test_an_account_is_locked_after_wrong_passwords_and_opens_again(office: Office) -> None:
    office.session.commit()
    for _ in range(3):
        assert enter(office.session, "anna", "wrong") is None
    assert enter(office.session, "anna", PASSWORD) is None
    assert enter(office.session, "anna", PASSWORD, minutes=14) is None
    assert enter(office.session, "anna", PASSWORD, minutes=16) is not None
    assert enter(office.session, "boris", PASSWORD) is not None


def test_the_lockout_is_in_the_database(office: Office, sessions: sessionmaker[Session]) -> None:
    office.session.commit()
    for _ in range(3):
        with sessions() as other:
            enter(other, "anna", "wrong")
    assert enter(office.session, "anna", PASSWORD) is None


def test_a_right_password_forgets_the_wrong_ones(office: Office) -> None:
    office.session.commit()
    for _ in range(2):
        enter(office.session, "anna", "wrong")
    assert enter(office.session, "anna", PASSWORD) is not None
    for _ in range(2):
        enter(office.session, "anna", "wrong")
    assert enter(office.session, "anna", PASSWORD) is not None


def test_who_left_is_not_let_in(office: Office) -> None:
    office.users["anna"].is_active = False
    office.session.commit()
    assert enter(office.session, "anna", PASSWORD) is None
    assert sign_in.current_user(office.session, office.users["anna"].id, 0) is None


def test_a_weak_hash_is_renewed_at_the_sign_in(office: Office) -> None:
    before = office.users["anna"].password_hash
    office.session.commit()
    enter(office.session, "anna", PASSWORD)
    assert office.users["anna"].password_hash != before
    assert enter(office.session, "anna", PASSWORD) is not None


def test_ending_all_sessions_ends_each_of_them(office: Office) -> None:
    anna = office.users["anna"].id
    office.session.commit()
    assert sign_in.current_user(office.session, anna, 0) is not None
    sign_in.end_all_sessions(office.session, anna)
    office.session.commit()
    assert sign_in.current_user(office.session, anna, 0) is None
    assert sign_in.current_user(office.session, anna, 1) is not None
