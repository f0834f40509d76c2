"""What must not stand in the repository: a machine's own paths, and hosts that could be reached."""

from __future__ import annotations

import ipaddress
import re
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]

# References that people follow and the program never does, and names of XML namespaces.
_KNOWN_HOSTS = {"etherx.jabber.org", "keepachangelog.com", "semver.org", "www.w3.org"}
_RESERVED = (
    ".test",
    ".example",
    ".invalid",
    ".localhost",
    ".example.com",
    ".example.org",
    ".example.net",
)
_RESERVED_HOSTS = {"example.com", "example.org", "example.net"}
_DOCUMENTATION = [
    ipaddress.ip_network(text) for text in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")
]

_URL = re.compile(r"\b(?:https?|wss?|ftp)://(?:[^\s/@\"'<>]*@)?(\[[^\]\s]+\]|[A-Za-z0-9.-]+)")
_MACHINE_PATH = re.compile(r"(?<![\w.~-])/(?:root|home|work|Users)/[A-Za-z0-9._-]+")
_REGISTRY_WORDS = re.compile(r"pythonhosted|--(?:extra-)?index-url|--find-links|--trusted-host")


@cache
def texts() -> tuple[tuple[str, int, str], ...]:
    """Every line of every text file that is or could be committed."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode == 0:
        paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    else:
        skipped = {".git", ".venv", "__pycache__", "dist", "build"}
        paths = [path for path in ROOT.rglob("*") if not skipped.intersection(path.parts)]
    lines = []
    for path in paths:
        if not path.is_file() or path.name == "requirements-dev.txt":
            continue
        content = path.read_bytes()
        if b"\0" in content[:4096]:
            continue
        for number, line in enumerate(content.decode(errors="replace").splitlines(), 1):
            lines.append((path.relative_to(ROOT).as_posix(), number, line))
    return tuple(lines)


def test_there_is_something_to_look_at() -> None:
    assert len({name for name, _, _ in texts()}) > 50


def test_no_path_of_a_machine() -> None:
    found = [
        f"{name}:{number}: {match.group()}"
        for name, number, line in texts()
        if (match := _MACHINE_PATH.search(line))
    ]
    assert found == []


def test_no_host_but_reserved_ones() -> None:
    found = [
        f"{name}:{number}: {match.group(1)}"
        for name, number, line in texts()
        for match in _URL.finditer(line)
        if not is_harmless(match.group(1).lower().rstrip("."))
    ]
    assert found == []


def test_no_package_index_is_named() -> None:
    found = [
        f"{name}:{number}"
        for name, number, line in texts()
        # This file, and the rule that keeps them out of the lock file, have to name the words.
        if _REGISTRY_WORDS.search(line) and name != "tests/architecture/test_repository.py"
    ]
    assert found == []


def test_pinned_requirements_have_hashes_and_name_no_host() -> None:
    lines = (ROOT / "requirements-dev.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if re.match(r"^[a-z0-9]", line)]
    assert len(pins) > 40
    assert all(re.match(r"^[a-z0-9.-]+==[^ ]+ ", pin) for pin in pins)
    assert all(pin.endswith("\\") for pin in pins), "each has hashes on the lines that follow"
    allowed = re.compile(
        r"^([a-z0-9.-]+==.*\\|    --hash=sha256:[0-9a-f]{64}( \\)?|    # via .*|#.*|)$"
    )
    assert [line for line in lines if not allowed.match(line)] == []


def is_harmless(host: str) -> bool:
    """Whether a host is reserved, on loopback, a mere name in an example, or a known reference."""
    if host in _KNOWN_HOSTS or host in _RESERVED_HOSTS or host.endswith(_RESERVED):
        return True
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return "." not in host.strip(".")
    return (
        address.is_loopback
        or address.is_unspecified
        or address.is_private
        or address.is_link_local
        or any(address in network for network in _DOCUMENTATION)
    )
