"""Every setting of the program in one frozen object, built once at the start and handed in.

Sources, strongest first: command-line flags, environment variables `STATUSTUI_…` (groups are
separated by two underscores, `STATUSTUI_WEB__PORT`), the file
`$XDG_CONFIG_HOME/statustui/config.toml`, and the defaults below. Nothing else in the program reads
the environment. An unknown key is an error that names the nearest right one: a misspelt setting
that is silently ignored would be found out at the worst hour.
"""

from __future__ import annotations

import difflib
import os
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

ENV_PREFIX = "STATUSTUI_"
ENV_NESTING = "__"


class SettingsError(ValueError):
    """A key is unknown or a value is wrong.

    Args:
        problems: one readable line for each mistake, with its source.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


class _Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DatabaseSettings(_Group):
    """How to reach PostgreSQL beyond `database_url`."""

    engine_url: SecretStr | None = Field(
        None,
        description="connection of the role statustui_engine, when it differs from "
        "database_url with that user's name",
    )
    web_url: SecretStr | None = Field(
        None,
        description="connection of the role statustui_web, when it differs from "
        "database_url with that user's name",
    )
    connect_timeout_seconds: float = Field(
        10.0, gt=0, le=120, description="how long one attempt to connect may take"
    )


def canary_address(text: str) -> tuple[str, int] | None:
    """The host and port that a canary names; None when it names none.

    Args:
        text: "host:port", "[::1]:443", "https://host/…", or a host alone, which is asked for
            its port 443.
    """
    has_scheme = "://" in text
    bare_v6 = text.count(":") > 1 and not text.startswith("[") and not has_scheme
    try:
        found = urlsplit(text if has_scheme else f"//[{text}]" if bare_v6 else f"//{text}")
        host, port = found.hostname, found.port
    except ValueError:
        return None
    if not host or any(letter.isspace() for letter in host) or port == 0:
        return None
    if has_scheme and found.scheme not in ("http", "https"):
        return None
    return host, port or (80 if found.scheme == "http" else 443)


class EngineSettings(_Group):
    """The part that runs checks."""

    region: str = Field(
        "local",
        min_length=1,
        max_length=60,
        pattern=r"^[a-z0-9][a-z0-9-]*$",
        description="the name of the place this engine looks from",
    )
    concurrency: int = Field(500, ge=1, le=10_000, description="checks under way at once")
    per_host_concurrency: int = Field(
        20, ge=1, le=1_000, description="checks under way at once against one target host"
    )
    queue_size: int = Field(
        50_000,
        ge=100,
        le=1_000_000,
        description="results kept in memory while the database is slow or away",
    )
    spool_max_bytes: int = Field(
        512 * 1024 * 1024,
        ge=64 * 1024,
        description="what results may take on disk, in the data directory, while the database "
        "is away",
    )
    canaries: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="addresses outside (host:port, a URL, or a host, separated by commas) that "
        "are tried when looks begin to fail, to tell whether this host has lost its network",
    )
    flush_interval_ms: int = Field(
        300, ge=10, le=600, description="how long a result waits for others before it is written"
    )
    configuration_poll_seconds: float = Field(
        15.0,
        ge=1,
        le=600,
        description="how often monitors are read again when no announcement arrives",
    )
    commands_allowed: Annotated[tuple[Path, ...], NoDecode] = Field(
        (),
        description="folders whose programs the command checks of this host may run, separated "
        "by commas; none by default",
    )

    @field_validator("canaries", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("canaries")
    @classmethod
    def _reachable(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for canary in value:
            if canary_address(canary) is None:
                raise ValueError(f"{canary} is no host, host:port or URL")
        return value

    @field_validator("commands_allowed", mode="before")
    @classmethod
    def _split_folders(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("commands_allowed")
    @classmethod
    def _whole_paths(cls, value: tuple[Path, ...]) -> tuple[Path, ...]:
        for folder in value:
            if not folder.is_absolute() or folder == Path("/") or "\0" in str(folder):
                raise ValueError(f"{folder} is not the absolute path of a folder below /")
        return value


class RetentionSettings(_Group):
    """How long the watch keeps what grows; daily figures are kept for ever."""

    checks_days: int = Field(
        90,
        ge=7,
        le=3_650,
        description="raw checks, and evidence that belongs to no incident: dropped by whole "
        "months, and sooner where no organization's plan shows them that long",
    )
    hourly_days: int = Field(
        400, ge=35, le=3_650, description="hourly figures; at least as long as raw checks"
    )

    @field_validator("hourly_days")
    @classmethod
    def _as_long_as_checks(cls, value: int, info: ValidationInfo) -> int:
        # Else figures would be made again from checks only to be let go again.
        if value < info.data.get("checks_days", 0):
            raise ValueError("hourly figures are kept at least as long as raw checks")
        return value


class WebSettings(_Group):
    """The public page; it only ever answers GET and HEAD."""

    enabled: bool = Field(True, description="whether the watch serves the page")
    host: str = Field("127.0.0.1", min_length=1, description="address to listen on")
    port: int = Field(8080, ge=0, le=65_535, description="port to listen on, 0 takes a free one")
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="addresses or networks whose X-Forwarded-For is believed, separated by commas",
    )
    requests_per_second: float = Field(
        50.0, gt=0, description="requests each address may make per second"
    )
    burst: int = Field(100, ge=1, description="requests an address may make at once")
    max_connections: int = Field(10_000, ge=1, description="connections open at once")
    max_connections_per_address: int = Field(
        256, ge=1, description="connections open at once from one address"
    )
    header_timeout_seconds: float = Field(
        10.0, gt=0, description="how long a client may take to send a request's head"
    )
    keep_alive_seconds: float = Field(75.0, gt=0, description="how long an idle connection is kept")

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value


class MetricsSettings(_Group):
    """Figures about the watch and its monitors, for Prometheus."""

    enabled: bool = Field(True, description="whether the watch serves /metrics")
    host: str = Field(
        "127.0.0.1",
        min_length=1,
        description="address to listen on; whoever reaches it reads names of services and monitors",
    )
    port: int = Field(
        9859,
        ge=0,
        le=65_535,
        description="port to listen on, 0 takes a free one; one in use is said in the log and "
        "stops nothing",
    )


class TerminalSettings(_Group):
    """The dashboard."""

    theme: Literal["auto", "dark", "light", "ansi", "mono"] = Field(
        "auto", description="colours: what the terminal says, or one of the four palettes"
    )
    glyphs: Literal["auto", "unicode", "ascii"] = Field(
        "auto", description="which signs are drawn; ascii for terminals without the others"
    )
    timezone: Literal["utc", "organization"] = Field(
        "utc", description="the time zone of clocks on the screen"
    )
    public_delay_seconds: int = Field(
        10,
        ge=0,
        le=600,
        description="how long a public post can be taken back before the page shows it",
    )
    notify_delay_seconds: int = Field(
        60, ge=0, le=3_600, description="how long mail and webhooks wait after a public post"
    )
    on_quit: Literal["ask", "stop", "leave"] = Field(
        "ask", description="what happens on quitting to a watch that was started from here"
    )
    bell: bool = Field(True, description="whether the terminal's bell rings when something breaks")
    mouse: bool = Field(True, description="whether the mouse is used")


class LogSettings(_Group):
    """The program's own log."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="the least severe line that is written"
    )
    format: Literal["text", "json"] = Field("text", description="how a line is written")
    file: Path | None = Field(
        None,
        description="where a watch without a terminal of its own writes; default "
        "watch.log in the data directory",
    )


