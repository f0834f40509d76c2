"""A world that is there to be broken: targets, watches, a database, and the hands on them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import asyncpg

from statustui.store.embedded import EmbeddedServer
from tests.chaos.audit import Report, audit_database
from tests.chaos.truth import TruthWriter, read_truth
from tests.support.databases import Database
from tests.support.proxy import Line
from tests.support.scram_server import ADMIN, PASSWORD, scram_server
from tests.support.world import World

_ROOT = Path(__file__).parents[2]
INTERVAL_SECONDS = 5
RECOVERY_WATCH_SECONDS = 2
# Interval, one retry, and what it takes to write and to settle: an outage is known by then.
CONFIRMED_SECONDS = 9.0
# A dead engine's monitors are another's by then.
HAND_OVER_SECONDS = 10.0
# Which of thirty targets belong together: every fifth service has two.
_TWINS = 5
_SERVER_KILLED = "database killed"
# Of a watch's log that are shown when something was found.
_LINES = 80


@dataclass(slots=True)
class TargetProcess:
    """The targets' process, and its strings."""

    child: subprocess.Popen[str]
    urls: dict[str, str]
    _turn: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def start(cls, log: Path, count: int) -> Self:
        """Start them; they end with this process, whatever becomes of it."""
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.targets", "--truth", log, "--count", str(count)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=_ROOT,
        )
        assert child.stdout is not None
        return cls(child, json.loads(child.stdout.readline()))

    def become(self, names: Iterable[str], mode: str) -> None:
        """Change some of them, and wait until they have."""
        assert self.child.stdin is not None
        assert self.child.stdout is not None
        with self._turn:
            self.child.stdin.write(json.dumps({"names": list(names), "mode": mode}) + "\n")
            self.child.stdin.flush()
            answer = self.child.stdout.readline()
        assert answer == "done\n", f"the targets said {answer!r}"

    def stop(self) -> None:
        """End them."""
        for stream in (self.child.stdin, self.child.stdout):
            if stream is not None:
                stream.close()
        try:
            self.child.wait(5)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


@dataclass(slots=True)
class Watch:
    """One host with a watch on it: its own folder and page, and a line to the database.

    Args:
        name: in the log.
        place: its folder and its settings.
        line: to the shared database; None for one that has the embedded server.
    """

    name: str
    place: World
    truth: TruthWriter
    line: Line | None = None
    child: subprocess.Popen[str] | None = None

    async def start(self) -> None:
        """Start the watch and wait until its page answers."""
        self.child = await asyncio.to_thread(self.place.serve)
        self._note("started")

    def kill(self) -> None:
        """kill -9."""
        assert self.child is not None
        # Noted first: what is answered after this may be lost.
        self._note("killed")
        self.child.kill()
        self.child.wait()

    def freeze(self) -> None:
        """SIGSTOP."""
        assert self.child is not None
        self.child.send_signal(signal.SIGSTOP)
        self._note("frozen")

    def thaw(self) -> None:
        """SIGCONT."""
        assert self.child is not None
        self._note("thawed")
        self.child.send_signal(signal.SIGCONT)

    async def stop(self) -> int:
        """SIGTERM; gives its exit code."""
        assert self.child is not None
        self.child.send_signal(signal.SIGTERM)
        code = await asyncio.to_thread(self.child.wait, 15)
        self._note("stopped")
        return code

    @property
    def log(self) -> str:
        """What it wrote so far."""
        return (self.place.folder / "serve.log").read_text()

    def engine(self) -> str:
        """What its health page says of its engine."""
        try:
            return str(json.loads(self.place.get("/healthz")[1])["engine"])
        except (OSError, ValueError):
            return "gone"

    def end(self) -> None:
        """Make sure that nothing of it is left, not even one that never came to answer."""
        for child in self.place.watches:
            if child.poll() is None:
                child.kill()
                child.wait()

    def _note(self, did: str) -> None:
        self.truth.note("watch", name=self.name, did=did)


