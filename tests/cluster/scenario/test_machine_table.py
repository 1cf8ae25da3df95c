from __future__ import annotations

import pytest

from cluster.scenario import load
from cluster.scenario.places import names
from protocol.machine import Costs, Machine, thresholds

WORK = '[workload]\ngenerator = "fault_storm"\n'


def machine_of(scenario_file, text: str) -> Machine:
    return load(scenario_file(f"{text}\n{WORK}")).machine


@pytest.mark.parametrize(
    ("preset", "cpus", "domains"), [("recordings-2cpu", 2, 1), ("socket-8", 8, 1), ("two-sockets-10", 20, 2), ("eight-sockets-10", 80, 8)]
)
def test_presets(scenario_file, preset, cpus, domains):
    machine = machine_of(scenario_file, f'[machine]\npreset = "{preset}"')
    assert (machine.cpus, machine.domains) == (cpus, domains)
    sizes = [machine.cpu_domains.count(domain) for domain in range(domains)]
    assert sizes == [cpus // domains] * domains
    assert machine.latency_ns[0][0][0] == 20
    assert all(len(row) == domains for link in machine.latency_ns for row in link)


def test_every_shipped_machine_is_listed_here():
    assert set(names("machines")) == {"recordings-2cpu", "socket-8", "two-sockets-10", "eight-sockets-10"}


def test_without_a_machine_it_is_the_recordings(scenario_file):
    machine = machine_of(scenario_file, "")
    assert (machine.cpus, machine.frames, machine.pmap) == (2, 65536, "amd64")
    assert machine.costs == Costs()
    assert machine.thresholds == thresholds(65536)


def test_what_is_given_replaces_the_preset(scenario_file):
    text = '[machine]\npreset = "two-sockets-10"\nmemory_bytes = "8 MiB"\n[machine.costs]\ntrap_ns = "1 us"\n'
    text += "[machine.latency.ipi]\nmatrix_ns = [[1, 2], [3, 4]]"
    machine = machine_of(scenario_file, text)
    assert machine.frames == 2048
    assert machine.costs.trap_ns == 1000
    assert machine.costs.copy_page_ns == Costs().copy_page_ns
    assert machine.latency_ns[1] == ((1, 2), (3, 4))
    assert machine.latency_ns[0] == ((20, 120), (120, 20))


def test_a_whole_machine_without_a_preset(scenario_file):
    links = "".join(f"[machine.latency.{link}]\nsame_ns = 7\n" for link in ("memory", "ipi", "device"))
    machine = machine_of(scenario_file, f"[machine]\ncpus = 3\nframes = 500\n{links}[machine.thresholds]\nfree_min = 24")
    assert machine.latency_ns == (((7,),),) * 3
    assert machine.thresholds.free_min == 24
    assert machine.cpu_domains == (0, 0, 0)


@pytest.mark.parametrize(
    ("text", "key", "found", "allowed"),
    [
        ("cpus = 0", "machine.cpus", 0, "1 or more"),
        ("cpus = -2", "machine.cpus", -2, "1 or more"),
        ("cpus = 2.0", "machine.cpus", "2.0", "an integer"),
        ("cpus = true", "machine.cpus", True, "an integer"),
        ("cpus = 4096", "machine.cpus", 4096, "1024 or less"),
        ("domains = 3", "machine", "3 domains for 2 CPUs", "at most as many domains as CPUs"),
        ("frames = 63", "machine.frames", 63, "64 or more"),
        ('memory_bytes = "4 KiB"', "machine", "1 frames", "64 to"),
        ('memory_bytes = "256 MB"', "machine.memory_bytes", "256 MB", "MiB"),
        ("frames = 1000\nmemory_bytes = 4096000", "machine", "frames 1000 and memory_bytes 4096000", "exactly one"),
        ('pmap = "sparc64"', "machine.pmap", "sparc64", "'amd64', 'i386' or 'alpha'"),
        ("cpu_domains = [0, 1]", "machine", [0, 1], "every domain 0 to 0"),
        ("domains = 2\ncpu_domains = [0, 2]", "machine", [0, 2], "every domain 0 to 1"),
        ("[machine.costs]\ntrap_us = 3", "machine.costs.trap_us", "trap_us", "trap_ns"),
        ('[machine.costs]\ntrap_ns = "3 MiB"', "machine.costs.trap_ns", "3 MiB", "ns, us"),
        ("[machine.latency.memory]\nmatrix_ns = [[1, 2]]", "machine", "a matrix of 1 rows for memory", "1 rows of 1 numbers"),
        ("[machine.latency.memory]\nsame_ns = 0", "machine.latency.memory.same_ns", 0, "1 or more"),
        ('[machine.home_domains]\n"cpu.0" = 0', "machine.home_domains", "cpu.0", "pq, fq"),
        ("[machine.home_domains]\npq = 1", "machine", "pq = 1", "domains 0 to 0"),
        ("[machine.thresholds]\nfree_min = 70000", "machine", "thresholds", "free_target < frames"),
        ('preset = "vax"', "machine.preset", "vax", "recordings-2cpu"),
    ],
)
def test_impossible_machines_are_refused(refused, text, key, found, allowed):
    error = refused(f"[machine]\n{text}\n{WORK}")
    assert error.key == key
    assert error.found == found or str(found) in str(error.found)
    assert allowed in str(error.allowed)
    assert "case.toml" in str(error)


def test_domains_given_at_the_command_line_deal_the_cpus_anew(scenario_file):
    machine = load(scenario_file(), ["machine.cpus=6", "machine.domains=3"]).machine
    assert machine.cpu_domains == (0, 0, 1, 1, 2, 2)
