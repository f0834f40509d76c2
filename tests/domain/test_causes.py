"""A cause is found at the end of the chain, whatever the graph looks like."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statustui.domain.causes import find_causes
from statustui.domain.status import ServiceStatus

UP = ServiceStatus.OPERATIONAL
SLOW = ServiceStatus.DEGRADED_PERFORMANCE
PARTIAL = ServiceStatus.PARTIAL_OUTAGE
DOWN = ServiceStatus.MAJOR_OUTAGE
WORKED_ON = ServiceStatus.UNDER_MAINTENANCE


@pytest.mark.parametrize(
    ("statuses", "depends_on", "causes"),
    [
        ({"api": DOWN, "db": DOWN}, {"api": ["db"]}, {"api": "db"}),
        ({"api": SLOW, "db": PARTIAL}, {"api": ["db"]}, {"api": "db"}),
        ({"api": DOWN, "db": SLOW}, {"api": ["db"]}, {}),
        ({"api": UP, "db": DOWN}, {"api": ["db"]}, {}),
        ({"api": WORKED_ON, "db": DOWN}, {"api": ["db"]}, {}),
        (
            {"web": DOWN, "api": DOWN, "db": DOWN},
            {"web": ["api"], "api": ["db"]},
            {"web": "db", "api": "db"},
        ),
        ({"web": DOWN, "api": UP, "db": DOWN}, {"web": ["api"], "api": ["db"]}, {}),
        ({"web": DOWN, "a": PARTIAL, "b": DOWN}, {"web": ["a", "b"]}, {"web": "b"}),
        ({"web": DOWN}, {"web": ["gone"]}, {}),
    ],
)
def test_a_broken_dependency_explains(
    statuses: dict[str, ServiceStatus], depends_on: dict[str, list[str]], causes: dict[str, str]
) -> None:
    assert find_causes(statuses, depends_on) == causes


_NAMES = st.sampled_from("abcdef")


@given(
    st.dictionaries(_NAMES, st.sampled_from(ServiceStatus)),
    st.dictionaries(_NAMES, st.lists(_NAMES, max_size=4)),
)
def test_a_cause_is_in_outage_and_never_oneself(
    statuses: dict[str, ServiceStatus], depends_on: dict[str, list[str]]
) -> None:
    for service, cause in find_causes(statuses, depends_on).items():
        assert cause != service
        assert statuses[cause] in (PARTIAL, DOWN)
        assert statuses[service] in (SLOW, PARTIAL, DOWN)
