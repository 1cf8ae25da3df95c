"""Faults of the machine's parts that cannot be meant are refused at the key that is wrong; those that can become data."""

from __future__ import annotations

import pytest

from cluster.scenario import load
from protocol.faults import Fault, When

WORK = '[workload]\ngenerator = "fault_storm"\n'
LASTS = "at_ns = 0\nduration_ns = 1\n"


def test_parts_become_data(scenario_file):
    text = """
[[faults]]
kind = "cpu-slow"
cpu = 1
percent = 300
at_ns = "1 us"
duration_ns = "2 us"
[[faults]]
kind = "vcpu-preempted"
cpu = 0
lock = "object.*"
duration_ns = "9 us"
when = { nth = 3 }
[[faults]]
kind = "clock-skew"
cpu = 0
ppm = -40
[[faults]]
kind = "tlb-wrong-range"
when = { to = "cpu.1", kind = "ipi" }
[[faults]]
kind = "pager-never"
[[faults]]
kind = "pager-torn-write"
when = { every = 2 }
"""
    assert tuple(found.fault for found in load(scenario_file(WORK + text)).declared) == (
        Fault("cpu-slow-1", "cpu-slow", cpu=1, percent=300, at_ns=1000, duration_ns=2000),
        Fault("vcpu-preempted-2", "vcpu-preempted", When(nth=3), cpu=0, lock="object.*", duration_ns=9000),
        Fault("clock-skew-3", "clock-skew", cpu=0, ppm=-40),
        Fault("tlb-wrong-range-4", "tlb-wrong-range", When(kind="ipi", to="cpu.1"), pages=1),
        Fault("pager-never-5", "pager-never", When(kind="pager.read")),
        Fault("pager-torn-write-6", "pager-torn-write", When(kind="pager.write", every=2)),
    )


@pytest.mark.parametrize(
    ("text", "key", "allowed"),
    [
        ('kind = "cpu-offline"\ncpu = 2\n' + LASTS, "cpu", "0 to 1"),
        ('kind = "cpu-slow"\ncpu = 0\npercent = 100\n' + LASTS, "percent", "101 or more"),
        ('kind = "cpu-slow"\ncpu = 0\n' + LASTS, "", "percent"),
        ('kind = "interrupt-storm"\ncpu = 0\nperiod_ns = 0\n' + LASTS, "period_ns", "1 or more"),
        ('kind = "vcpu-preempted"\ncpu = 0\nlock = "objekt"\nduration_ns = 5', "lock", "object"),
        ('kind = "vcpu-preempted"\ncpu = 0\nlock = "pq"\nduration_ns = 5\nwhen = { to = "cpu.1" }', "when.to", "cpu = 0"),
        ('kind = "vcpu-preempted"\ncpu = 9\nlock = "pq"\nduration_ns = 5', "cpu", "0 to 1"),
        ('kind = "clock-skew"\ncpu = 0\nppm = 0', "ppm", "not 0"),
        ('kind = "clock-skew"\ncpu = 0\nppm = -1000000', "ppm", "-999999 or more"),
        ('kind = "ipi-acked-early"\ndelay_ns = 5\nwhen = { to = "cpu.2" }', "when.to", "cpu.0 to cpu.1"),
        ('kind = "tlb-stale-entry"\nwhen = { to = "pq" }', "when.to", "cpu*"),
        ('kind = "tlb-stale-entry"\nwhen = { kind = "telegram" }', "when.kind", "ipi"),
        ('kind = "tlb-stale-entry"\npages = 1', "", "when"),
        ('kind = "lock-granted-twice"\nlock = "telegraph.*"', "lock", "pmap"),
        ('kind = "lock-released-early"\nlock = "pq"\nwhen = { to = "fq" }', "when.to", "lock = pq"),
        ('kind = "wakeup-lost"', "", "one of lock and channel"),
        ('kind = "wakeup-lost"\nlock = "pq"\nchannel = "*"', "", "one of lock and channel"),
        ('kind = "wakeup-spurious"\nchannel = ""\ndelay_ns = 1', "channel", "1 character"),
        ('kind = "pager-slow"\npager = "tape"\npercent = 200\n' + LASTS, "pager", "swap"),
        ('kind = "pager-torn-write"\nwhen = { kind = "pager.read" }', "when.kind", "pager.write"),
        ('kind = "pager-wrong-data"\nwhen = { kind = "pager.write" }', "when.kind", "pager.read"),
        ('kind = "memory-fragmented"\npages = 1\n' + LASTS, "pages", "2 to 65536"),
        ('kind = "memory-fragmented"\npages = 65537\n' + LASTS, "pages", "65536 frames"),
    ],
)
def test_parts_that_cannot_break_so(refused, text, key, allowed):
    error = refused(f"{WORK}[[faults]]\n{text}\n")
    assert error.key == "faults[0]" + (f".{key}" if key else "")
    assert allowed in str(error.allowed)
