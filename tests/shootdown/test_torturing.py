"""Torture in small: drawn kills, every one survived, and a row that says so; and that it would say otherwise."""

import signal
import threading
from types import SimpleNamespace

import pytest

from cluster.errors import InputError
from shootdown import torturing
from shootdown.killing import PARENT, WHOM, Killer, drawn
from shootdown.sweeping import Subject
from shootdown.torturing import torture

SUBJECT = Subject("redis-bgsave", ("workload.lines_max=300",))


def test_what_is_drawn_depends_on_the_seed_alone_and_covers_everybody():
    kills = [drawn(7, number, False) for number in range(60)]
    assert kills == [drawn(7, number, False) for number in range(60)]
    assert kills != [drawn(8, number, False) for number in range(60)]
    assert {kill.whom for kill in kills} == set(WHOM)
    assert {kill.signal for kill in kills} == {signal.SIGKILL, signal.SIGSEGV, signal.SIGSTOP}
    assert drawn(7, 1, True).whom == PARENT


def test_a_kill_comes_at_its_share_of_the_events_whatever_else_is_done():
    struck = threading.Event()
    killer = Killer(drawn(7, 1, False)._replace(at_permille=500, after_ms=0), 1000, struck.set)
    killer.progress(SimpleNamespace(events=499), 1.0)
    assert not killer.reached.is_set()
    killer.progress(SimpleNamespace(events=500), 0.0)
    assert struck.wait(10)
    killer.end()


def test_killed_workers_and_killed_runs_come_to_the_same_end():
    calm, *rows = torture(SUBJECT, seed=2, workers=2, kills=1, resumes=1, snapshot_ms=50)
    assert [row.wrong for row in rows] == [""] * 2
    assert rows[-1].kill.whom == PARENT
    assert calm.digest


def test_another_digest_is_called_wrong(monkeypatch):
    """The judge itself: an undisturbed run of another seed in place of the right one."""
    original = torturing.run

    def other(scenario, *, seed, **options):
        return original(scenario, seed=seed + ("calm" in str(options["out"])), **options)

    monkeypatch.setattr(torturing, "run", other)
    _, row = torture(Subject("lost-ipi"), seed=2, workers=2, kills=1, resumes=0, snapshot_ms=0)
    assert "undisturbed" in row.wrong


def test_one_worker_cannot_be_tortured():
    with pytest.raises(InputError, match="2 or more"):
        next(torture(SUBJECT, seed=1, workers=1, kills=1, resumes=0, snapshot_ms=0))
