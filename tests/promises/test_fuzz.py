"""Damaged files: named, with what is used instead; never a wrong digest, never a traceback.

What a resumed run does is a function of the manifest, the workload, the snapshots it starts from and the trace before them. So for every
damage it is enough to ask whether what is *believed* is what was written; resuming ten thousand times would take a day. Some are resumed
all the same.
"""

import random
import shutil

import msgspec
import pytest

import shootdown as sd
from cluster.engine.reviving import last_start
from cluster.engine.snapshot import pack
from cluster.errors import InputError
from cluster.recording.manifest import read_manifest
from shootdown.carrying import workload_of
from tests.promises.fuzzing import damage

SETS = ("workload.lines_max=250",)
AT = (2, 3, 4)
"""Windows with a snapshot. One worker has one per slice, so there is some trace before each."""
WINDOWS = len(AT)


class Interrupting(Exception):
    """What stops a run in the middle, in place of a power failure."""


def interrupted(path, seed, monkeypatch):
    """A run directory as a power failure leaves it, with some cuts; and the digest the run would have had."""
    from cluster.recording.cuts import CutKeeper

    committed = CutKeeper._commit

    def counting(keeper, cut):
        made = committed(keeper, cut)
        if len(keeper.cuts) == WINDOWS:
            raise KeyboardInterrupt
        return made

    with monkeypatch.context() as patch:
        patch.setattr(CutKeeper, "_commit", counting)
        patch.setattr("cluster.engine.snapshotting.Snapshotter.wants", lambda _, window: window in AT)
        with pytest.raises(sd.Interrupted):
            sd.run(sd.load("redis-bgsave", SETS), seed=seed, out=path)
    return path.with_name(path.name + ".partial")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """An interrupted run, a finished one, and one of each that is foreign; and the digest of the first two."""
    place = tmp_path_factory.mktemp("fuzz")
    with pytest.MonkeyPatch.context() as patch:
        cut = interrupted(place / "cut", 1, patch)
        foreign = interrupted(place / "foreign", 1, patch)
    whole = sd.run(sd.load("redis-bgsave", SETS), seed=1, out=place / "whole")
    return cut, foreign, whole


def names_in(path):
    return sorted(str(file.relative_to(path)) for file in path.rglob("*") if file.is_file() and file.name != "lock")


def believed(path):
    """All that a resumption of ``path`` would go by. Raises InputError."""
    manifest = read_manifest(path)
    workload = workload_of(path, manifest)
    start = last_start(path, manifest.run, trace=True)
    return manifest, msgspec.msgpack.encode(workload), [pack(state) for state in start.states or ()], before(path, start), start


def before(path, start):
    """The bytes of the trace that the snapshots of ``start`` vouch for."""
    rows = [row for state in start.states or () for row in state.recorder.trace]
    return {rank: (path / "trace" / f"worker-{rank}.trace").read_bytes()[:offset] for rank, offset, _, _ in rows if offset}


def fuzz_unfinished(cut, foreign, place, count, seed):
    """Damage ``cut`` so often; returns how each ended."""
    pristine = {window: believed_until(cut, window) for window in range(WINDOWS + 1)}
    manifest, workload, *_ = believed(cut)
    draw, endings = random.Random(seed), {}
    for number in range(count):
        target = place / "damaged.partial"
        shutil.copytree(cut, target)
        done = damage(target, foreign, names_in(target), draw)
        said = f"number {number} of seed {seed}: {done}"
        try:
            found = believed(target)
        except InputError as error:
            ending = "refused" if done.file.rpartition("/")[2] in str(error) else f"{said}: not named in {error}"
        else:
            if found[0].run != manifest.run:  # another run's manifest: that run is resumed, and nothing of this one is used for it
                assert (done.file, found[2]) == ("manifest.json", []), said
                assert "of another run" in found[4].losses[0], said
            else:
                assert (found[0], found[1]) == (manifest, workload), said
            assert (found[2], found[3]) == pristine[len(found[4].cuts)], said
            ending = f"{len(found[4].cuts)} cuts"
            if len(found[4].cuts) < WINDOWS and found[0].run == manifest.run:
                assert any(done.file.rpartition("/")[2] in loss and "used instead" in loss for loss in found[4].losses), said
        endings[ending] = endings.get(ending, 0) + 1
        shutil.rmtree(target)
    return endings