class Settings(BaseSettings):
    """All settings; see the module's text for where they come from."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_nested_delimiter=ENV_NESTING,
        extra="forbid",
        frozen=True,
        case_sensitive=False,
    )

    database_url: SecretStr | None = Field(
        None, description="a shared PostgreSQL; without it the embedded one is used"
    )
    data_dir: Path = Field(
        default_factory=lambda: default_data_dir(),
        description="where the embedded database, drafts and logs are kept",
    )
    org: str | None = Field(None, description="the organization, for people who belong to several")
    database: DatabaseSettings = DatabaseSettings()  # type: ignore[call-arg]
    engine: EngineSettings = EngineSettings()  # type: ignore[call-arg]
    retention: RetentionSettings = RetentionSettings()  # type: ignore[call-arg]
    web: WebSettings = WebSettings()  # type: ignore[call-arg]
    metrics: MetricsSettings = MetricsSettings()  # type: ignore[call-arg]
    terminal: TerminalSettings = TerminalSettings()  # type: ignore[call-arg]
    log: LogSettings = LogSettings()  # type: ignore[call-arg]

    # An exported but empty variable means "not set" to everyone who writes shell scripts.
    @field_validator("database_url", "org", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("data_dir", mode="before")
    @classmethod
    def _empty_is_default(cls, value: object) -> object:
        return default_data_dir() if value == "" else value

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        if "\0" in str(value):
            raise ValueError("a folder's name holds no NUL character")
        return Path(os.path.abspath(value.expanduser()))

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings, env_settings)


@dataclass(frozen=True, slots=True)
class SettingSource:
    """One setting, with where its value came from.

    Attributes:
        key: "web.port"; value: as shown, secrets masked; source: "flag", "environment
            STATUSTUI_WEB__PORT", the file's path, or "default".
    """

    key: str
    value: str
    source: str
    description: str


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """The settings together with the provenance of each."""

    settings: Settings
    sources: tuple[SettingSource, ...]


def default_data_dir() -> Path:
    """The user's data directory for statustui, by the XDG base directory rules."""
    base = os.environ.get("XDG_DATA_HOME") or ""
    root = Path(base) if os.path.isabs(base) else Path.home() / ".local" / "share"
    return root / "statustui"


