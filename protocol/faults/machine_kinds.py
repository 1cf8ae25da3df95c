"""The kinds of fault of the modelled machine's parts: CPUs, their clocks and TLBs, locks, sleepers, pagers, memory.

What each does, and what should be seen of it, stands with its mechanism in ``actors.faults``. They are a file of their own because the
reader of a scenario about links has no use for them.
"""

from __future__ import annotations

from protocol.faults.kind import INSTANT, PART, Field, Kind

MACHINE_FIELDS: dict[str, Field] = {
    "percent": Field("time taken, of what it takes otherwise", unit="", least=101, greatest=100_000),
    "ppm": Field("parts per million by which a clock is fast (negative: slow)", unit="", least=-999_999, greatest=1_000_000),
    "period_ns": Field("from one interrupt to the next"),
    "pages": Field("pages", unit="", greatest=1 << 40),
    "lock": Field("a class of locks, a lock, or a pattern of names of locks", unit="name"),
    "channel": Field("pattern of names of sleep channels", unit="name"),
    "pager": Field("disk or swap", unit="name"),
}

MACHINE_KINDS: dict[str, Kind] = {
    "cpu-slow": Kind("what the CPU computes takes `percent` of its time", ("cpu", "percent", "at_ns", "duration_ns"), scope=INSTANT),
    "cpu-offline": Kind("the CPU runs no thread and takes no interrupt for a while", ("cpu", "at_ns", "duration_ns"), scope=INSTANT),
    "interrupt-storm": Kind("a device interrupts the CPU every `period_ns`", ("cpu", "period_ns", "at_ns", "duration_ns"), scope=INSTANT),
    "vcpu-preempted": Kind(
        "a thread on the CPU has got `lock` when the CPU goes away for a while", ("cpu", "lock", "duration_ns"), ("when",), scope=PART
    ),
    "clock-skew": Kind(
        "the CPU's clock is fast by `ppm`: its naps and timeouts are shorter", ("cpu", "ppm"), ("at_ns", "duration_ns"), scope=INSTANT
    ),
    "ipi-acked-early": Kind("a target acknowledges a shootdown, and flushes `delay_ns` later", ("delay_ns",), ("when",), scope=PART),
    "tlb-stale-entry": Kind("a flush leaves one entry of its range", takes=("when",), scope=PART),
    "tlb-wrong-range": Kind("a flush of a range is `pages` too high", takes=("pages", "when"), scope=PART),
    "lock-released-early": Kind("a lock is taken from its holder for whoever asks for it", ("lock",), ("when",), scope=PART),
    "lock-granted-twice": Kind("a lock is granted to whoever asks for it beside its holder", ("lock",), ("when",), scope=PART),
    "wakeup-lost": Kind(
        "a wake-up on `channel` wakes nobody, or a release of `lock` hands it to nobody", takes=("channel", "lock", "when"), scope=PART
    ),
    "wakeup-spurious": Kind(
        "a sleeper on `channel` returns after `delay_ns` although nobody woke it", ("channel", "delay_ns"), ("when",), scope=PART
    ),
    "pager-slow": Kind("the device takes `percent` of its time", ("pager", "percent", "at_ns", "duration_ns"), scope=INSTANT),
    "pager-never": Kind(
        "matching pager requests begin and never end", takes=("when",), words=("pager.*",), carries="flaw", usual="pager.read"
    ),
    "pager-wrong-data": Kind("matching reads get the next page's content", takes=("when",), words=("pager.read",), usual="pager.read"),
    "pager-torn-write": Kind(
        "the first half of a matching write reaches the device", takes=("when",), words=("pager.write",), usual="pager.write"
    ),
    "allocation-failure": Kind("a request for a free frame gets none", takes=("when",), scope=PART),
    "memory-fragmented": Kind("no `pages` free frames follow each other for a while", ("pages", "at_ns", "duration_ns"), scope=INSTANT),
}
