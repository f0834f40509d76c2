"""Who the embedded server runs as, because PostgreSQL refuses to run as root."""

from __future__ import annotations

import os
import pwd
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from statustui.domain.errors import DatabaseUnavailable, Forbidden

SYSTEM_ACCOUNT = "statustui"
SYSTEM_HOME = Path("/var/lib/statustui")

_ACCOUNT_TIMEOUT_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class ServerAccount:
    """The operating-system account of the server, and the one that may connect to it.

    Attributes:
        uid: user the server's processes run as.
        gid: group the server's processes run as.
        name: that user's name.
        client: name of the user whose connections are let in: always whoever runs statustui.
        is_separate: the server has an account of its own, because statustui runs as root.
        home: where files for a separate account may lie when the data are out of its reach.
    """

    uid: int
    gid: int
    name: str
    client: str
    is_separate: bool
    home: Path


def server_account(data_dir: Path, notice: Callable[[str], None]) -> ServerAccount:
    """Return the account for the server of `data_dir`, creating root's system user when missing.

    A plain user's server runs as that user. Root's runs as a system user of its own, which can
    not log in and owns nothing but the database files.

    Args:
        data_dir: folder of the data; only its owner may start a server there.
        notice: called with one line when a system user was created.

    Raises:
        Forbidden: root was asked to work on another user's data.
        DatabaseUnavailable: this user has no name, or the system user cannot be made.
    """
    uid = os.geteuid()
    try:
        me = pwd.getpwuid(uid)
    except KeyError as error:
        raise DatabaseUnavailable(
            str(data_dir),
            f"user id {uid} has no name on this host",
            advice="Give the user a line in the user database (containers: useradd in the image), "
            "or set STATUSTUI_DATABASE_URL to a PostgreSQL that runs elsewhere.",
        ) from error
    if uid != 0:
        return ServerAccount(uid, me.pw_gid, me.pw_name, me.pw_name, False, Path(me.pw_dir))
    refuse_foreign_data(data_dir)
    found = _system_account(data_dir, notice)
    return ServerAccount(
        found.pw_uid, found.pw_gid, found.pw_name, me.pw_name, True, Path(found.pw_dir)
    )


def refuse_foreign_data(folder: Path) -> None:
    """Raise Forbidden when root looks at a folder that a plain user owns.

    What root would write there could not be read by its owner afterwards.
    """
    try:
        owner = folder.stat().st_uid
    except FileNotFoundError:
        return
    if owner != os.geteuid():
        who = user_name(owner)
        raise Forbidden(
            f"the data in {folder} belong to {who}, not to root",
            advice=f"Run statustui as {who}, or choose another folder with STATUSTUI_DATA_DIR.",
        )


def user_name(uid: int) -> str:
    """The name of a user id, or the number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _system_account(data_dir: Path, notice: Callable[[str], None]) -> pwd.struct_passwd:
    # Several starters may come here at once; useradd takes a lock and the later ones are told
    # either that the name exists or to try again. Both mean: look again.
    deadline = time.monotonic() + _ACCOUNT_TIMEOUT_SECONDS
    said = ""
    while True:
        try:
            return pwd.getpwnam(SYSTEM_ACCOUNT)
        except KeyError:
            pass
        if time.monotonic() > deadline:
            raise DatabaseUnavailable(
                str(data_dir),
                f"root needs the system user {SYSTEM_ACCOUNT} to run PostgreSQL, and it cannot "
                f"be made: {said}",
                advice=f"Create it (useradd --system --user-group --no-create-home "
                f"{SYSTEM_ACCOUNT}), or run statustui as a plain user.",
            )
        said = _create_system_account()
        if not said:
            notice(
                f"created the system user {SYSTEM_ACCOUNT}: PostgreSQL does not run as root, "
                "so the embedded server runs as that user"
            )
        else:
            time.sleep(0.05)


def _create_system_account() -> str:
    command = [
        "useradd",
        "--system",
        "--user-group",
        "--no-create-home",
        "--home-dir",
        str(SYSTEM_HOME),
        "--shell",
        "/usr/sbin/nologin",
        "--comment",
        "statustui database",
        SYSTEM_ACCOUNT,
    ]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=_ACCOUNT_TIMEOUT_SECONDS,
            check=False,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return done.stderr.strip() or f"exit code {done.returncode}" if done.returncode else ""
