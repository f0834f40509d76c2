"""Finds the addresses of a host and opens a connection to the first of them that answers.

A host with several addresses (IPv6 and IPv4, mostly) is tried as browsers do (RFC 8305): the next
address begins when one has failed, or has not answered for a quarter of a second, without giving up
those before. So one dead address among several costs a moment, and neither hides the others nor
uses up their time.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from itertools import chain, zip_longest

from statustui.domain.status import ErrorKind
from statustui.engine.connection import Channel
from statustui.engine.resolving import is_address, lookups
from statustui.engine.trace import LookFailed, Part, Trace

MOST_ADDRESSES = 16
"""Addresses of one name that are tried; a hostile zone may hold thousands."""

NEXT_ADDRESS_SECONDS = 0.25
"""How long one address has before the next one is tried beside it."""

FAMILIES = {None: socket.AF_UNSPEC, 4: socket.AF_INET, 6: socket.AF_INET6}
"""The address families for the `ip_version` of a configuration."""

_FAMILY_NAMES: dict[int, str] = {socket.AF_INET: "IPv4", socket.AF_INET6: "IPv6"}

# Shortages of this host, which say nothing about the target.
_OWN_TROUBLE = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL}
)
_UNREACHABLE = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN})
# Of several addresses that failed, which one tells most about the target.
_TELLING = (ErrorKind.REFUSED, ErrorKind.TIMEOUT, ErrorKind.CONNECT, ErrorKind.OBSERVER)


def with_port(host: str, port: int) -> str:
    """Host and port as one word, IPv6 in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def resolve(host: str, trace: Trace, family: int = socket.AF_UNSPEC) -> list[str]:
    """Looks a host up, as a part of its own.

    Args:
        host: a name or an address.
        trace: where the time, and the addresses of a name, are noted.
        family: `socket.AF_INET`, `AF_INET6`, or `AF_UNSPEC` for both.

    Returns:
        The addresses in the order in which they are to be tried: as the system prefers them, the
        families in turns.

    Raises:
        LookFailed: of kind `dns`.
    """
    trace.enter(Part.RESOLVE)
    wanted = _FAMILY_NAMES.get(family)
    if is_address(host):
        if wanted is not None and (":" in host) != (family == socket.AF_INET6):
            raise LookFailed(ErrorKind.DNS, f"{host} is not an {wanted} address")
        return [host]
    try:
        found = await lookups.addresses(host, family)
    except UnicodeError:
        raise LookFailed(ErrorKind.DNS, f"{host} is not a name that can be looked up") from None
    except socket.gaierror as error:
        raise LookFailed(ErrorKind.DNS, _lookup_reason(host, error, wanted)) from None
    except OSError as error:
        raise LookFailed(ErrorKind.OBSERVER, f"cannot look up {host}: {error.strerror}") from None
    if not found:
        raise LookFailed(ErrorKind.DNS, f"the name {host} has no address")
    if len(found) > 1:
        found = _in_turns(found)[:MOST_ADDRESSES]
    trace.addresses = tuple(dict.fromkeys((*trace.addresses, *found)))
    return found


def _lookup_reason(host: str, error: socket.gaierror, wanted: str | None) -> str:
    if error.errno == socket.EAI_AGAIN:
        return f"no resolver answered for {host}"
    no_data = getattr(socket, "EAI_NODATA", None)
    if wanted is not None and error.errno in (no_data, getattr(socket, "EAI_ADDRFAMILY", None)):
        return f"the name {host} has no {wanted} address"
    if error.errno in (socket.EAI_NONAME, no_data):
        return f"the name {host} does not exist"
    return f"looking up {host} failed: {error.strerror}"


def _in_turns(addresses: list[str]) -> list[str]:
    """The families one after the other, beginning with that of the first (RFC 8305 section 4)."""
    first_is_6 = ":" in addresses[0]
    first = [address for address in addresses if (":" in address) == first_is_6]
    second = [address for address in addresses if (":" in address) != first_is_6]
    return [one for one in chain.from_iterable(zip_longest(first, second)) if one is not None]


async def connect(
    channel: Channel, host: str, port: int, *, family: int = socket.AF_UNSPEC
) -> None:
    """Resolves a host and connects the channel to the first of its addresses that answers.

    Args:
        channel: not connected yet.
        host: a name or an address.
        port: 1–65,535.
        family: as for `resolve`.

    Raises:
        LookFailed: of kind `dns`, `connect`, `refused`, `timeout` or `observer`.
    """
    trace = channel.trace
    addresses = await resolve(host, trace, family)
    trace.enter(Part.CONNECT)
    loop = asyncio.get_running_loop()
    if len(addresses) > 1:
        opened = await _first_to_answer(addresses, port, trace)
        await loop.create_connection(lambda: channel, sock=opened)
        return
    trace.address = with_port(addresses[0], port)
    try:
        await loop.create_connection(lambda: channel, addresses[0], port)
    except OSError as error:
        raise _connect_failure(error, trace.address) from None


async def _first_to_answer(addresses: list[str], port: int, trace: Trace) -> socket.socket:
    """Tries addresses beside one another and hands back the first connection."""
    waiting = list(reversed(addresses))
    trying: dict[asyncio.Task[socket.socket], str] = {}
    failures: list[LookFailed] = []
    try:
        while waiting or trying:
            if waiting:
                address = waiting.pop()
                trace.address = with_port(address, port)
                trying[asyncio.create_task(_open(address, port))] = trace.address
            done, _ = await asyncio.wait(
                trying,
                timeout=NEXT_ADDRESS_SECONDS if waiting else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for task in [task for task in trying if task in done]:
                address = trying.pop(task)
                error = task.exception()
                if error is None:
                    trace.address = address
                    return task.result()
                if not isinstance(error, OSError):
                    raise error
                failures.append(_connect_failure(error, address))
    finally:
        for task in trying:
            task.cancel()
            task.add_done_callback(_close)
    raise min(reversed(failures), key=lambda failure: _TELLING.index(failure.kind))


async def _open(address: str, port: int) -> socket.socket:
    # An address alone: this looks nothing up, and turns a zone ("%eth0") into its number.
    numeric = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    ((family, kind, protocol, _, where), *_) = socket.getaddrinfo(
        address, port, type=socket.SOCK_STREAM, flags=numeric
    )
    opened = socket.socket(family, kind, protocol)
    try:
        opened.setblocking(False)
        await asyncio.get_running_loop().sock_connect(opened, where)
    except BaseException:
        opened.close()
        raise
    return opened


def _close(task: asyncio.Task[socket.socket]) -> None:
    """Closes the connection of an attempt that came too late."""
    if not task.cancelled() and task.exception() is None:
        task.result().close()


def _connect_failure(error: OSError, address: str) -> LookFailed:
    number = error.errno
    words = os.strerror(number).lower() if number else str(error)
    if number in _OWN_TROUBLE:
        return LookFailed(ErrorKind.OBSERVER, f"this host cannot connect to {address}: {words}")
    if number == errno.ECONNREFUSED:
        return LookFailed(ErrorKind.REFUSED, f"connect to {address} refused")
    if number == errno.ETIMEDOUT:
        return LookFailed(ErrorKind.TIMEOUT, f"connect to {address} not answered")
    if number in _UNREACHABLE:
        return LookFailed(ErrorKind.CONNECT, f"connect to {address}: no route to it ({words})")
    if number in (errno.EACCES, errno.EPERM):
        return LookFailed(ErrorKind.OBSERVER, f"this host may not connect to {address}: {words}")
    return LookFailed(ErrorKind.CONNECT, f"connect to {address} failed: {words}")
