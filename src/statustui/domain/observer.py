"""Decides whether the watcher itself has lost its network, from what its looks come to.

A look that fails in the way of a lost network (no name, no route, no answer) may be about its
target or about this host. One failure alone cannot tell, so it begins a *run*, and what comes in
after it answers:

    online      most of what comes in reaches its target: the failures are the targets' own
    in doubt    a run has begun, and too little has come in to say
    offline     of what came in since the run began, at least 90 % failed in that way, at least as
                many as `enough` asks for, at three different hosts or more

Only looks that say something about the network are counted: not those at this host itself, which
work without one, and not those at monitors that were down already. An answer of any kind, a refused
connection included, is proof that the network carried something, however the look is judged.

Canaries are addresses that somebody named for this question, and their answer settles it: one that
answers ends a run, and when all of them fail, the watcher is offline. Offline ends with the first
answer of a canary, or of a host that had failed during the outage; hosts that never failed (next
door, in the same rack) prove nothing about the way out.

The limits of this: with fewer than three hosts and no canary nothing is ever concluded, and with
three or four hosts that all die at once, their death is taken for an outage of the watcher's.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from functools import lru_cache

from statustui.domain.observation import Observation
from statustui.domain.status import ErrorKind

HOSTS_AT_LEAST = 3
LOOKS_AT_LEAST = 5
LOOKS_AT_MOST = 20
_SHARE_FAILED = 0.9

_NETWORK = frozenset({ErrorKind.DNS, ErrorKind.CONNECT, ErrorKind.TIMEOUT})
_SILENT = frozenset({ErrorKind.OBSERVER, ErrorKind.COMMAND})


class Connection(StrEnum):
    """What is known of the watcher's own network."""

    ONLINE = "online"
    IN_DOUBT = "in_doubt"
    OFFLINE = "offline"


@dataclass(frozen=True, slots=True)
class Observer:
    """What the watcher thinks of its own network.

    Attributes:
        connection: that; since: when the run began of which it is in doubt or offline.
        looks, failures: what came in since then; failed: the hosts that failed.
        was_offline_until: when the last outage ended; looks that began before that and failed in
            the way of a lost network are the watcher's own.
    """

    connection: Connection = Connection.ONLINE
    since: datetime | None = None
    looks: int = 0
    failures: int = 0
    failed: frozenset[str] = field(default_factory=frozenset)
    was_offline_until: datetime | None = None


def reaches(observation: Observation) -> bool | None:
    """Whether a look got an answer over the network.

    Returns:
        False when it failed as looks do without a network; None when it does not say.
    """
    kind = observation.error_kind
    if kind in _SILENT:
        return None
    if kind in _NETWORK or observation.dns_rcode == "SERVFAIL":
        return False
    return observation.loss_percent is None or observation.loss_percent < 100.0


@lru_cache(maxsize=20_000)
def is_elsewhere(host: str) -> bool:
    """Whether a target's host (with or without a port) lies beyond this machine's own network."""
    name = host.rpartition(":")[0] if host.count(":") == 1 else host
    name = name.partition("]")[0].removeprefix("[").rstrip(".")
    if not name or name == "localhost" or name.endswith(".localhost") or " " in name:
        return False
    try:
        return not ipaddress.ip_address(name.partition("%")[0]).is_loopback
    except ValueError:
        return True


def enough(hosts: int) -> int:
    """How many failures it takes to be offline.

    Args:
        hosts: how many different ones are watched.
    """
    return max(min(hosts, LOOKS_AT_LEAST), min(hosts // 10, LOOKS_AT_MOST))


def see(observer: Observer, host: str, reached: bool, at: datetime, hosts: int) -> Observer:
    """What a look adds.

    Args:
        observer: as it was.
        host: that was looked at.
        reached: whether it answered.
        at: when that came in.
        hosts: how many different ones are watched.
    """
    if observer.connection is Connection.OFFLINE:
        if not reached:
            return replace(observer, failed=observer.failed | {host})
        return _end(observer, at) if host in observer.failed else observer
    if observer.connection is Connection.ONLINE:
        if reached:
            return observer
        observer = replace(observer, connection=Connection.IN_DOUBT, since=at)
    observer = replace(
        observer,
        looks=observer.looks + 1,
        failures=observer.failures + (not reached),
        failed=observer.failed if reached else observer.failed | {host},
    )
    if observer.failures < observer.looks * _SHARE_FAILED:
        return Observer(was_offline_until=observer.was_offline_until)
    if observer.failures >= enough(hosts) and len(observer.failed) >= HOSTS_AT_LEAST:
        return replace(observer, connection=Connection.OFFLINE)
    return observer


def hear(observer: Observer, canaries: Iterable[bool], at: datetime) -> Observer:
    """What the canaries add.

    Args:
        observer: as it was.
        canaries: for each that was tried, whether it answered; none changes nothing.
        at: when that came in.
    """
    answers = tuple(canaries)
    if any(answers):
        if observer.connection is Connection.OFFLINE:
            return _end(observer, at)
        return Observer(was_offline_until=observer.was_offline_until)
    if answers and observer.connection is Connection.IN_DOUBT:
        return replace(observer, connection=Connection.OFFLINE)
    return observer


def _end(observer: Observer, at: datetime) -> Observer:
    return Observer(was_offline_until=at)


def is_own_failure(observer: Observer, started_at: datetime) -> bool:
    """Whether a look that failed as looks do without a network says nothing about its target.

    Args:
        observer: at the end of the look.
        started_at: when it began.
    """
    if observer.connection is Connection.OFFLINE:
        return True
    until = observer.was_offline_until
    return until is not None and started_at < until
