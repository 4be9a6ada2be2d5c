"""Where the database is: `sqlite`, or a PostgreSQL address in the form libpq knows (its section 34.1.1.2).

A password may hold any character if it is percent-encoded. A Unix socket is named by its directory, as
`postgresql:///mailer?host=/run/postgresql` or `postgresql://%2Frun%2Fpostgresql/mailer`.
"""

from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from mailer.core.kind import LINE, KindError, refined

SQLITE = "sqlite"
_OPTIONS = frozenset({"host", "sslmode", "sslrootcert"})


@dataclass(frozen=True, slots=True)
class Postgres:
    """A PostgreSQL database; empty parts are left to the server's own defaults."""

    name: str
    user: str = ""
    password: str = field(default="", repr=False)
    host: str = ""
    port: int | None = None
    options: tuple[tuple[str, str], ...] = ()


def postgres(url: str) -> Postgres | None:
    """The parts of the URL, None for SQLite; raises KindError for anything else."""
    if url == SQLITE:
        return None
    parts = urlsplit(url)
    if parts.scheme not in ("postgresql", "postgres"):
        raise KindError
    try:
        port = parts.port
    except ValueError as error:
        raise KindError("the port is a number up to 65535") from error
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if unknown := sorted(set(options) - _OPTIONS):
        raise KindError(f"nobody knows {', '.join(unknown)} after the question mark")
    name = unquote(parts.path.removeprefix("/"))
    if not name or "/" in name:
        raise KindError("the name of the database stands after the slash")
    return Postgres(
        name=name,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        host=options.pop("host", "") or unquote(parts.hostname or ""),
        port=port,
        options=tuple(sorted(options.items())),
    )


def _checked(url: str) -> str:
    postgres(url)
    return url


DATABASE_URL = refined(LINE, f'"{SQLITE}" or postgresql://user:password@host:5432/name', _checked)
