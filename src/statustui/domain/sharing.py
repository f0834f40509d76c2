"""Which engine of a region looks after which monitor, and what that means for a late decision.

Rendezvous hashing (highest random weight, Thaler and Ravishankar 1998): every pair of engine and
monitor has a weight that all engines come to alike, and a monitor belongs to the member with the
highest. Nobody hands anything out. When an engine leaves, only its own monitors move, and they
spread over all that stay; when one joins, it takes an equal part from each and nothing else moves.

The members of a region change by *generations*, which are numbered without a gap and kept. What an
engine decided counts as long as it has held the monitor ever since it gained it, its *tenure*: the
generation at which that was. A `Share` knows when each monitor was lost last, so a decision of an
earlier tenure is told from one of the present, also when the monitor has come back meanwhile.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from uuid import UUID

CLOCK_TOLERANCE_SECONDS = 5.0
"""A host whose clock is further from the database's than this is named to operators."""


@dataclass(frozen=True, slots=True)
class Generation:
    """The members of a region from one change of them to the next.

    Attributes:
        number: rises by one with each change.
        members: the engines among which the region's monitors are shared.
    """

    number: int
    members: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class Share:
    """What one engine may decide.

    Attributes:
        region: the database's small key.
        engine: whose share this is; not among the members once it was given up for dead.
        generation: the newest one known.
        members: of that generation.
        lost: by a monitor's key, the generation at which it was another engine's last.
    """

    region: int
    engine: UUID
    generation: int
    members: tuple[UUID, ...]
    lost: Mapping[int, int] = field(default_factory=dict)

    @property
    def is_member(self) -> bool:
        """Whether the engine has a part in its region at all."""
        return self.engine in self.members

    def owns(self, monitor: UUID) -> bool:
        """Whether a monitor belongs to this engine in this generation."""
        return owner(self.members, monitor) == self.engine

    def holds(self, key: int, tenure: int) -> bool:
        """Whether a monitor that was gained at some generation was never another's since."""
        return tenure > self.lost.get(key, 0)


def weight(engine: UUID, monitor: UUID) -> bytes:
    """How much an engine wants a monitor; compared byte by byte."""
    return blake2b(monitor.bytes, digest_size=8, key=engine.bytes).digest()


def owner(members: Sequence[UUID], monitor: UUID) -> UUID | None:
    """The member to which a monitor belongs; None when there are no members.

    Args:
        members: in any order; they are told apart by their ids alone.
        monitor: its id.
    """
    if len(members) < 2:
        return members[0] if members else None
    # Equal weights of two engines do not happen; the id makes even that the same for everybody.
    return max(members, key=lambda engine: (weight(engine, monitor), engine.bytes))


def follow(share: Share, generations: Sequence[Generation], monitors: Mapping[int, UUID]) -> Share:
    """What becomes of a share when members came and went.

    Args:
        share: as it was known.
        generations: those after it, in their order. Where some are missing nobody knows who had
            what in between, and everything counts as lost.
        monitors: the ids of the region's monitors by key, as far as they are known.

    Returns:
        The share of the last generation; the same one when there is none.
    """
    lost = dict(share.lost)
    number, members = share.generation, share.members
    for generation in generations:
        if generation.number <= number:
            continue
        if generation.number != number + 1:
            lost.update(dict.fromkeys(monitors, generation.number - 1))
        number, members = generation.number, generation.members
        lost.update(
            (key, number)
            for key, monitor in monitors.items()
            if owner(members, monitor) != share.engine
        )
    if number == share.generation:
        return share
    return Share(share.region, share.engine, number, members, lost)


def is_unbroken(
    generations: Mapping[int, Generation], monitor: UUID, tenure: int, engines: Collection[UUID]
) -> bool:
    """Whether nobody but some engines can have decided about a monitor since one gained it.

    Args:
        generations: of the region by number, up to the newest.
        monitor: its id.
        tenure: the generation at which it was gained.
        engines: those that are known to have decided nothing else.
    """
    newest = max(generations, default=0)
    if not 0 < tenure <= newest:
        return False
    return all(
        number in generations and owner(generations[number].members, monitor) in engines
        for number in range(tenure, newest + 1)
    )
