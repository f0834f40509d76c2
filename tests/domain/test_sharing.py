"""Every engine comes to the same shares, little moves when one comes or goes, and no decision
counts that was taken before a monitor was another's."""

from __future__ import annotations

import time
from collections import Counter
from random import Random
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from statustui.domain.sharing import Generation, Share, follow, owner

_MONITORS = [UUID(int=number * 7919 + 1) for number in range(3_000)]
_ENGINES = [UUID(int=(number + 1) << 64) for number in range(8)]

ids = st.uuids()
members = st.lists(ids, min_size=1, max_size=6, unique=True).map(tuple)


@given(members, ids, st.randoms())
def test_all_come_to_the_same_owner(
    engines: tuple[UUID, ...], monitor: UUID, random: Random
) -> None:
    shuffled = list(engines)
    random.shuffle(shuffled)
    assert owner(engines, monitor) == owner(shuffled, monitor)
    assert owner(engines, monitor) in engines


def test_owners_are_the_same_in_every_version() -> None:
    # Engines of two versions share a region during an upgrade: the weights may never change.
    engines = [UUID(int=1), UUID(int=2), UUID(int=3)]
    owners = [owner(engines, UUID(int=number)) for number in range(12)]
    assert [engines.index(who) for who in owners if who] == [
        2,
        1,
        2,
        1,
        2,
        0,
        1,
        0,
        2,
        0,
        1,
        1,
    ]
    assert owner([], UUID(int=1)) is None


@given(members, ids, ids)
def test_one_that_leaves_gives_up_its_own_and_nothing_else_moves(
    engines: tuple[UUID, ...], newcomer: UUID, monitor: UUID
) -> None:
    if newcomer in engines:
        return
    before, after = owner(engines, monitor), owner((*engines, newcomer), monitor)
    assert after in (before, newcomer)


def test_shares_are_equal_within_a_few_percent_and_a_newcomer_takes_its_part() -> None:
    for count in (2, 3, 5, 8):
        shares = Counter(owner(_ENGINES[:count], monitor) for monitor in _MONITORS)
        assert len(shares) == count
        for size in shares.values():
            assert abs(size - len(_MONITORS) / count) < 0.15 * len(_MONITORS) / count + 30
    moved = sum(
        owner(_ENGINES[:4], monitor) != owner(_ENGINES[:5], monitor) for monitor in _MONITORS
    )
    assert abs(moved - len(_MONITORS) / 5) < 0.03 * len(_MONITORS)


def test_ten_thousand_monitors_are_shared_in_a_moment() -> None:
    monitors = [UUID(int=number) for number in range(10_000)]
    begun = time.process_time()
    for monitor in monitors:
        owner(_ENGINES[:4], monitor)
    assert time.process_time() - begun < 0.5


_KEYED = dict(enumerate(_MONITORS[:60], start=1))


@given(
    st.lists(
        st.lists(st.integers(0, 3), max_size=4, unique=True).map(
            lambda picked: tuple(_ENGINES[index] for index in picked)
        ),
        min_size=1,
        max_size=6,
    ),
    st.data(),
)
def test_a_decision_counts_while_the_monitor_was_nobody_elses(
    history: list[tuple[UUID, ...]], data: st.DataObject
) -> None:
    me = _ENGINES[0]
    generations = [Generation(number, who) for number, who in enumerate(history, start=2)]
    share = Share(1, me, 1, (me,))
    # However the generations are bundled, it comes out the same.
    while generations:
        size = data.draw(st.integers(1, len(generations)))
        share = follow(share, generations[:size], _KEYED)
        generations = generations[size:]
    assert (share.generation, share.members) == (len(history) + 1, history[-1])
    everything = [(me,), *history]
    for key, monitor in _KEYED.items():
        for tenure, who in enumerate(everything, start=1):
            if owner(who, monitor) != me:
                continue
            always = all(owner(later, monitor) == me for later in everything[tenure - 1 :])
            assert share.holds(key, tenure) is always
        assert not share.holds(key, 0)
        assert share.owns(monitor) is (owner(history[-1], monitor) == me)


def test_where_generations_are_missing_everything_counts_as_lost() -> None:
    me = _ENGINES[0]
    share = Share(1, me, 3, (me,))
    after = follow(share, [Generation(3, (me,)), Generation(6, (me,))], _KEYED)
    assert not any(after.holds(key, 3) for key in _KEYED)
    assert all(after.holds(key, 6) for key in _KEYED)
    assert follow(after, [Generation(6, (me,))], _KEYED) is after
    assert after.is_member
    assert not follow(after, [Generation(7, ())], _KEYED).is_member
