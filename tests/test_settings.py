"""Settings: which source wins, and that nothing misspelt is ignored."""

from __future__ import annotations

from pathlib import Path

import pytest

from statustui.settings import (
    SettingsError,
    canary_address,
    config_file,
    field_keys,
    load_settings,
)


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import os

    for name in list(os.environ):
        if name.upper().startswith("STATUSTUI_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


def _write(text: str) -> Path:
    path = config_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def _source(key: str, **flags: object) -> tuple[str, str]:
    loaded = load_settings(flags)
    found = next(item for item in loaded.sources if item.key == key)
    return found.value, found.source


def test_flag_beats_environment_beats_file_beats_default(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _source("web.port") == ("8080", "default")
    path = _write("[web]\nport = 1001\nhost = '127.0.0.2'\n")
    assert _source("web.port") == ("1001", str(path))
    monkeypatch.setenv("STATUSTUI_WEB__PORT", "1002")
    assert _source("web.port") == ("1002", "environment STATUSTUI_WEB__PORT")
    assert _source("web.port", web={"port": 1003}) == ("1003", "flag")
    # The other key of the group is still the file's.
    assert _source("web.host", web={"port": 1003}) == ("127.0.0.2", str(path))


def test_flags_that_were_not_given_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATUSTUI_WEB__PORT", "1002")
    assert _source("web.port", web={"port": None, "host": None})[0] == "1002"


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("STATUSTUI_WBE__PORT", "STATUSTUI_WEB__PORT"),
        ("STATUSTUI_WEB__PROT", "STATUSTUI_WEB__PORT"),
        ("STATUSTUI_DATABSE_URL", "STATUSTUI_DATABASE_URL"),
        ("STATUSTUI_DATADIR", "STATUSTUI_DATA_DIR"),
    ],
)
def test_unknown_variable_names_the_nearest(
    name: str, near: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "1")
    with pytest.raises(SettingsError, match=f"{name}.*did you mean {near}"):
        load_settings()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[web]\nprot = 1\n", r"unknown setting web\.prot .*did you mean web\.port"),
        ("[wbe]\nport = 1\n", r"unknown setting wbe .*did you mean web"),
        ("[web]\nport = 'many'\n", r"setting web\.port \(.*config\.toml\)"),
        ("[web\n", "is not valid TOML"),
    ],
)
def test_file_mistakes_are_named(text: str, shown: str) -> None:
    _write(text)
    with pytest.raises(SettingsError, match=shown):
        load_settings()


def test_every_mistake_is_listed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATUSTUI_WEB__PORT", "99999")
    monkeypatch.setenv("STATUSTUI_LOG__LEVEL", "loud")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert len(caught.value.problems) == 2
    assert "environment STATUSTUI_WEB__PORT" in caught.value.problems[0]
    assert "environment STATUSTUI_LOG__LEVEL" in caught.value.problems[1]


def test_secrets_are_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATUSTUI_DATABASE_URL", "postgresql://a:hunter2@localhost/db")
    loaded = load_settings()
    assert "hunter2" not in repr(loaded)
    assert _source("database_url")[0] == "set, hidden"


def test_empty_database_url_means_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATUSTUI_DATABASE_URL", "")
    assert load_settings().settings.database_url is None


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATUSTUI_WEB__TRUSTED_PROXIES", "10.0.0.1, 10.1.0.0/16")
    assert load_settings().settings.web.trusted_proxies == ("10.0.0.1", "10.1.0.0/16")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("db1:5432", ("db1", 5432)),
        ("1.1.1.1", ("1.1.1.1", 443)),
        ("[2001:db8::1]:53", ("2001:db8::1", 53)),
        ("2001:db8::1", ("2001:db8::1", 443)),
        ("https://example.com/health", ("example.com", 443)),
        ("http://example.com", ("example.com", 80)),
        ("https://example.com:8443", ("example.com", 8443)),
        ("ftp://example.com", None),
        ("db1:port", None),
        ("db1:0", None),
        ("two words", None),
        (":443", None),
        ("", None),
    ],
)
def test_where_a_canary_is(text: str, address: tuple[str, int] | None) -> None:
    assert canary_address(text) == address


def test_a_canary_that_is_nowhere_is_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATUSTUI_ENGINE__CANARIES", "db1:5432, ftp://example.com")
    with pytest.raises(SettingsError, match=r"ftp://example\.com is no host"):
        load_settings()


def test_every_setting_is_described() -> None:
    assert all(field_keys().values()), "a setting without a description helps nobody"
