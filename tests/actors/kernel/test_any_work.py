"""Whatever tasks do, however late messages are: they end, no check speaks, no frame is lost, references add up, nobody waits."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from protocol.records import OBJECT_COLLAPSE, PAGER_START
from tests.actors.kernel.any_work import delays, families, stalls, works
from tests.actors.machine_audit import ends_well
from tests.actors.machine_kit import all_done, judged, run

LONG_NS = 100_000_000


def examples(count):
    """So many, the same in every run: the suite repeats what a longer search with these properties has passed."""
    phases = (Phase.explicit, Phase.generate)  # The examples are small already; shrinking one takes minutes.
    checks = list(HealthCheck)
    return settings(max_examples=count, deadline=None, derandomize=True, suppress_health_check=checks, database=None, phases=phases)


@examples(20)
@given(works())
def test_any_work_ends_well(work):
    ends_well(run(work, until_ns=LONG_NS))


@examples(4)
@given(works(ballast=57))
def test_any_work_ends_well_when_memory_is_scarce(work):
    done = ends_well(run(work, frames=64, until_ns=LONG_NS))
    assert done.records(PAGER_START), "there was no pressure"


@examples(12)
@given(works(), delays, stalls, st.integers(1, 1000))
def test_any_work_ends_well_under_delays_and_stalls(work, late, still, seed):
    ends_well(run(work, until_ns=LONG_NS, seed=seed, faults=(*late, *still)))


@examples(3)
@given(works(ballast=57), delays, st.integers(1, 1000))
def test_any_work_ends_well_with_both(work, late, seed):
    ends_well(run(work, frames=64, until_ns=LONG_NS, seed=seed, faults=tuple(late)))


@pytest.mark.parametrize(("frames", "ballast", "count"), [(1024, 0, 25), (100, 47, 10)], ids=["ample", "scarce"])
def test_families_end_well_and_their_chains_of_objects_are_collapsed_and_gone_round(frames, ballast, count):
    found: Counter[str] = Counter()

    @examples(count)
    @given(families(ballast=ballast), delays, stalls, st.integers(1, 1000))
    def ends(work, late, still, seed):
        # A thread that moves to the other CPU asks for a lock from there, and an unlock that is late on its way from here comes after that.
        late = [fault for fault in late if fault.when.kind != "unlock"]
        done = ends_well(run(work, until_ns=LONG_NS, seed=seed, frames=frames, faults=(*late, *still)))
        for _, _, _, _, how, moved, freed in done.records(OBJECT_COLLAPSE):
            found.update({how: 1, "moved": moved, "freed": freed})

    ends()
    assert min(found[what] for what in ("collapse", "bypass", "moved", "freed")) > 0, found


OTHERWISE: dict[str, dict[str, Any]] = {
    "i386": {"pmap": "i386"},
    "i386 broadcasting": {"pmap": "i386", "forms": {"C10": "broadcast"}},
    "alpha": {"pmap": "alpha"},
    "prefaulting": {"prefault_pages": 4},
    "few pv entries": {"pv_entries_max": 12, "pv_slab_items": 4},
}


@pytest.mark.parametrize("how", OTHERWISE)
def test_any_work_ends_well_on_other_page_tables(how):
    @examples(4)
    @given(works(), delays, st.integers(1, 1000))
    def ends(work, late, seed):
        done = run(work, until_ns=LONG_NS, seed=seed, faults=tuple(late), **OTHERWISE[how])
        if how != "few pv entries":
            ends_well(done)
        # The pages of the zone's object stay busy for ever, as in the kernel, which a machine at rest otherwise has none of.
        assert all_done(done)
        assert judged(done).violations == []

    ends()


@pytest.mark.parametrize("switch", ["R01", "R02", "R04", "R05"])
def test_an_old_form_does_no_harm_outside_its_own_interleaving(switch):
    @examples(4)
    @given(works(steps_max=6))
    def ends(work):
        ends_well(run(work, until_ns=LONG_NS, revert=(switch,)))

    ends()
