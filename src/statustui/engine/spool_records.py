"""How a decision lies on disk: enough of it to write check, state, changes and evidence again.

What a monitor looks like is not kept, because nothing is written from it. The kept values are those
of the domain, field by field, so a field that is added with a default still reads what was written
before it; whatever else changes their meaning raises `VERSION`, and a reader of another version
leaves the file alone.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import orjson
from pydantic import ConfigDict, TypeAdapter, ValidationError

from statustui.domain.decision import CheckRow, Decision, EvidenceRow, Memory, MonitorRef
from statustui.domain.verdict import CheckResult, Transition

VERSION = 1

# Records of one engine say nearly the same again and again; more effort saves little.
_EFFORT = 1


class Unreadable(ValueError):
    """What was stored is whole, and yet no record that this version knows."""


@dataclass(frozen=True, slots=True)
class _Record:
    monitor: MonitorRef
    check: CheckRow
    result: CheckResult
    memory: Memory
    transitions: tuple[Transition, ...]
    evidence: tuple[EvidenceRow, ...]


_READER = TypeAdapter(list[_Record], config=ConfigDict(val_json_bytes="base64"))


def encode(decisions: Sequence[Decision]) -> bytes:
    """Decisions as bytes, compressed."""
    records = [
        _Record(
            MonitorRef(
                decision.monitor.key,
                decision.monitor.id,
                decision.monitor.org_id,
                decision.monitor.service_id,
                decision.monitor.region,
                tenure=decision.monitor.tenure,
                has_other_regions=decision.monitor.has_other_regions,
            ),
            decision.check,
            decision.result,
            decision.memory,
            decision.transitions,
            decision.evidence,
        )
        for decision in decisions
    ]
    return zlib.compress(orjson.dumps(records, default=_other), _EFFORT)


def decode(data: bytes) -> list[Decision]:
    """The decisions again, in their order.

    Raises:
        Unreadable: these bytes are none that `encode` of this version made.
    """
    try:
        records = _READER.validate_json(zlib.decompress(data))
    except (zlib.error, ValidationError) as error:
        raise Unreadable(str(error)) from error
    return [
        Decision(
            record.monitor,
            record.check,
            record.result,
            record.memory,
            record.transitions,
            record.evidence,
        )
        for record in records
    ]


def _other(value: object) -> object:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, UUID):  # the driver's own subclass
        return str(value)
    raise TypeError(f"{type(value).__name__} has no form on disk")