def believed_until(path, cuts):
    """What is believed with only the first ``cuts`` cuts."""
    if not cuts:
        return [], {}
    manifest = read_manifest(path)
    every = last_start(path, manifest.run, trace=True)
    start = last_start(path, manifest.run, trace=True, until_ns=every.cuts[cuts - 1].earliest_ns)
    return [pack(state) for state in start.states], before(path, start)


def fuzz_finished(whole, foreign, place, count, seed):
    """Damage a finished run so often: what is read of it is what was written, or it is said what is lost."""
    draw, endings = random.Random(seed), {}
    summary, violations = whole.summary, whole.violations
    for number in range(count):
        target = place / "damaged"
        shutil.copytree(whole.path, target)
        done = damage(target, foreign, names_in(target), draw)
        said = f"number {number} of seed {seed}: {done}"
        try:
            found = sd.open_run(target)
            digest = found.stored.digest_of_trace()
            losses = found.stored.losses
        except (sd.InputError, sd.RunError) as error:
            ending = "refused" if done.file.rpartition("/")[2] in str(error) or "trace" in done.file else f"{said}: not named in {error}"
        else:
            if not found.digest:  # the manifest of another run, which was not finished
                assert (done.how, bool(losses)) == ("foreign", True), said
            else:
                assert (found.digest, found.summary, found.violations) == (whole.digest, summary, violations), said
                assert digest == whole.digest or any(done.file in loss for loss in losses), said
            ending = "losses named" if losses else "nothing lost"
        endings[ending] = endings.get(ending, 0) + 1
        shutil.rmtree(target)
    return endings


def assert_named(endings):
    assert not [ending for ending in endings if "not named" in ending]


def test_what_is_believed_of_a_damaged_unfinished_run_was_written(runs, tmp_path):
    endings = fuzz_unfinished(runs[0], runs[1], tmp_path, 150, 1)
    assert_named(endings)
    assert all(endings[ending] > 5 for ending in ("refused", f"{WINDOWS} cuts", f"{WINDOWS - 1} cuts", "0 cuts")), endings


def test_what_is_read_of_a_damaged_finished_run_was_written(runs, tmp_path):
    endings = fuzz_finished(runs[2], runs[1], tmp_path, 60, 2)
    assert_named(endings)
    assert all(endings[ending] > 2 for ending in ("refused", "losses named", "nothing lost")), endings


@pytest.mark.promise
@pytest.mark.parametrize("seed", range(10))
def test_ten_thousand_damages(runs, tmp_path, seed):
    assert_named(fuzz_unfinished(runs[0], runs[1], tmp_path, 700, 100 + seed))
    assert_named(fuzz_finished(runs[2], runs[1], tmp_path, 400, 200 + seed))


@pytest.mark.parametrize("seed", range(6))
def test_a_damaged_run_that_is_resumed_has_the_right_digest_or_is_refused(runs, tmp_path, seed):
    cut, foreign, whole = runs
    draw = random.Random(seed)
    target = tmp_path / "damaged.partial"
    shutil.copytree(cut, target)
    damage(target, foreign, [name for name in names_in(target) if "snapshots" in name or "trace" in name], draw)
    made = sd.resume(tmp_path / "damaged")
    assert made.digest == whole.digest
    assert made.losses == []


def test_the_trace_and_the_snapshots_cut_at_every_length(runs, tmp_path):
    """Around the last snapshot a power failure can leave any length of any file: the run goes on from what is whole."""
    cut, _, _ = runs
    pristine = {window: believed_until(cut, window) for window in range(WINDOWS + 1)}
    last = [name for name in names_in(cut) if name.startswith(("snapshots", "trace"))]
    used = set()
    for name in last:
        size = (cut / name).stat().st_size
        for length in range(0, size, max(1, size // 12)):
            target = tmp_path / "cut.partial"
            shutil.copytree(cut, target)
            (target / name).write_bytes((cut / name).read_bytes()[:length])
            *_, states, traces, start = believed(target)
            assert (states, traces) == pristine[len(start.cuts)], (name, length)
            used.add(len(start.cuts))
            shutil.rmtree(target)
    assert used >= {0, WINDOWS - 1, WINDOWS}
