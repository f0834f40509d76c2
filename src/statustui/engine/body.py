"""Keeps what is wanted of a body: unpacked, and not one byte more than the limit.

Gzip and deflate are unpacked under the limit, so a bomb costs no more memory than an honest page.
No other coding is asked for; who sends one all the same is read as it came.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable

# Tells zlib to take gzip or zlib framing, whichever it finds.
_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32
_GZIP_MAGIC = b"\x1f\x8b"

# Compressed bytes allowed beyond the cap before a body that unpacks to less than it is given up.
_SLACK = 65_536


class Body:
    """A body on its way in.

    Args:
        cap: how many bytes are kept, after unpacking.

    Attributes:
        raw_size: bytes that came, as sent.
        length: bytes that were announced, None when nobody said.
        chunked: whether it comes in chunks (HTTP/1.1), which make a length void.
        full: whether there was more than the cap.
        broken: whether compressed data were no such thing.
    """

    __slots__ = (
        "_cap",
        "_pieces",
        "_size",
        "_unpacker",
        "broken",
        "chunked",
        "full",
        "length",
        "raw_size",
    )

    def __init__(self, cap: int) -> None:
        self._cap = cap
        self._pieces: list[bytes] = []
        self._size = 0
        self._unpacker: _Unpacker | None = None
        self.raw_size = 0
        self.length: int | None = None
        self.chunked = False
        self.full = False
        self.broken = False

    @property
    def cap(self) -> int:
        """How many bytes are kept."""
        return self._cap

    def expect(self, headers: Iterable[tuple[bytes, bytes]], *, nothing: bool) -> None:
        """Learns from the head of an answer what will come.

        Args:
            headers: names and values.
            nothing: whether no body comes whatever they say, as after HEAD.
        """
        encoding = b""
        for name, value in headers:
            lowered = name.lower()
            if lowered == b"content-length" and value.strip().isdigit():
                self.length = int(value) if len(value) < 20 else None
            elif lowered == b"transfer-encoding":
                self.chunked = True
            elif lowered == b"content-encoding":
                encoding = value.strip().lower()
        if not nothing and encoding in (b"gzip", b"x-gzip", b"deflate"):
            self._unpacker = _Unpacker(may_be_bare=encoding == b"deflate")

    def add(self, data: bytes) -> None:
        """Takes a piece of it as it was sent."""
        self.raw_size += len(data)
        room = self._cap - self._size
        if self._unpacker is None:
            piece = data
        else:
            try:
                # One byte more than there is room for tells "exactly full" from "too much".
                piece = self._unpacker.unpack(data, room + 1)
            except zlib.error:
                self.broken = True
                return
            # What unpacks to nothing costs no memory, but it may go on for ever.
            self.full = self.raw_size > self._cap + _SLACK
        if len(piece) > room:
            piece = piece[:room]
            self.full = True
        if piece:
            self._pieces.append(piece)
            self._size += len(piece)

    @property
    def breaks_off(self) -> bool:
        """Whether it is compressed and ends in the middle."""
        return self._unpacker is not None and not self.full and self._unpacker.unfinished

    @property
    def has_honest_length(self) -> bool:
        """Whether it was said how long it is, so that it does have an end."""
        return self.length is not None and not self.chunked

    def content(self) -> bytes:
        """What was kept."""
        return b"".join(self._pieces)


class _Unpacker:
    """Undoes gzip or deflate with a limit on what comes out, whatever goes in."""

    def __init__(self, *, may_be_bare: bool) -> None:
        self._inflate = zlib.decompressobj(_GZIP_OR_ZLIB)
        self._may_be_bare = may_be_bare
        self._begun = False

    def unpack(self, data: bytes, most: int) -> bytes:
        """At most `most` bytes of what the data unpack to; the rest is dropped."""
        pieces: list[bytes] = []
        while data and most > 0:
            piece = self._once(data, most)
            pieces.append(piece)
            most -= len(piece)
            # A gzip file may be several, one after the other.
            data = self._inflate.unused_data
            if not data.startswith(_GZIP_MAGIC):
                break
            self._inflate = zlib.decompressobj(_GZIP_OR_ZLIB)
        return b"".join(pieces)

    def _once(self, data: bytes, most: int) -> bytes:
        if self._begun:
            return self._inflate.decompress(data, most)
        self._begun = True
        try:
            return self._inflate.decompress(data, most)
        except zlib.error:
            if not self._may_be_bare:
                raise
            # Some servers mean bare deflate data when they say "deflate".
            self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)
            return self._inflate.decompress(data, most)

    @property
    def unfinished(self) -> bool:
        """Whether the data broke off in the middle."""
        return self._begun and not self._inflate.eof
