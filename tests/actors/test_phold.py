"""PHOLD: the number of jobs is constant, times and shares are what the model says."""

from cluster.engine.inproc import run_inline
from cluster.plan import Model

MODEL = Model("phold", parameters={"actors": 64, "lookahead_ns": 1000, "remote_percent": 10})


def test_there_is_always_one_job_per_actor():
    run = run_inline(MODEL, 1, until_ns=200_000)
    assert len(run.engine.heap) == 64
    assert sorted(event[8].hops for event in run.engine.heap)[0] > 50


def test_a_job_waits_the_lookahead_and_an_exponential():
    run = run_inline(MODEL, 1, until_ns=2_000_000)
    handled = {head[4:6]: head for head, _, _ in run.entries}
    waits = [head[0] - handled[head[6:8]][0] for head in handled.values() if head[6:8] in handled]
    assert min(waits) >= 1000
    assert abs(sum(waits) / len(waits) - 2000) < 30


def test_a_tenth_goes_to_another_actor():
    run = run_inline(MODEL, 1, until_ns=2_000_000)
    words = [word for _, word, _ in run.entries]
    assert abs(words.count("job") / len(words) - 0.1) < 0.01
    assert all(head[3] != head[4] for head, word, _ in run.entries if word == "job")


def test_one_actor_keeps_its_job():
    run = run_inline(Model("phold", parameters={"actors": 1, "remote_percent": 100}), 1, until_ns=50_000)
    assert run.engine.events > 10
