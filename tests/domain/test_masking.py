"""Secrets that can be told by their names are masked in whatever a target sent."""

from __future__ import annotations

from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from statustui.domain.evidence import BODY_BYTES, body_text
from statustui.domain.masking import mask_text
from statustui.domain.observation import Observation
from tests.domain.test_evidence_changes import AT

TABLE = [
    ("Authorization: Bearer abc.def-ghi", "Authorization: ***"),
    ("proxy-authorization=Basic eDp5", "proxy-authorization=***"),
    ("Set-Cookie: id=1; Path=/\nServer: nginx", "Set-Cookie: ***\nServer: nginx"),
    ('{"Authorization": "Bearer abc", "a": 1}', '{"Authorization": "***", "a": 1}'),
    ("sent bearer abcdefgh to it", "sent bearer *** to it"),
    ("https://bob:hunter2@db.test/x", "https://***@db.test/x"),
    ("postgresql://app:p%40ss@10.0.0.5:5432/db failed", "postgresql://***@10.0.0.5:5432/db failed"),
    ("GET /x?token=abc&page=2", "GET /x?token=***&page=2"),
    ("/x?access_token=abc#top", "/x?access_token=***"),
    ("host=db password=hunter2 user=app", "host=db password=*** user=app"),
    ('{"api_key": "k-1", "apiKey":"k-2"}', '{"api_key": "***", "apiKey":"***"}'),
    ("DB_PASSWORD='x y'", "DB_PASSWORD='*** y'"),
    ("the client_secret: abc", "the client_secret: ***"),
    ("an author wrote: all is well", "an author wrote: all is well"),
    ("keyboard=qwerty", "keyboard=qwerty"),
    ("see http://a/b@c", "see http://a/b@c"),
]


@pytest.mark.parametrize(("text", "masked"), TABLE)
def test_secrets_are_masked(text: str, masked: str) -> None:
    assert mask_text(text) == masked


@settings(max_examples=150, deadline=5_000)
@given(st.text() | st.text("tokenpasswd=:/@ \n\"'", max_size=200))
def test_masking_takes_any_text_and_masks_once(text: str) -> None:
    once = mask_text(text)
    assert mask_text(once) == once


@pytest.mark.parametrize(
    ("piece", "times"),
    [
        *(("a", 100_000), ("token", 20_000), ("x=", 50_000), ("://", 30_000), ("://a", 25_000)),
        *(("token: ", 15_000), ("bearer ", 15_000), ("cookie=", 15_000), ("-", 100_000)),
        ("password" + " " * 1_000, 100),
    ],
)
def test_masking_takes_time_in_proportion(piece: str, times: int) -> None:
    begun = process_time()
    mask_text(piece * times)
    # Measured: 0.2 s at most for a hundred thousand characters; a body has four thousand.
    assert process_time() - begun < 2


@settings(max_examples=100, deadline=5_000)
@given(
    st.binary(max_size=BODY_BYTES + 100)
    | st.sampled_from([b"\t", b"\xff", "\U0001d160".encode(), b"token=a "]).map(lambda b: b * 5_000)
)
def test_a_kept_body_fits_its_column(body: bytes) -> None:
    kept = body_text(Observation(AT, 1.0, body=body))
    assert len(kept.encode()) <= 16_384
