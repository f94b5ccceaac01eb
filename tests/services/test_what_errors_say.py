"""What errors of the database say, for they are logged."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, insert
from sqlalchemy.exc import IntegrityError

from terracrm.models import Contact


def test_an_error_of_the_database_repeats_nobodys_words(engine: Engine) -> None:
    values = {"id": 1, "display_name": "Vera", "name_key": "vera", "notes": "Her secret"}
    with pytest.raises(IntegrityError) as failed, engine.begin() as connection:
        connection.execute(insert(Contact), [values | {"id": 2}, values, values])
    assert "Her secret" not in str(failed.value)
