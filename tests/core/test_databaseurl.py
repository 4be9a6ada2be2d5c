"""Database addresses: what libpq would understand, and what is refused before it gets there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.core.databaseurl import DATABASE_URL, SQLITE, Postgres, postgres
from mailer.core.kind import KindError


@given(st.text())
def test_any_text_is_taken_apart_or_refused(text: str) -> None:
    for url in (text, f"postgresql://{text}", f"postgresql://h/n?{text}"):
        try:
            assert DATABASE_URL.read(url) == url
        except KindError:
            continue
        assert url == SQLITE or postgres(url) is not None


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("postgres://h/n", Postgres("n", host="h")),
        ("postgresql://u:p%2F%40@h:5433/n", Postgres("n", "u", "p/@", "h", 5433)),
        ("postgresql:///n?host=%2Frun%2Fpg", Postgres("n", host="/run/pg")),
        (
            "postgresql://h/n?sslmode=require&sslrootcert=ca",
            Postgres("n", host="h", options=(("sslmode", "require"), ("sslrootcert", "ca"))),
        ),
    ],
)
def test_the_parts_are_those_that_were_written(url: str, parts: Postgres) -> None:
    assert postgres(url) == parts


def test_sqlite_has_no_parts() -> None:
    assert postgres(SQLITE) is None


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mysql://h/n",
        "postgresql://h",
        "postgresql://h/",
        "postgresql://h/a/b",
        "postgresql://h:0x/n",
        "postgresql://[/n",
    ],
)
def test_an_address_that_leads_nowhere_is_refused(url: str) -> None:
    with pytest.raises(KindError):
        DATABASE_URL.read(url)
