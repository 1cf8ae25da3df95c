"""The partition: everybody lives somewhere, whole domains together, and the lookahead is what crosses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.engine.clock import NEVER
from cluster.engine.partition import partition
from cluster.errors import InputError
from protocol.identity import cpu_name

NUMA = (((20, 120), (120, 20)), ((500, 800), (800, 500)), ((1000, 1000), (1000, 1000)))


def cpus(*domains):
    return {cpu_name(index): domain for index, domain in enumerate(domains)}


def test_whole_domains_stay_together_and_the_lookahead_is_the_far_latency():
    made = partition({**cpus(0, 0, 1, 1), "pq": 0}, NUMA, 2)
    assert made.rank_of == {"cpu.0": 0, "cpu.1": 0, "pq": 0, "cpu.2": 1, "cpu.3": 1}
    assert made.lookahead_ns == 120
    assert "memory messages from domain 0 to 1" in made.bound
    assert made.whole_domains


def test_a_domain_that_is_split_costs_lookahead():
    made = partition({**cpus(0, 0, 1, 1), "pq": 0}, NUMA, 3)
    assert made.lookahead_ns == 20
    assert not made.whole_domains
    assert "within domain" in made.bound


def test_least_service_is_added():
    assert partition(cpus(0, 1), NUMA, 2, least_service_ns=5).lookahead_ns == 125


def test_one_worker_has_no_horizon():
    made = partition(cpus(0, 1), NUMA, 1)
    assert made.lookahead_ns == NEVER
    assert made.report()["lookahead_ns"] is None


@pytest.mark.parametrize("workers", [0, -1, 3])
def test_impossible_worker_counts_are_refused(workers):
    with pytest.raises(InputError, match="2 root actors") as caught:
        partition(cpus(0, 1), NUMA, workers)
    assert caught.value.allowed == "1 to 2"


@given(st.lists(st.integers(0, 9), min_size=1, max_size=40), st.data())
def test_every_worker_gets_something_and_domains_stay_whole_where_they_can(domains, data):
    workers = data.draw(st.integers(1, len(domains)))
    size = max(domains) + 1
    latency = (tuple(tuple(20 if a == b else 100 for b in range(size)) for a in range(size)),) * 3
    made = partition(cpus(*domains), latency, workers)
    assert sorted(set(made.rank_of.values())) == list(range(workers))
    if len(set(domains)) >= workers:
        homes = {(domain, made.rank_of[cpu_name(index)]) for index, domain in enumerate(domains)}
        assert len(homes) == len(set(domains))
        assert workers == 1 or made.lookahead_ns == 100


def test_homes_stay_with_the_first_cpus_and_spaces_with_theirs():
    roots = {**cpus(0, 0), "pq": 0, "fq": 0, "map.0": 0, "pmap.1": 0}
    made = partition(roots, (((20,),),) * 3, 2, near={"map.0": "cpu.0", "pmap.1": "cpu.1"})
    assert made.rank_of == {"cpu.0": 0, "cpu.1": 1, "pq": 0, "fq": 0, "map.0": 0, "pmap.1": 1}


def test_homes_get_workers_of_their_own_if_there_are_more_than_cpus():
    made = partition({**cpus(0, 0), "pq": 0, "fq": 0, "smp": 0}, (((20,),),) * 3, 4)
    assert made.rank_of == {"cpu.0": 0, "cpu.1": 1, "fq": 2, "pq": 2, "smp": 3}


def test_cpus_are_dealt_evenly():
    made = partition({**cpus(*[0] * 8), "pq": 0, "fq": 0, "smp": 0}, ((((20,),),) * 3), 4)
    cpu_ranks = [made.rank_of[cpu_name(index)] for index in range(8)]
    assert [cpu_ranks.count(rank) for rank in range(4)] == [2, 2, 2, 2]
