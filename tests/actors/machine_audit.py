"""What must be true of a machine at rest, read off its actors: the sums and back-references that no single record shows.

The checks judge records; this judges state, so that a test of a routine need not know which record a slip would have left.
"""

from __future__ import annotations

from collections import Counter

from actors.home import Home
from actors.homes.free_queues import FreeQueues
from actors.homes.maps import VmMap
from actors.homes.objects import VmObject
from actors.homes.page_queues import PageQueues
from actors.homes.pagers import Pager
from actors.homes.pmaps import Pmap
from actors.homes.vnodes import Vnode
from actors.homes.zones import Zone
from actors.processor.cpu import Cpu
from actors.processor.thread import BLOCKED
from cluster.engine.inproc import InlineRun
from protocol.identity import KERNEL_OBJECT, PV_OBJECT, PV_ZONE, vnode_of
from protocol.messages.queues import CHAN_NEEDED, CHAN_ZERO
from protocol.messages.space import ENTRY_NEEDS_COPY
from protocol.pages import BUSY, CACHE, NONE, OBJT_DEAD, OBJT_VNODE, PROT_WRITE, PTE_M, PTE_RW
from tests.actors.machine_kit import all_done, judged

IDLE = (CHAN_NEEDED, CHAN_ZERO)
"""Where kernel threads sleep that have nothing to do."""
QUIET_NS = 1_000
"""Longer than anything posted is under way."""


def cpus(done: InlineRun) -> list[Cpu]:
    return [actor for actor in done.actors.values() if isinstance(actor, Cpu)]


def objects(done: InlineRun) -> dict[str, VmObject]:
    return {name: actor for name, actor in done.actors.items() if isinstance(actor, VmObject)}


def maps(done: InlineRun) -> dict[str, VmMap]:
    return {name: actor for name, actor in done.actors.items() if isinstance(actor, VmMap)}


def pmaps(done: InlineRun) -> dict[str, Pmap]:
    return {name: actor for name, actor in done.actors.items() if isinstance(actor, Pmap)}


def queues(done: InlineRun) -> PageQueues:
    return done.actors["pq"]  # type: ignore[return-value]


def free_lists(done: InlineRun) -> FreeQueues:
    return done.actors["fq"]  # type: ignore[return-value]


def at_rest(done: InlineRun) -> bool:
    """Every thread waits, none with a lock, and no device works. (The daemon waits between two passes.)"""
    threads = [thread for cpu in cpus(done) for thread in cpu.threads.values()]
    devices = [actor for actor in done.actors.values() if isinstance(actor, Pager)]
    return all(thread.state == BLOCKED and not thread.held for thread in threads) and not any(device.working for device in devices)


def settle(done: InlineRun) -> InlineRun:
    """Run on until the machine is at rest and what was posted has arrived."""
    for _ in range(2_000):
        if at_rest(done):
            break
        done.run_on(done.now_ns + 20_000)
    assert at_rest(done), "the machine does not come to rest"
    done.run_on(done.now_ns + QUIET_NS)
    return done


def audit(done: InlineRun) -> list[str]:
    """What is wrong with a machine at rest, in words; nothing if all is well."""
    rules = (_frames, _residence, _references, _mappings, _pv_entries, _tlbs, _waiting)
    return [text for rule in rules for text in rule(done)]


def _frames(done: InlineRun) -> list[str]:
    """Frames free, withheld and in use are all frames; each queue links the pages that say they are on it; only the pv zone's are busy."""
    pq, fq = queues(done), free_lists(done)
    wrong = []
    if fq.free + fq.withheld + len(pq.pages) != fq.frames:
        wrong.append(f"{fq.free} frames free, {fq.withheld} withheld, {len(pq.pages)} in use, of {fq.frames}")
    linked = {queue: _ring(pq, queue) for queue in range(1, 6)}
    for frame, page in pq.pages.items():
        on = [queue for queue, members in linked.items() if frame in members]
        if on != ([] if page.queue == NONE else [page.queue]):
            wrong.append(f"frame {frame} says queue {page.queue} and is linked on {on}")
        if page.flags & BUSY and page.object != PV_OBJECT:
            wrong.append(f"frame {frame} is busy")
    wrong += [f"item {item} on queue {queue}" for queue, members in linked.items() for item in members if item not in pq.pages]
    return wrong


def _ring(pq: PageQueues, queue: int) -> set[int]:
    rings = pq.cache if queue == CACHE else [pq.rings[queue]]
    return {item for ring in rings for item in ring.after if item}


def _residence(done: InlineRun) -> list[str]:
    """Objects and page records name each other; a page without an object is a page-table page or is being sent."""
    pq, all_objects = queues(done), objects(done)
    wrong = []
    tables = {table.frame for pmap in pmaps(done).values() for level in pmap.tables for table in level.values()}
    for name, obj in all_objects.items():
        for pindex, (frame, valid, soft) in obj.pages.items():
            page = pq.pages.get(frame)
            if page is None or (page.object, page.pindex) != (name, pindex):
                wrong.append(f"{name} has frame {frame} at {pindex}, whose record is {page}")
            if (soft or not valid) and name != PV_OBJECT:
                wrong.append(f"{name} at {pindex}: soft {soft}, valid {valid}")
    for frame, page in pq.pages.items():
        if page.object and all_objects[page.object].pages.get(page.pindex, (0,))[0] != frame:
            wrong.append(f"frame {frame} says it is in {page.object} at {page.pindex}")
        if not page.object and frame not in tables and not page.cow:
            wrong.append(f"frame {frame} has no owner")
    return wrong


