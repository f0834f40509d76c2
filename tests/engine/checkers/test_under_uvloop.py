"""The engine runs under uvloop; what travels in steps is seen there as under plain asyncio."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import uvloop

from tests.engine.checkers import test_http2 as http2
from tests.engine.checkers import test_http_ways as ways
from tests.engine.checkers import test_tls as tls
from tests.engine.checkers.servers import make_authority


def test_uvloop_sees_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = make_authority(tmp_path)

    async def story() -> None:
        await ways.test_a_client_certificate_is_shown_from_a_file_and_as_text(authority)
        await ways.test_https_goes_through_a_tunnel(authority, secure_proxy=True, version="1.1")
        await ways.test_a_refused_certificate_behind_a_proxy_is_shown(authority)
        await ways.test_a_proxy_that_is_not_there_or_silent()
        await ways.test_redirects_are_kept_hop_by_hop(authority)
        await http2.test_over_tls_both_sides_agree(authority)
        await http2.test_bodies_are_bounded_as_in_http_1()
        await tls.test_a_good_certificate_is_kept_whole(authority)
        for protocol in ("smtp", "postgres", "xmpp"):
            await tls.test_each_protocol_turns_to_tls(authority, protocol)
        with monkeypatch.context() as patched:
            await ways.test_a_dead_address_costs_a_moment_and_not_the_deadline(patched)
        with monkeypatch.context() as patched:
            await ways.test_nothing_is_left_open_after_a_race(patched)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(story())
