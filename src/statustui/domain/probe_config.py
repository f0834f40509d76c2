"""How a monitor looks at a database, a job or a host's own plugin: the kinds that carry secrets.

A connection string and a plugin's arguments are where passwords live, so what of them may be shown
is decided here, next to what they mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from statustui.domain.masking import MASK, is_secret_name

POSTGRES_PORT = 5432
SSL_MODES = ("disable", "prefer", "require", "verify-ca", "verify-full")
# Rows that are read of a query's result, and the first of them that are kept in detail.
POSTGRES_MOST_ROWS = 1_000

# Asked of somebody else's database, and not of ours.
DEFAULT_QUERY = "SELECT 1"

_DSN_SCHEMES = ("postgresql", "postgres")
# What plugins agreed to mean by these letters is never a secret.
_HARMLESS_LETTERS = frozenset("tcwHlu")


@dataclass(frozen=True, slots=True)
class PostgresConfig:
    """One connection to a PostgreSQL server, and one query over it.

    Attributes:
        dsn: `postgresql://user:password@host:port/database?sslmode=…`.
        query: one statement that returns rows; the session is read-only.
        expected: text that the first cell of the first row must be; None for anything.
        expected_rows: how many rows must come; None for any number.
    """

    dsn: str
    query: str = DEFAULT_QUERY
    expected: str | None = None
    expected_rows: int | None = None


@dataclass(frozen=True, slots=True)
class HeartbeatConfig:
    """A job that says itself that it ran, with `statustui beat`.

    Attributes:
        every_seconds: how often a beat is expected.
        grace_seconds: how much later it may be.
    """

    every_seconds: int
    grace_seconds: int


@dataclass(frozen=True, slots=True)
class CommandConfig:
    """A monitoring plugin on the engine's own host.

    Attributes:
        argv: its absolute path and its arguments; no shell reads them.
    """

    argv: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Dsn:
    """The parts of a connection string.

    Attributes:
        sslmode: one of `SSL_MODES`, with libpq's meaning.
    """

    host: str
    port: int
    user: str
    password: str
    database: str
    sslmode: str


def split_dsn(dsn: str) -> Dsn | str:
    """The parts of a connection string, or what is wrong with it, without its secrets.

    Everything that decides who is connected to, and as whom, has to stand in the string. Sockets,
    password files, services and client keys belong to the host that looks, and whoever writes a
    monitor must not be able to borrow them.
    """
    try:
        parts = urlsplit(dsn)
        host, port = parts.hostname or "", parts.port
        options = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        return "cannot be read; write it postgresql://user:password@host:5432/database"
    if parts.scheme not in _DSN_SCHEMES or not dsn.startswith(f"{parts.scheme}://"):
        return "begins with postgresql://"
    if not host or "," in parts.netloc:
        return "names one host; sockets and lists of hosts are not taken"
    if port == 0:
        return "port 0 cannot be connected to"
    if not parts.username:
        return "names the user: postgresql://user:password@host/database"
    sslmode = "prefer"
    for name, value in options:
        if name != "sslmode":
            return f'takes "sslmode" alone after the question mark, not "{name[:40]}"'
        if value not in SSL_MODES:
            return f"sslmode is one of {', '.join(SSL_MODES)}"
        sslmode = value
    user = unquote(parts.username)
    return Dsn(
        host=unquote(host),
        port=port or POSTGRES_PORT,
        user=user,
        password=unquote(parts.password or ""),
        database=unquote(parts.path.removeprefix("/")) or user,
        sslmode=sslmode,
    )


def mask_dsn(dsn: str) -> str:
    """A connection string with its password masked; masked whole when it cannot be read."""
    parts = split_dsn(dsn)
    if isinstance(parts, str):
        return MASK
    password = f":{MASK}" if parts.password else ""
    host = f"[{parts.host}]" if ":" in parts.host else parts.host
    port = "" if parts.port == POSTGRES_PORT else f":{parts.port}"
    mode = "" if parts.sslmode == "prefer" else f"?sslmode={parts.sslmode}"
    user, database = quote(parts.user), quote(parts.database)
    return f"postgresql://{user}{password}@{host}{port}/{database}{mode}"


def mask_argv(argv: tuple[str, ...]) -> list[str]:
    """A plugin's words with what may be a secret masked.

    Only options whose meaning plugins agreed on (`-H`, `-w`, `-c`, `-t`, `-l`, `-u`) and long ones
    without a telling name show their values: `-p` is a port to one and a password to another.
    """
    words = list(argv[:1])
    hides_next = False
    for word in argv[1:]:
        if hides_next and not word.startswith("-"):
            words.append(MASK)
            hides_next = False
            continue
        hides_next = False
        name, equals, _ = word.partition("=")
        if word.startswith("--"):
            secret = is_secret_name(name) or "communit" in name.lower()
            words.append(f"{name}={MASK}" if equals and secret else word)
            hides_next = secret and not equals
        elif len(word) > 1 and word.startswith("-") and word[1] not in _HARMLESS_LETTERS:
            words.append(word if len(word) == 2 else f"{word[:2]}{MASK}")
            hides_next = len(word) == 2
        else:
            words.append(f"{name}={MASK}" if equals and is_secret_name(name) else word)
    return words


def command_name(argv: tuple[str, ...]) -> str:
    """What a plugin is called in a list: "check_disk"."""
    return PurePosixPath(argv[0]).name if argv else ""
