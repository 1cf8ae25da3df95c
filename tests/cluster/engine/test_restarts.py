"""How often one place is tried again, and what is then said."""

from pathlib import Path

import pytest

from cluster.engine.blackbox import SIZE, BlackBox, black_box_path, last_words
from cluster.engine.restarts import Restarts
from cluster.errors import RunError
from protocol.messages.processor import Stall

EVENT = (1500, 1, 0, "object.7", "cpu.1", 42, "cpu.1", 41, Stall(5))


def test_what_a_worker_leaves_behind(tmp_path):
    box = BlackBox(str(tmp_path / "box"))
    box.window(7, 1000)
    assert last_words(tmp_path / "box") == (7, 1000, "")
    box.event(7, EVENT)
    assert last_words(tmp_path / "box") == (7, 1500, "object.7 was handling 'stall' from cpu.1 (event cpu.1:42)")
    box.window(8, 2000)
    assert last_words(tmp_path / "box") == (8, 2000, "")


def test_a_long_name_fits(tmp_path):
    box = BlackBox(str(tmp_path / "box"))
    box.event(1, (5, 1, 0, "x" * 1000, *EVENT[4:]))
    assert last_words(tmp_path / "box")[2] == "x" * (SIZE - 18)


def test_nothing_left_behind_is_no_error(tmp_path):
    assert last_words(tmp_path / "none") == (0, 0, "")
    (tmp_path / "short").write_bytes(b"x")
    assert last_words(tmp_path / "short") == (0, 0, "")


@pytest.fixture
def die(tmp_path):
    box = BlackBox(black_box_path(str(tmp_path), 1))

    def at(restarts, window, event=None):
        box.window(window, window * 100)
        if event is not None:
            box.event(window, event)
        return restarts.died(1, "was killed", (3, 300))

    return at


def test_other_places_are_other_deaths(die, tmp_path):
    restarts = Restarts(2, str(tmp_path))
    assert [die(restarts, window) for window in (5, 6, 7, 8, 9)] == [-1] * 5
    assert "started anew from the cut of window 3 (300 ns)" in restarts.made[0].sentence()


def test_the_second_death_at_one_place_makes_the_third_careful_and_the_last_named(die, tmp_path):
    restarts = Restarts(3, str(tmp_path))
    assert [die(restarts, 5) for _ in range(3)] == [-1, 5, 5]
    with pytest.raises(RunError, match=r"died 4 times at 1500 ns of virtual time while object.7 was handling 'stall' from cpu.1"):
        die(restarts, 5, EVENT)


def test_no_restarts_at_all(die, tmp_path):
    with pytest.raises(RunError, match="worker 1 was killed before the run was over"):
        die(Restarts(0, str(tmp_path)), 5)


def test_each_worker_has_its_own_count(tmp_path):
    restarts = Restarts(1, str(tmp_path))
    for rank in range(3):
        BlackBox(black_box_path(str(tmp_path), rank)).window(4, 1)
        assert restarts.died(rank, "was killed", (0, 0)) == 4
    assert len(list(Path(tmp_path).iterdir())) == 3
    assert "from the beginning" in restarts.made[0].sentence()
