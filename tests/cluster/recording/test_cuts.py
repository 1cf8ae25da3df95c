"""Cuts: committed when the living have them, listed with a checksum, thinned, and never mixed between runs."""

from itertools import pairwise

import msgspec
import pytest

from cluster.errors import InputError
from cluster.recording.cuts import CUTS, Cut, CutKeeper, Part, read_cuts, thinned


def part(rank, window, failed=""):
    return Part(rank, window, 2 * window, 1000 * window, f"{window}-{rank}.snapshot", 5, "d", 1, failed)


def written(directory, rank, window):
    (directory / f"{window}-{rank}.snapshot").write_bytes(b"state")
    return part(rank, window)


def test_a_cut_is_committed_when_everybody_has_it(tmp_path):
    keeper = CutKeeper(tmp_path, 2, "r")
    assert keeper.snapped(written(tmp_path, 0, 10)) is None
    assert keeper.latest is None
    cut = keeper.snapped(written(tmp_path, 1, 10))
    assert cut is keeper.latest
    assert (cut.window, cut.rounds, cut.earliest_ns) == (10, 20, 10_000)
    assert [one.window for one in read_cuts(tmp_path, "r").cuts] == [10]
    assert keeper.paths(cut) == [str(tmp_path / "10-0.snapshot"), str(tmp_path / "10-1.snapshot")]


def test_the_word_of_a_worker_that_died_since_does_not_count(tmp_path):
    keeper = CutKeeper(tmp_path, 2, "r")
    keeper.snapped(written(tmp_path, 0, 10))
    (tmp_path / "20-0.snapshot.tmp").write_bytes(b"half")
    keeper.died(0)
    assert not list(tmp_path.glob("*.tmp"))
    assert keeper.snapped(written(tmp_path, 1, 10)) is None
    assert keeper.snapped(written(tmp_path, 0, 10)) is not None, "its successor got there too"


def test_a_part_that_could_not_be_written_makes_no_cut(tmp_path):
    keeper = CutKeeper(tmp_path, 1, "r")
    assert keeper.snapped(part(0, 10, "no space")) is None
    assert keeper.failures == ["no space"]


def test_a_list_that_cannot_be_written_commits_nothing(tmp_path):
    keeper = CutKeeper(tmp_path / "missing", 1, "r")
    assert keeper.snapped(part(0, 10)) is None
    assert "cannot be written" in keeper.failures[0]


def test_a_cut_taken_again_is_ignored(tmp_path):
    keeper = CutKeeper(tmp_path, 1, "r")
    assert keeper.snapped(written(tmp_path, 0, 10)) is not None
    assert keeper.snapped(written(tmp_path, 0, 10)) is None
    assert keeper.snapped(written(tmp_path, 0, 9)) is None


def test_cuts_that_were_there_before_are_not_these_workers_own(tmp_path):
    before = Cut(5, 10, 5000, [part(0, 5), part(1, 5), part(2, 5)])
    keeper = CutKeeper(tmp_path, 1, "r", cuts=[before])
    assert keeper.latest is None
    keeper.snapped(written(tmp_path, 0, 10))
    assert [cut.window for cut in read_cuts(tmp_path, "r").cuts] == [5, 10]


def test_files_that_no_kept_cut_names_go(tmp_path):
    keeper = CutKeeper(tmp_path, 1, "r", keep=2)
    stray = tmp_path / "11-0.snapshot"
    for window in (10, 20, 30):
        if window == 20:
            stray.write_bytes(b"never committed")
        keeper.snapped(written(tmp_path, 0, window))
    assert sorted(path.name for path in tmp_path.glob("*.snapshot")) == ["20-0.snapshot", "30-0.snapshot"]


def test_thinning_keeps_the_last_two_and_even_gaps():
    cuts = [Cut(time, 0, time * 1000, []) for time in range(1, 20)]
    kept = []
    for cut in cuts:
        kept = thinned([*kept, cut], 5)
    assert len(kept) == 5
    assert [cut.window for cut in kept][-2:] == [18, 19]
    gaps = [after.window - before.window for before, after in pairwise(kept[:-1])]
    assert max(gaps) <= 9
    assert thinned(cuts[:3], 0) == cuts[:3]


@pytest.mark.parametrize("spoil", ["window", "run", "checksum", "bytes"])
def test_a_list_that_was_changed_is_refused(tmp_path, spoil):
    CutKeeper(tmp_path, 1, "r").snapped(written(tmp_path, 0, 10))
    path = tmp_path / CUTS
    if spoil == "bytes":
        path.write_bytes(b"[1]")
    else:
        table = msgspec.json.decode(path.read_bytes())
        if spoil == "window":
            table["cuts"][0]["window"] = 11
        else:
            table[spoil] = "x"
        path.write_bytes(msgspec.json.encode(table))
    with pytest.raises(InputError, match=r"cuts\.json"):
        read_cuts(tmp_path, "r")
    assert read_cuts(tmp_path / "nowhere", "r").cuts == []


def test_another_runs_list_is_named_as_such(tmp_path):
    CutKeeper(tmp_path, 1, "r").snapped(written(tmp_path, 0, 10))
    with pytest.raises(InputError, match="of another run"):
        read_cuts(tmp_path, "s")