def config_file() -> Path:
    """The configuration file's path, by the XDG base directory rules; it need not exist."""
    base = os.environ.get("XDG_CONFIG_HOME") or ""
    root = Path(base) if os.path.isabs(base) else Path.home() / ".config"
    return root / "statustui" / "config.toml"


@dataclass(frozen=True, slots=True)
class TerminalFacts:
    """What the environment says about the terminal the program was started in."""

    term: str
    colorterm: str
    no_color: bool
    is_terminal: bool
    inside_tmux: bool
    locale: str
    columns: int | None


def terminal_facts() -> TerminalFacts:
    """Read what the environment says about the terminal, once, before the dashboard starts."""
    environ = os.environ
    locale = environ.get("LC_ALL") or environ.get("LC_CTYPE") or environ.get("LANG") or ""
    columns = environ.get("COLUMNS", "")
    return TerminalFacts(
        term=environ.get("TERM", ""),
        colorterm=environ.get("COLORTERM", ""),
        no_color=bool(environ.get("NO_COLOR")),
        is_terminal=sys.stdin.isatty() and sys.stdout.isatty(),
        inside_tmux=bool(environ.get("TMUX")),
        locale=locale,
        columns=int(columns) if columns.isdigit() else None,
    )


def child_environment(settings: Settings) -> dict[str, str]:
    """The environment that gives a child process the same database, data and page as this one.

    Args:
        settings: of this process; flags among them reach the child as variables.
    """
    environment = dict(os.environ)
    # Without byte code every start would compile everything anew.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    environment[_environment_name("data_dir")] = str(settings.data_dir)
    environment[_environment_name("web.host")] = settings.web.host
    environment[_environment_name("web.port")] = str(settings.web.port)
    environment.pop(_environment_name("database_url"), None)
    if settings.database_url is not None:
        address = settings.database_url.get_secret_value()
        environment[_environment_name("database_url")] = address
    return environment


def field_keys() -> dict[str, str]:
    """Every setting's dotted key with its description, in the order of this file."""
    return {key: description for key, description, _ in _walk_fields()}


def load_settings(flags: Mapping[str, Any] | None = None) -> LoadedSettings:
    """Build the settings from all sources.

    Args:
        flags: values given on the command line, nested by group; None values are left out.

    Returns:
        The settings and where each came from.

    Raises:
        SettingsError: a key is unknown or a value is wrong; every problem is named with its
            source.
    """
    given = _without_none(flags or {})
    path = config_file()
    from_file = _read_file(path)
    problems = [*_unknown_environment(), *_unknown_in_file(from_file, path)]
    if problems:
        raise SettingsError(problems)
    merged = _merge(_without(from_file, _environment_keys()), given)
    try:
        settings = Settings(**merged)
    except ValidationError as error:
        wrong = [_problem(item, given, path, from_file) for item in error.errors()]
        raise SettingsError(wrong) from None
    return LoadedSettings(settings, tuple(_sources(settings, given, from_file, path)))


