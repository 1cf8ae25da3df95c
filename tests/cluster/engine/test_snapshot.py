"""Snapshots at window edges: restored on any number of workers, a run ends with the same digest."""

import random
from pathlib import Path

import msgspec
import pytest

from actors.phold import Kick, Phold
from cluster.engine.inproc import run_inline
from cluster.engine.share import Share
from cluster.engine.snapshot import MAGIC, pack, unpack
from cluster.engine.snapshotting import Snapshots
from cluster.engine.supervise import run_plan
from cluster.engine.transport_local import AloneTransport
from cluster.errors import InputError, RunError
from cluster.plan import Limits, Model, Plan
from protocol.faults import Fault, When

pytestmark = pytest.mark.anyio
FAULTS = (
    Fault("slow", "delay", When(kind="job", every=2), delay_ns=170_000),
    Fault("lost", "lose", When(kind="job", to="phold.7", nth=3)),
)


def plan(workers, faults=FAULTS):
    parameters = {"actors": 18, "lookahead_ns": 20_000, "remote_percent": 50}
    model = Model("phold", parameters=parameters, faults=faults, limits=Limits(virtual_ns=2_500_000))
    return Plan(model, 11, "phold", workers=workers)


def states_at(directory, window, workers):
    return [unpack((Path(directory) / f"{window}-{rank}.snapshot").read_bytes()) for rank in range(workers)]


@pytest.mark.parametrize(("before", "after"), [(1, 1), (2, 3), (3, 1), (1, 4), (4, 2)])
async def test_a_restored_run_ends_with_the_same_digest(tmp_path, before, after):
    windows = (2, 3) if before == 1 else tuple(sorted(random.Random(before * 10 + after).sample(range(2, 100), 3)))
    whole = await run_plan(plan(before), snapshots=Snapshots(windows, str(tmp_path)))
    assert whole.digest == (await run_plan(plan(1))).digest
    for window in windows:
        resumed = await run_plan(plan(after), states=states_at(tmp_path, window, before))
        assert (resumed.digest, resumed.events, resumed.faults_fired) == (whole.digest, whole.events, whole.faults_fired)


async def test_shares_that_stood_at_different_times_give_one_slice_in_order(tmp_path):
    windows = tuple(range(5, 60))
    await run_plan(plan(3), snapshots=Snapshots(windows, str(tmp_path)))
    apart = [states for window in windows if stand_apart(states := states_at(tmp_path, window, 3))]
    assert apart, "no window at which one share is ahead of another's next event"
    share = Share(plan(1), 0, AloneTransport(), states=apart[0])
    slices = []

    class Sink:
        def close_slice(self, index, entries):
            slices.append([entry[0][:6] for entry in entries])

        def commit(self, cut=None):
            pass

    share.loop.sink = Sink()
    await share.run()
    assert len(slices) > 1
    assert all(keys == sorted(set(keys)) for keys in slices)


def stand_apart(states):
    """Has one of them handled an event that lies after the next one of another?"""
    handled = [entry[0][0] for state in states for entry in msgspec.msgpack.decode(state.journal)]
    return max(handled, default=0) > states[0].earliest_ns


async def test_a_snapshot_is_inside_a_slice_and_holds_what_is_ahead(tmp_path):
    """Without these the test above would pass on snapshots that hold too little."""
    await run_plan(plan(2), snapshots=Snapshots((40,), str(tmp_path)))
    states = states_at(tmp_path, 40, 2)
    cells = [cell for state in states for cell in state.cells]
    assert len(cells) == 18
    assert any(cell.last_ns for cell in cells)
    assert any(cell.watch.delayed for cell in cells)
    assert all(cell.streams["job"] > 0 for cell in cells)
    assert all(len(state.journal) > 10 and len(state.queue) > 10 for state in states)


async def test_a_snapshot_survives_bytes_and_damage_is_refused(tmp_path):
    share = Share(plan(1), 0, AloneTransport())
    share.loop.earliest_ns = 0
    data = pack(share.state())
    assert pack(unpack(data)) == data
    with pytest.raises(InputError, match="not a snapshot"):
        unpack(b"hello", "x.snapshot")
    with pytest.raises(InputError, match=r"x\.snapshot is damaged"):
        unpack(data[:-1], "x.snapshot")
    with pytest.raises(InputError, match="snapshot of version 9"):
        unpack(MAGIC + b"\x09\x00" + data[len(MAGIC) + 2 :])


async def test_parts_of_different_windows_are_refused(tmp_path):
    await run_plan(plan(2), snapshots=Snapshots((5, 9), str(tmp_path)))
    with pytest.raises(InputError, match="different windows"):
        await run_plan(plan(1), states=[states_at(tmp_path, 5, 2)[0], states_at(tmp_path, 9, 2)[1]])


async def test_a_body_that_does_not_fit_its_class_is_refused(tmp_path):
    await run_plan(plan(1), snapshots=Snapshots((2,), str(tmp_path)))
    state = states_at(tmp_path, 2, 1)[0]
    state.cells[0].body = msgspec.msgpack.encode({"name": "phold.0", "actors": "many"})
    with pytest.raises(InputError, match=r"phold.0 does not fit its class"):
        await run_plan(plan(1), states=[state])


async def test_a_place_for_snapshots_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(RunError, match="no such directory for snapshots"):
        await run_plan(plan(1), snapshots=Snapshots((2,), str(tmp_path / "missing")))


class Remembering(Phold, kw_only=True):
    """An actor that hears of its restoration, after everything it may ask for is there."""

    def restored(self) -> None:
        self.hook = (self.clock.now, self.port.stream("job").below(1 << 60))


async def test_actors_hear_of_their_restoration(tmp_path, monkeypatch):
    from cluster.engine import models

    original = models.BUILDERS["phold"]

    def build(model, workload):
        boot = original(model, workload)
        return models.Boot(boot.actors, boot.domains, boot.latency_ns, -1, {"phold": Remembering}, boot.messages)

    await run_plan(plan(1), snapshots=Snapshots((2,), str(tmp_path)))
    monkeypatch.setitem(models.BUILDERS, "phold", build)
    state = states_at(tmp_path, 2, 1)
    share = Share(plan(1), 0, AloneTransport(), states=state)
    hooks = [share.engine.actors[name].hook for name in sorted(share.engine.actors)]
    whole = run_inline(plan(1).model, 11, until_ns=state[0].earliest_ns)
    assert [hook[0] for hook in hooks] == [state[0].earliest_ns] * 18
    assert [hook[1] for hook in hooks] == [whole.actors[name].port.stream("job").below(1 << 60) for name in sorted(whole.actors)]
    assert Kick in share.boot.messages
