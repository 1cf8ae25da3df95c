"""What the recorded kernel itself did: an answer to compare the model with, never an input.

Linux traces reason 4 whenever the address space's CPU mask holds another CPU, before it leaves out lazy ones: these are attempts, not
IPIs. IPIs are the ``csd_queue_cpu`` lines whose function is ``flush_tlb_func``. A counter is None where the recording has no event that
could have counted it.
"""

from __future__ import annotations

import re

from cluster.intake.perf_lines import Line

FLUSH_REASONS = ("task_switch", "remote_received", "local", "local_mm", "remote_attempts", "wrong_cpu")
"""By number: ``enum tlb_flush_reason`` of Linux."""

_REASON = re.compile(r"reason:.*\((\d+)\)\s*$")


class HostAnswer:
    """Counts TLB flushes by reason, function-call interrupts and TLB IPIs."""

    def __init__(self) -> None:
        self._flushes: dict[str, int] | None = None
        self._calls: int | None = None
        self._ipis: int | None = None

    def flush(self, line: Line) -> None:
        """A ``tlb:tlb_flush`` line."""
        if self._flushes is None:
            self._flushes = dict.fromkeys(FLUSH_REASONS, 0)
        found = _REASON.search(line.text, line.fields)
        number = int(found[1]) if found else len(FLUSH_REASONS)
        if number < len(FLUSH_REASONS):
            self._flushes[FLUSH_REASONS[number]] += 1

    def interrupt(self, line: Line) -> None:
        """An ``irq_vectors:call_function*_entry`` line."""
        self._calls = (self._calls or 0) + line.event.endswith("_entry")

    def request(self, line: Line) -> None:
        """A ``csd:*`` line: one CPU asks another to run a function, or runs it."""
        asks = line.event == "csd:csd_queue_cpu" and " func=flush_tlb_func" in line.text[line.fields - 1 :]
        self._ipis = (self._ipis or 0) + asks

    def counters(self) -> dict[str, int | None]:
        """The counters of ``host`` in ``run --json``."""
        flushes: dict[str, int | None] = dict.fromkeys(FLUSH_REASONS) if self._flushes is None else dict(self._flushes)
        return {**flushes, "call_function": self._calls, "tlb_ipis": self._ipis}