def _walk_fields() -> Iterator[tuple[str, str, bool]]:
    for name, info in Settings.model_fields.items():
        annotation = info.annotation
        if isinstance(annotation, type) and issubclass(annotation, _Group):
            for inner, detail in annotation.model_fields.items():
                yield f"{name}.{inner}", detail.description or "", True
        else:
            yield name, info.description or "", False


def _environment_name(key: str) -> str:
    return ENV_PREFIX + key.replace(".", ENV_NESTING).upper()


def _environment_keys() -> set[str]:
    present = {name.upper() for name in os.environ}
    return {key for key, _, _ in _walk_fields() if _environment_name(key) in present}


def _unknown_environment() -> list[str]:
    known = {_environment_name(key) for key, _, _ in _walk_fields()}
    problems = []
    for name in sorted(os.environ):
        if name.upper().startswith(ENV_PREFIX) and name.upper() not in known:
            near = difflib.get_close_matches(name.upper(), known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            problems.append(f"unknown setting {name} in the environment{hint}")
    return problems


def _read_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError([f"cannot read {path}: {error}"]) from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError([f"{path} is not valid TOML: {error}"]) from error


def _unknown_in_file(values: Mapping[str, Any], path: Path) -> list[str]:
    known = [key for key, _, _ in _walk_fields()]
    groups = {key.split(".")[0] for key in known if "." in key}
    problems = []
    for name, value in values.items():
        dotted = (
            [f"{name}.{inner}" for inner in value]
            if isinstance(value, Mapping) and name in groups
            else [name]
        )
        for key in dotted:
            if key not in known:
                near = difflib.get_close_matches(key, [*known, *groups], n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                problems.append(f"unknown setting {key} in {path}{hint}")
    return problems


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            inner = _without_none(value)
            if inner:
                kept[key] = inner
        elif value is not None:
            kept[key] = value
    return kept


def _without(values: Mapping[str, Any], keys: set[str]) -> dict[str, Any]:
    # What the environment sets is taken out of the file's values, so that the environment wins.
    kept: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            kept[name] = {k: v for k, v in value.items() if f"{name}.{k}" not in keys}
        elif name not in keys:
            kept[name] = value
    return kept


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        if isinstance(value, Mapping) and isinstance(under, Mapping):
            merged[key] = _merge(under, value)
        else:
            merged[key] = value
    return merged


def _lookup(values: Mapping[str, Any], key: str) -> bool:
    current: Any = values
    for part in key.split("."):
        if not isinstance(current, Mapping) or part not in current:
            return False
        current = current[part]
    return True


def _source_of(key: str, given: Mapping[str, Any], from_file: Mapping[str, Any], path: Path) -> str:
    if _lookup(given, key):
        return "flag"
    if key in _environment_keys():
        return f"environment {_environment_name(key)}"
    if _lookup(from_file, key):
        return str(path)
    return "default"


def _problem(item: Any, given: Mapping[str, Any], path: Path, from_file: Mapping[str, Any]) -> str:
    key = ".".join(str(part) for part in item["loc"][:2])
    source = _source_of(key, given, from_file, path)
    told = str(item["msg"]).removeprefix("Value error, ")
    return f"setting {key} ({source}): {told}"


def _sources(
    settings: Settings, given: Mapping[str, Any], from_file: Mapping[str, Any], path: Path
) -> Iterator[SettingSource]:
    for key, description, nested in _walk_fields():
        group, _, name = key.partition(".")
        value = getattr(getattr(settings, group), name) if nested else getattr(settings, key)
        yield SettingSource(
            key, _shown(value), _source_of(key, given, from_file, path), description
        )


def _shown(value: object) -> str:
    if value is None:
        return "not set"
    if isinstance(value, SecretStr):
        return "set, hidden"
    if isinstance(value, tuple):
        return ", ".join(str(part) for part in value) or "none"
    return str(value)