def _references(done: InlineRun) -> list[str]:
    """refs are the map entries, the objects in front, and 1 for a file, the kernel or the pv zone; shadow counts the second; no paging."""
    all_objects = objects(done)
    entries = Counter(row[2] for space in maps(done).values() for row in space.rows if row[2])
    shadows = Counter(obj.backing for obj in all_objects.values() if obj.backing and obj.type != OBJT_DEAD)
    wrong = []
    for name, obj in all_objects.items():
        expected = entries[name] + shadows[name] + (obj.type == OBJT_VNODE or name in (KERNEL_OBJECT, PV_OBJECT))
        if obj.refs != expected:
            wrong.append(f"{name} has {obj.refs} references, but {entries[name]} entries and {shadows[name]} shadows")
        if obj.shadow_count != shadows[name]:
            wrong.append(f"{name} counts {obj.shadow_count} shadows of {shadows[name]}")
        if obj.pip:
            wrong.append(f"{name} has paging in progress: {obj.pip}")
        vnode = done.actors.get(vnode_of(name))
        if isinstance(vnode, Vnode) and vnode.hold_count != bool(obj.pages):
            wrong.append(f"{vnode.name} is held {vnode.hold_count} times, {name} has {len(obj.pages)} pages")
        if not obj.refs and (obj.type != OBJT_DEAD or obj.pages):
            wrong.append(f"{name} is not referenced, of type {obj.type} with {len(obj.pages)} pages")
    live = {name for name, obj in all_objects.items() if obj.type != OBJT_DEAD}
    return wrong + [f"swap is kept for {name}" for pager in _pagers(done) for name in pager.blocks if name not in live]


def _pagers(done: InlineRun) -> list[Pager]:
    return [actor for actor in done.actors.values() if isinstance(actor, Pager)]


def _mappings(done: InlineRun) -> list[str]:
    """PTEs and pv entries pair; a PTE maps the page that its entry's chain of objects finds, and is writable only in the first of them."""
    pq, wrong = queues(done), []
    found = {(pmap, vpn): frame for frame, page in pq.pages.items() for pmap, vpn in page.pvs}
    for name, pmap in pmaps(done).items():
        space = maps(done)[name.replace("pmap", "map", 1)]
        for vpn, (frame, bits) in pmap.ptes.items():
            if found.pop((name, vpn), None) != frame:
                wrong.append(f"{name} maps {vpn} to frame {frame} without a pv entry")
            row = next((row for row in space.rows if row[0] <= vpn < row[1]), None)
            if row is None:
                wrong.append(f"{name} maps {vpn}, where the map has nothing")
                continue
            resident, depth = _resident(done, row[2], vpn - row[0] + row[3])
            if resident != frame:
                wrong.append(f"{name} maps {vpn} to frame {frame}, but its object finds {resident}")
            if bits & PTE_RW and (depth or row[5] & ENTRY_NEEDS_COPY or not row[4] & PROT_WRITE):
                wrong.append(f"{name} maps {vpn} writable: depth {depth}, protection {row[4]}, flags {row[5]}")
    return wrong + [f"pv entry {place} of frame {frame} without a PTE" for place, frame in found.items()]


def _pv_entries(done: InlineRun) -> list[str]:
    """Each pv entry is counted; where they are limited, it is an item of the zone, and every item in use is one."""
    pq = queues(done)
    linked = sum(len(page.pvs) for page in pq.pages.values())
    wrong = [] if pq.pv_entries == linked else [f"{pq.pv_entries} pv entries are counted, {linked} are on lists"]
    zone = done.actors.get(PV_ZONE)
    if isinstance(zone, Zone):
        in_use = min(zone.slabs * zone.slab_items, zone.limit) - zone.free
        if in_use != linked:
            wrong.append(f"{in_use} items of {zone.name} are in use for {linked} pv entries")
    return wrong


def _resident(done: InlineRun, obj: str, pindex: int) -> tuple[int, int]:
    """(frame, how far down the chain of objects) of what a fault would find; frame 0 if nothing."""
    depth = 0
    while obj:
        home = objects(done)[obj]
        if pindex in home.pages:
            return home.pages[pindex][0], depth
        obj, pindex, depth = home.backing, pindex + home.backing_offset, depth + 1
    return 0, depth


def _tlbs(done: InlineRun) -> list[str]:
    """No TLB grants more than the table it was filled from."""
    wrong = []
    for cpu in cpus(done):
        ptes = pmaps(done)[cpu.loaded].ptes if cpu.loaded else {}
        for vpn, (frame, bits) in cpu.tlb.entries.items():
            pte = ptes.get(vpn, (-1, 0))
            if pte[0] != frame or (bits & PTE_RW and bits & PTE_M and not pte[1] & PTE_RW):
                wrong.append(f"{cpu.name}'s TLB has {vpn} on frame {frame}, the table {pte}")
    return wrong


def _waiting(done: InlineRun) -> list[str]:
    """No lock is held or waited for, and nobody sleeps but the daemon and who zeroes pages."""
    wrong = []
    for name, home in done.actors.items():
        if isinstance(home, Home):
            if home.owner != -1 or home.readers or home.waiters:
                wrong.append(f"{name} is held by {home.owner} {home.readers}, {home.waiters} wait")
            wrong += [f"{sleepers} sleep on {chan} of {name}" for chan, sleepers in home.sleepers.items() if chan not in IDLE]
    return wrong


def ends_well(done: InlineRun, speaks: tuple[str, ...] = ()) -> InlineRun:
    """Every task is done, no check but ``speaks`` spoke, and the machine at rest adds up. Asserts; returns the run."""
    panics = [cpu.panic_text for cpu in cpus(done) if cpu.panic_text]
    assert panics == []
    assert all_done(done), [row for cpu in cpus(done) for row in cpu.waits()]
    settle(done)
    assert {violation.check for violation in judged(done).violations} == set(speaks)
    assert audit(done) == []
    return done