@dataclass(slots=True)
class Stage:
    """Everything together, driven by one test.

    Attributes:
        folder: of this test; log: the targets' and the hands' account.
        targets: by the names t01, t02, …; each belongs to one monitor of that name.
        watches: by name.
        admin: how a superuser connects, past every line.
    """

    folder: Path
    log: Path
    truth: TruthWriter
    targets: TargetProcess
    admin: dict[str, Any] = field(default_factory=dict)
    watches: dict[str, Watch] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """All targets."""
        return list(self.targets.urls)

    def configuration(self) -> str:
        """The file that `apply` reads: a service for each target, every fifth with two."""
        services: list[dict[str, Any]] = []
        for number, (name, url) in enumerate(self.targets.urls.items(), 1):
            monitor = {
                "name": name,
                "type": "http",
                "interval": f"{INTERVAL_SECONDS}s",
                "timeout": "4s",
                "retry_interval": "1s",
                "failure_threshold": 2,
                "config": {"url": url},
            }
            if number % _TWINS == 0 and services:
                services[-1]["monitors"].append(monitor)
            else:
                services.append({"name": f"Service {name}", "monitors": [monitor]})
        return json.dumps(
            {
                "organization": {
                    "slug": "acme",
                    "name": "Acme Corp",
                    "recovery_watch": f"{RECOVERY_WATCH_SECONDS}s",
                },
                "services": services,
            }
        )

    async def prepare(self, watch: Watch) -> None:
        """Write the configuration into the database, with a channel that wants to be told."""
        path = watch.place.write("acme.yaml", self.configuration())
        await asyncio.to_thread(watch.place.data, "apply", path)
        await self.execute(
            "INSERT INTO statustui.channels (org_id, name, kind, config)"
            " SELECT org_id, 'chat', 'webhook', '{}' FROM statustui.organizations"
        )

    async def execute(self, statement: str, *values: object) -> list[asyncpg.Record]:
        """Run one statement as a superuser, past every line."""
        connection = await asyncpg.connect(**self.admin)
        try:
            return list(await connection.fetch(statement, *values))
        finally:
            await connection.close()

    # -- breaking ------------------------------------------------------------------------------

    async def break_(self, *names: str, mode: str = "fail") -> None:
        """Break targets."""
        await asyncio.to_thread(self.targets.become, names, mode)

    async def heal(self, *names: str) -> None:
        """Let targets be well again."""
        await asyncio.to_thread(self.targets.become, names, "ok")

    @contextlib.contextmanager
    def trouble(self, name: str) -> Iterator[None]:
        """Write down that something was wrong with what the watches need."""
        self.truth.note("trouble", name=name, did="began")
        try:
            yield
        finally:
            self.truth.note("trouble", name=name, did="ended")

    def _lines(self, names: Sequence[str]) -> list[Line]:
        lines = [self.watches[name].line for name in names]
        return [line for line in lines if line is not None]

    @asynccontextmanager
    async def cut(self, *names: str) -> AsyncIterator[None]:
        """Cut watches off from their database: connections end, and no new one is had."""
        with self.trouble(f"{' and '.join(names)} cut off"):
            for line in self._lines(names):
                await line.cut()
            yield
            for line in self._lines(names):
                await line.mend()

    @asynccontextmanager
    async def silence(self, *names: str) -> AsyncIterator[None]:
        """Let nothing through to the database, with every connection still open."""
        with self.trouble(f"{' and '.join(names)} without an answer"):
            for line in self._lines(names):
                line.freeze()
            yield
            for line in self._lines(names):
                line.thaw()

    @asynccontextmanager
    async def slowness(
        self, *names: str, line_seconds: float, write_seconds: float
    ) -> AsyncIterator[None]:
        """Make a database slow.

        Args:
            names: of watches whose lines are slow too.
            line_seconds: that everything sent to it takes.
            write_seconds: that every statement takes that adds checks.
        """
        with self.trouble("database slow"):
            await self.execute(
                "CREATE FUNCTION public.dawdle() RETURNS trigger LANGUAGE plpgsql AS"
                f" 'BEGIN PERFORM pg_sleep({write_seconds}); RETURN NULL; END'"
            )
            await self.execute(
                "CREATE TRIGGER dawdle AFTER INSERT ON statustui.observed"
                " FOR EACH STATEMENT EXECUTE FUNCTION public.dawdle()"
            )
            for line in self._lines(names):
                line.delay_seconds = line_seconds
            yield
            for line in self._lines(names):
                line.delay_seconds = 0.0
            await self.execute("DROP TRIGGER dawdle ON statustui.observed")

    def kill_server(self) -> None:
        """kill -9 of the embedded server."""
        self.note_killed_server()
        os.kill(self.postmaster(), signal.SIGKILL)

    def note_killed_server(self) -> None:
        """Write down that nobody can write until the database answers again."""
        self.truth.note("trouble", name=_SERVER_KILLED, did="began")

    def postmaster(self) -> int:
        """The process number of the embedded server."""
        data = Path(self.watches["a"].place.environment["STATUSTUI_DATA_DIR"])
        return int((data / "postgres" / "postmaster.pid").read_text().split()[0])

    async def until_answers(self) -> None:
        """Wait until the database answers."""

        async def answers() -> object:
            return await self.execute("SELECT 1")

        await self.until(answers, 60, "the database answers")
        self.truth.note("trouble", name=_SERVER_KILLED, did="ended")

    # -- waiting -------------------------------------------------------------------------------

    async def until(
        self, probe: Callable[[], Awaitable[object]], seconds: float, what: str
    ) -> None:
        """Ask again until the answer is true."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                last = await probe()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                last = None
                what = f"{what.split(' [', maxsplit=1)[0]} [{error}]"
            if last:
                return
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {seconds} s: {what}")
            await asyncio.sleep(0.1)

    async def until_looked(
        self, looks: int = 1, *, names: Sequence[str] = (), within: float | None = None
    ) -> None:
        """Wait until each target has been asked so many more times.

        Args:
            looks: how many; names: of the targets, all by default.
            within: seconds after which it is late.
        """
        wanted = names or self.names
        before = self._asked()

        async def enough() -> bool:
            now = self._asked()
            return all(now[name] - before[name] >= looks for name in wanted)

        seconds = 30 + 10 * looks if within is None else within
        await self.until(enough, seconds, f"{looks} more looks at every target")

    def _asked(self) -> dict[str, int]:
        truth = read_truth(self.log)
        return {target.name: len(target.answers) for target in truth.targets.values()}

    async def until_known(self, *names: str, state: str = "down") -> None:
        """Wait until the tables say so of these monitors."""

        async def known() -> bool:
            rows = await self.execute(
                "SELECT m.name, u.state FROM statustui.monitors m"
                " JOIN statustui.monitor_status u ON u.monitor = m.key"
                " WHERE m.name = ANY ($1::text[])",
                list(names),
            )
            return len(rows) == len(names) and {row["state"] for row in rows} == {state}

        await self.until(known, 40, f"{', '.join(names)} {state}")

    async def rest(self) -> None:
        """Wait until nothing is going on: all targets well, known to be, and told."""
        await self.heal(*self.names)
        await self.until_looked(1)
        await self.until_known(*self.names, state="up")

        async def closed() -> bool:
            rows = await self.execute(
                "SELECT 1 FROM statustui.incidents WHERE is_auto AND status <> 'resolved'"
            )
            return not rows

        await self.until(closed, 30, "all automatic incidents are resolved")

    async def audit(self) -> Report:
        """Stop the watches, so that everything is written, and compare."""
        for watch in self.watches.values():
            if watch.child is not None and watch.child.poll() is None:
                code = await watch.stop()
                assert code == 0, watch.log
        return await self.compare()

    async def compare(self) -> Report:
        """Compare the tables with the truth, as they are."""
        return await audit_database(self.admin, self.log)

    async def assert_clean(self) -> Report:
        """Come to rest, compare, and find nothing."""
        await self.rest()
        report = await self.audit()
        assert not report.findings, "\n" + self.account(report)
        return report

    def account(self, report: Report) -> str:
        """What is wrong, and what the watches said meanwhile."""
        said = [
            f"-- {watch.name}\n" + "\n".join(_dated(watch.log)[-_LINES:])
            for watch in self.watches.values()
        ]
        return "\n".join([str(report), *said])


def _dated(log: str) -> list[str]:
    """The lines of a log that begin with a time: all but the tracebacks."""
    return [line for line in log.splitlines() if line[:2] == "20"]


@asynccontextmanager
async def stage(folder: Path, *, targets: int = 30) -> AsyncIterator[Stage]:
    """Targets and a log, and in the end nothing of it is left: no process, no connection."""
    log = folder / "truth.jsonl"
    async with AsyncExitStack() as stack:
        truth = TruthWriter(log)
        stack.callback(truth.close)
        process = TargetProcess.start(log, targets)
        stack.callback(process.stop)
        yield Stage(folder, log, truth, process)


@asynccontextmanager
async def embedded_stage(
    folder: Path, *, targets: int = 30, data: Path | None = None, start: bool = True
) -> AsyncIterator[Stage]:
    """One host with the embedded server, as on anybody's laptop.

    Args:
        folder: of the test; targets: how many.
        data: the data directory, when it is to lie elsewhere.
        start: whether its watch is started.
    """
    async with stage(folder, targets=targets) as made, AsyncExitStack() as stack:
        place = World(_subfolder(folder, "a"))
        if data is not None:
            place.environment["STATUSTUI_DATA_DIR"] = str(data)
        server = EmbeddedServer(Path(place.environment["STATUSTUI_DATA_DIR"]))
        # In use from here as well, so that it can be read after the last watch has stopped.
        await server.start()
        stack.push_async_callback(server.stop_if_last)
        made.admin = dict(server.endpoint.dsn_parameters(user="postgres", database="statustui"))
        watch = made.watches["a"] = Watch("a", place, made.truth)
        stack.callback(watch.end)
        await made.prepare(watch)
        if start:
            await watch.start()
            await made.until_looked(1)
        yield made


@asynccontextmanager
async def shared_stage(
    folder: Path, database: Database, *, hosts: Sequence[str] = ("a",), targets: int = 30
) -> AsyncIterator[Stage]:
    """Hosts that share a database, each by a line of its own that can be cut.

    Args:
        folder: of the test; database: empty and migrated.
        hosts: names of the watches; targets: how many.
    """
    async with stage(folder, targets=targets) as made, AsyncExitStack() as stack:
        made.admin = database.parameters()
        for name in hosts:
            line = await stack.enter_async_context(Line(database.parameters()))
            place = World(_subfolder(folder, name))
            place.environment["STATUSTUI_DATABASE_URL"] = (
                f"postgresql://postgres@127.0.0.1:{line.port}/{database.name}?sslmode=disable"
            )
            watch = made.watches[name] = Watch(name, place, made.truth, line)
            stack.callback(watch.end)
        await made.prepare(made.watches[hosts[0]])
        for watch in made.watches.values():
            await watch.start()
        await made.until_looked(1)
        yield made


def _subfolder(folder: Path, name: str) -> Path:
    made = folder / name
    made.mkdir()
    return made


@asynccontextmanager
async def server_stage(
    folder: Path, databases: Path, *, max_connections: int, targets: int = 30
) -> AsyncIterator[Stage]:
    """A host on a PostgreSQL of its own that has few connections.

    Args:
        folder: of the test; databases: where the server's user may go.
        max_connections: that it has; targets: how many.
    """
    # A short name: a socket has to fit into its address.
    home = databases / f"few-{os.getpid()}"
    home.mkdir(mode=0o711)
    async with AsyncExitStack() as stack:
        stack.callback(shutil.rmtree, home)
        server = stack.enter_context(scram_server(home))
        await server.execute(f"ALTER SYSTEM SET max_connections = {max_connections}")
        server.stop()
        server.start()
        await server.execute("CREATE DATABASE status")
        made = await stack.enter_async_context(stage(folder, targets=targets))
        made.admin = {"dsn": server.address(ADMIN, PASSWORD, "status")}
        place = World(_subfolder(folder, "a"))
        place.environment["STATUSTUI_DATABASE_URL"] = server.address(ADMIN, PASSWORD, "status")
        watch = made.watches["a"] = Watch("a", place, made.truth)
        stack.callback(watch.end)
        await made.prepare(watch)
        await watch.start()
        await made.until_looked(1)
        yield made


@asynccontextmanager
async def exhausted(stage: Stage) -> AsyncIterator[int]:
    """Take every connection that a server has, those of the watch too; gives how many."""
    taken: list[asyncpg.Connection] = []
    with stage.trouble("no connection left"):
        taken.append(await asyncpg.connect(**stage.admin))
        try:
            await taken[0].execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
            hungry = asyncio.create_task(_take_all(stage.admin, taken))
            try:
                yield len(taken)
            finally:
                hungry.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await hungry
        finally:
            for connection in taken:
                connection.terminate()


async def _take_all(parameters: dict[str, Any], taken: list[asyncpg.Connection]) -> None:
    """Takes connections for as long as there are any, and whatever becomes free later."""
    while True:
        try:
            taken.append(await asyncpg.connect(**parameters))
        except asyncpg.TooManyConnectionsError:
            await asyncio.sleep(0.05)
