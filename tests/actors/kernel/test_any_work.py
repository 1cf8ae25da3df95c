"""Whatever tasks do: they end, no check speaks, no frame is lost, every reference is accounted for, and nobody waits."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from tests.actors.kernel.any_work import works
from tests.actors.machine_audit import audit, settle
from tests.actors.machine_kit import all_done, judged, run

SLOW_NS = 200_000_000


@pytest.mark.parametrize("frames", [1024, 48])
@pytest.mark.parametrize("kernel", ["repaired"])
def test_any_work_ends_well(frames, kernel):
    @settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
    @given(works())
    def ends_well(work):
        done = run(work, kernel, frames=frames, until_ns=SLOW_NS)
        settle(done)
        verdict = judged(done)
        assert verdict.violations == []
        assert all_done(done)
        assert audit(done) == []

    ends_well()
