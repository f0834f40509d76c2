"""Speaks HTTP/2 for one request, so that a check can see what a browser sees.

The frames are h2's, a library without a network of its own; limits are ours. One stream, no pushes,
and a window that opens only as far as the body is wanted.
"""

from __future__ import annotations

from collections.abc import Sequence

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

from statustui.domain.text import clean, shorten
from statustui.engine.body import Body

MAX_HEAD_BYTES = 65_536
_MAX_INTERIM = 10
_HEAD_BYTES = 9
_SETTINGS = 4
# What a client allows unless it says otherwise, and this one does not.
_LARGEST_FRAME = 16_384
_CONFIG = h2.config.H2Configuration(client_side=True, header_encoding=None)


class Http2Exchange:
    """One request and its answer.

    Args:
        fields: the head of the request, with the pseudo-headers first.
        content: its body.
        body: where the body of the answer goes.

    Attributes:
        status, headers: of the answer, once `has_head`.
        complete: whether the answer has ended.
        broken: what is wrong with it, empty when nothing is.
    """

    def __init__(
        self, fields: Sequence[tuple[bytes, bytes]], content: bytes, body: Body, *, head_only: bool
    ) -> None:
        self._fields = fields
        self._unsent = content
        self._body = body
        self._head_only = head_only
        self._interim = 0
        self._frames = _FrameLengths()
        self._connection = h2.connection.H2Connection(_CONFIG)
        self._stream = 1
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.has_head = False
        self.complete = False
        self.broken = ""

    def begin(self) -> bytes:
        """The first bytes to send: preface, settings and the request."""
        connection = self._connection
        connection.local_settings = h2.settings.Settings(
            client=True,
            initial_values={
                h2.settings.SettingCodes.ENABLE_PUSH: 0,
                h2.settings.SettingCodes.MAX_HEADER_LIST_SIZE: MAX_HEAD_BYTES,
            },
        )
        # Meaningless for a client, and some servers take offence.
        del connection.local_settings[h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL]
        connection.initiate_connection()
        self._stream = connection.get_next_available_stream_id()
        connection.send_headers(self._stream, self._fields, end_stream=not self._unsent)
        self._send_body()
        return connection.data_to_send()

    def receive(self, data: bytes) -> bytes:
        """Takes what came and gives what is to be sent."""
        self.broken = self._frames.problem(data)
        if self.broken:
            return b""
        try:
            for event in self._connection.receive_data(data):
                self._handle(event)
                if self._is_over:
                    break
            self._send_body()
        except h2.exceptions.ProtocolError as error:
            # After the end of the answer, nothing more is of interest.
            if not self.complete and not self._body.full:
                words = shorten(clean(str(error)), 80) or type(error).__name__
                self.broken = f"breaks the rules of HTTP/2: {words}"
        return self._connection.data_to_send()

    @property
    def _is_over(self) -> bool:
        return self.complete or bool(self.broken) or self._body.full

    def _handle(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.InformationalResponseReceived():
                self._interim += 1
                if self._interim > _MAX_INTERIM:
                    self.broken = f"sent more than {_MAX_INTERIM} interim answers"
            case h2.events.ResponseReceived(headers=headers):
                self._take_head(headers or [])
            case h2.events.DataReceived(data=data, flow_controlled_length=length):
                self._body.add(data or b"")
                self._connection.acknowledge_received_data(length or 0, self._stream)
            case h2.events.StreamEnded():
                self.complete = True
            case h2.events.StreamReset(error_code=code):
                self.broken = f"gave the request up ({_code(code)})"
            case h2.events.ConnectionTerminated(error_code=code, last_stream_id=last):
                # One that ends after this stream says nothing about it.
                if code or (last or 0) < self._stream:
                    self.broken = f"ended the connection ({_code(code)})"
            case _:
                pass

    def _take_head(self, headers: Sequence[tuple[bytes, bytes]]) -> None:
        for name, value in headers:
            if name == b":status":
                self.status = int(value)
            elif not name.startswith(b":"):
                self.headers.append((bytes(name), bytes(value)))
        self.has_head = True
        self._body.expect(self.headers, nothing=self._head_only)

    def _send_body(self) -> None:
        """As much of the request's body as the other side has room for."""
        while self._unsent and not self.complete:
            room = min(
                self._connection.local_flow_control_window(self._stream),
                self._connection.max_outbound_frame_size,
            )
            if room <= 0:
                return
            piece, self._unsent = self._unsent[:room], self._unsent[room:]
            self._connection.send_data(self._stream, piece, end_stream=not self._unsent)


class _FrameLengths:
    """Watches the heads of frames go by (RFC 9113 section 4.1).

    h2 waits for a frame to be whole before it looks at its length, which may be 16 MB. And whoever
    does not speak HTTP/2 at all is better told so than waited for.
    """

    def __init__(self) -> None:
        self._head = b""
        self._left = 0
        self._begun = False

    def problem(self, data: bytes) -> str:
        """What is wrong with the frames in these bytes, empty when nothing is."""
        at = 0
        while at < len(data):
            if self._left:
                at, self._left = at + self._left, max(0, self._left - (len(data) - at))
                continue
            wanted = _HEAD_BYTES - len(self._head)
            self._head += data[at : at + wanted]
            at += wanted
            if len(self._head) < _HEAD_BYTES:
                break
            if not self._begun and (self._head[3] != _SETTINGS or self._head[0]):
                return _no_http2(self._head + data[at : at + 80])
            self._begun = True
            self._left = int.from_bytes(self._head[:3], "big")
            if self._left > _LARGEST_FRAME:
                return f"breaks the rules of HTTP/2: a frame of {self._left:,} bytes"
            self._head = b""
        return ""


def _no_http2(said: bytes) -> str:
    if said.startswith(b"HTTP/1."):
        return "does not speak HTTP/2 on this port, it answered in HTTP/1"
    start = shorten(clean(said.decode("utf-8", "replace")), 40)
    return f"does not speak HTTP/2 on this port, it said “{start}”"


def _code(code: int | None) -> str:
    try:
        return h2.errors.ErrorCodes(code or 0).name.replace("_", " ").lower()
    except ValueError:
        return f"error {code}"
