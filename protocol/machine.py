"""The machine as the actors need to know it: constants, the same on every worker, made from a scenario.

All times are ns of virtual time. Costs are what a CPU or a home spends on a primitive; latencies are what a message spends on its way.
"""

from __future__ import annotations

import msgspec

from protocol.identity import kind_of, root_of


class Costs(msgspec.Struct, frozen=True):
    """Cost of each primitive, in ns. Defaults suit a 2.4 GHz x86 server of the 2010s; sources stand in ``configs/machines``."""

    trap_ns: int = 400
    """Entering and leaving the kernel for a page fault."""
    zero_page_ns: int = 350
    copy_page_ns: int = 500
    switch_ns: int = 600
    """A context switch, address-space load included."""
    interrupt_ns: int = 250
    """Entering and leaving an interrupt handler."""
    flush_page_ns: int = 40
    flush_all_ns: int = 120
    service_ns: int = 5
    """What a home spends before it answers."""
    scan_page_ns: int = 20
    """One page looked at by a queue scan."""
    user_ns: int = 200
    """User-mode work between two operations of a closed loop."""


class Thresholds(msgspec.Struct, frozen=True):
    """Free-memory thresholds in pages (vm-facts 2.6), scaled by the scenario."""

    interrupt_free_min: int
    pageout_free_min: int
    free_reserved: int
    free_severe: int
    free_min: int
    free_target: int
    cache_min: int
    inactive_target: int


class Machine(msgspec.Struct, frozen=True):
    """CPUs, memory, links and costs."""

    cpus: int
    cpu_domains: tuple[int, ...]
    """The domain of each CPU; homes that no CPU created belong to domain 0 unless ``home_domains`` says otherwise."""
    frames: int
    thresholds: Thresholds
    latency_ns: tuple[tuple[tuple[int, ...], ...], ...]
    """latency_ns[link][from domain][to domain], link as in protocol.messages.base (memory, ipi, device)."""
    costs: Costs = Costs()
    colours: int = 32
    pmap: str = "amd64"
    tlb_entries: int = 512
    quantum_ns: int = 10_000_000
    disk_read_ns: int = 100_000
    disk_write_ns: int = 50_000
    swap_read_ns: int = 80_000
    swap_write_ns: int = 40_000
    pager_queue: int = 8
    """Requests a device works on at once."""
    daemon_rest_ns: int = 500_000
    """The page daemon's pause between passes while memory is short (hz/2 scaled to recordings of tenths of a second)."""
    daemon_interval_ns: int = 5_000_000
    """Its pause otherwise (5 s, scaled)."""
    tick_ns: int = 1_000
    """A tick of the clock (hz = 1000, scaled alike): how long one sleeps who may not wait for a lock."""
    idle_zero: bool = False
    """The idle loop zeroes free pages."""
    prefault_pages: int = 0
    """How many neighbours on each side of a page that has faulted are mapped with it if they are resident (the kernel: 4); 0: none."""
    pv_entries_max: int = 0
    """Most pv entries there may be (vm.pmap.shpgperproc and its like); 0: no limit, and no zone either."""
    pv_slab_items: int = 170
    """pv entries in a slab of their zone: 24 bytes each."""
    pv_slab_pages: int = 1
    """Pages of such a slab."""
    home_domains: dict[str, int] = {}

    @property
    def domains(self) -> int:
        """How many domains there are."""
        return max(self.cpu_domains) + 1

    def message_max_ns(self) -> int:
        """The longest that a message is on its way."""
        return max(ns for link in self.latency_ns for row in link for ns in row) + self.costs.service_ns

    def domain_of(self, name: str) -> int:
        """The domain an actor belongs to: its root's."""
        root = root_of(name)
        if kind_of(root) == "cpu":
            return self.cpu_domains[int(root[4:])]
        return self.home_domains.get(root, 0)


def thresholds(frames: int) -> Thresholds:
    """The kernel's thresholds for a memory of ``frames`` pages.

    From 6,144 frames on these are the 2006 kernel's formulas (vm-facts 2.6). Below, where its constants would exceed the memory, they are
    fractions of it in the same order, and cache_min is 0, as in that kernel's small machines: a cache kept large makes waits for memory
    vanish.
    """
    if frames >= 6144:
        return _literal(frames)
    reserved = max(6, frames // 40)
    free_min = reserved + max(4, frames // 50)
    target = max(free_min + 1, min(2 * free_min + reserved, frames // 5))
    return Thresholds(
        interrupt_free_min=2,
        pageout_free_min=min(reserved, 34),
        free_reserved=reserved,
        free_severe=(reserved + free_min) // 2,
        free_min=free_min,
        free_target=target,
        cache_min=0,
        inactive_target=min(target * 3 // 2, frames // 3),
    )


def _literal(frames: int) -> Thresholds:
    cluster, colours, pageout_free_min = 16, 32, 34
    reserved = cluster + pageout_free_min + frames // 768 + colours
    term = 4 + (frames - 1024) // 200
    target = 4 * (term + reserved) + reserved
    return Thresholds(
        interrupt_free_min=2,
        pageout_free_min=pageout_free_min,
        free_reserved=reserved,
        free_severe=term // 2 + reserved,
        free_min=term + reserved,
        free_target=target,
        cache_min=target,
        inactive_target=min(target * 3 // 2, frames // 3),
    )
