"""One step of a task: wait for what it must follow, do it, and tell those that follow it.

A recorded fault is performed as an access. What the model does not need to fault on is counted with its reason (design 7).
"""

from __future__ import annotations

from typing import Any

from actors.kernel import isa_dma, litmus, litmus_contig, litmus_pageout, litmus_space
from actors.kernel.access import HIT, access, touch
from actors.kernel.context import Context
from actors.kernel.idle_zero import pagezero
from actors.kernel.inject import inject
from actors.kernel.litmus_device import device_mmap, driver_io, memory_mmap, mlock, munlock
from actors.kernel.litmus_pmap import file_truncate, page_free_unlocked, page_lookup, pte_object_scan
from actors.kernel.mman import brk, madvise, map_unknown, mmap, mprotect, mremap, munmap
from actors.kernel.page_array import page_wire_phys, uma_boot_alloc
from actors.kernel.pageout import pageout, pageout_active, pageout_inactive, pageout_pass, pageout_stats
from actors.kernel.pager import pager_done
from actors.kernel.process import execve, exit_task, fork, vmspace_free
from actors.kernel.requests import Again
from actors.kernel.vm_fault import UNRESOLVED
from actors.kernel.zero_copy import nic_done, zero_copy_done, zero_copy_send
from protocol.identity import SEQUENCER
from protocol.messages.processor import Await, Complete
from protocol.pages import PTE_COPIED, PTE_PREFAULTED
from protocol.records import EXPECTED, RETOUCH, TLB_HIT
from protocol.workload import Access, Brk, Exec, Exit, Fork, Kernel, Madvise, Mmap, Mprotect, Mremap, Munmap, Think


async def step(k: Context, task: int, index: int) -> Any:
    """Begin step ``index`` of ``task``."""
    s = k.tables.workload.tasks[task].steps[index]
    if s.after:
        await k.wait_for(SEQUENCER, Await(tuple(s.after)))
    if s.delay_ns:
        await k.pause(s.delay_ns)
    if k.tables.options.get("retouch"):
        if isinstance(s, Mmap | Munmap | Mremap | Mprotect | Madvise):
            await k.forget(s.start, s.end)
        elif isinstance(s, Brk):
            await k.forget(s.new_end, s.old_end)
    outcome = await OPERATIONS[type(s)](k, s)
    if isinstance(outcome, Again):
        return outcome
    return await step_done(k, index, outcome)


async def step_done(k: Context, index: int, outcome: str) -> None:
    """End a step: compare a script's expectation, and announce the step to those that wait for it."""
    s = k.tables.workload.tasks[k.task].steps[index]
    if s.expect:
        await k.note(EXPECTED, k.task, index, s.expect, outcome)
    if s.announced or k.tables.leaves_at(k.task) == index:
        await k.call(SEQUENCER, Complete(k.task, index))


async def user_access(k: Context, s: Access) -> str:
    """Touch a page; a recorded fault that the model has no need of is counted."""
    outcome, bits = await touch(k, s.vpn, s.write, s.cold)
    if outcome == "segv" and s.recorded and await map_unknown(k, s.vpn):
        outcome, bits = await touch(k, s.vpn, s.write, s.cold)
    if s.recorded and outcome == HIT:
        await k.note(TLB_HIT, k.tid, s.vpn, absorbed(s, bits))
    again = int(k.tables.options.get("retouch", 0))
    if again:
        await retouch(k, again)
        if outcome not in UNRESOLVED:
            await k.remember(s.vpn, s.write)
    return outcome


async def retouch(k: Context, times: int) -> None:
    """A recording holds first touches only: touch some pages again that this task touched lately.

    One that cannot be touched any more, since a thread on another CPU has unmapped it, is forgotten then.
    """
    for _ in range(times):
        vpn, write = await k.recall()
        if vpn < 0:
            break
        outcome = await access(k, vpn, write)
        await k.note(RETOUCH, k.task, vpn, write, outcome)
        if outcome in UNRESOLVED:
            await k.forget(vpn, vpn + 1)


def absorbed(s: Access, bits: int) -> str:
    """Why the host faulted where the model has the page mapped already; ``bits`` are those of its page-table entry.

    pmap_copy: fork has copied the parent's mapping, which the host does not do. prefault: a fault on a neighbour has mapped it too.
    zero_page: a write to a page that the host had mapped read-only to its shared zero page; this kernel allocated at the first touch.
    present: a read of a present page (a spurious or a NUMA fault of the host). earlier: another access of the space, or populate, came
    first here.
    """
    if bits & (PTE_COPIED | PTE_PREFAULTED):
        return "pmap_copy" if bits & PTE_COPIED else "prefault"
    if s.present:
        return "zero_page" if s.write else "present"
    return "earlier"


async def think(k: Context, s: Think) -> str:
    """Compute in user mode."""
    await k.compute("think", s.for_ns)
    return "ok"


async def kernel_step(k: Context, s: Kernel) -> Any:
    """A script's step inside the kernel."""
    return await SCRIPTED[s.routine](k, *s.arguments)


OPERATIONS: dict[type, Any] = {
    Access: user_access,
    Mmap: mmap,
    Munmap: munmap,
    Mprotect: mprotect,
    Madvise: madvise,
    Brk: brk,
    Mremap: mremap,
    Fork: fork,
    Exec: execve,
    Exit: exit_task,
    Think: think,
    Kernel: kernel_step,
}

SCRIPTED: dict[str, Any] = {
    "contig_alloc": litmus_contig.contig_alloc,
    "contig_free": litmus_contig.contig_free,
    "handler_allocs": litmus.handler_allocs,
    "isa_attach": isa_dma.isa_attach,
    "isa_old_attach": isa_dma.isa_old_attach,
    "isa_transfer": isa_dma.isa_transfer,
    "device_mmap": device_mmap,
    "driver_io": driver_io,
    "memory_mmap": memory_mmap,
    "mlock": mlock,
    "munlock": munlock,
    "memory_short": litmus.memory_short,
    "object_hold": litmus_contig.object_hold,
    "page_alloc": litmus.page_alloc,
    "page_busy": litmus.page_busy,
    "page_free": litmus.page_free,
    "page_free_late": litmus.page_free_late,
    "page_grab": litmus.page_grab,
    "page_io_done": litmus.page_io_done,
    "page_io_finish": litmus.page_io_finish,
    "page_io_start": litmus.page_io_start,
    "page_io_test": litmus.page_io_test,
    "page_lookup": page_lookup,
    "page_rename": litmus.page_rename,
    "page_try_to_cache": litmus.page_try_to_cache,
    "page_try_to_free": litmus.page_try_to_free,
    "page_wait": litmus.page_wait,
    "page_write": litmus.page_write,
    "page_wire_phys": page_wire_phys,
    "page_dontneed": litmus_pageout.page_dontneed,
    "pageout_inactive_scan": litmus_pageout.pageout_inactive_scan,
    "pageout_page_stats": litmus_pageout.pageout_page_stats,
    "pageout_top_up": litmus_pageout.pageout_top_up,
    "uma_boot_alloc": uma_boot_alloc,
    "pages_free": litmus.pages_free,
    "file_truncate": file_truncate,
    "page_free_unlocked": page_free_unlocked,
    "pte_object_scan": pte_object_scan,
    "space_page_io": litmus_space.space_page_io,
    "space_page_wait": litmus_space.space_page_wait,
    "vnode_hold": litmus_contig.vnode_hold,
    "zero_copy_send": zero_copy_send,
    "zero_copy_done": zero_copy_done,
}
"""Kernel routines a script's step may name."""

ROUTINES: dict[str, Any] = {
    "step": step,
    "step_done": step_done,
    "vmspace_free": vmspace_free,
    "pagezero": pagezero,
    "pageout": pageout,
    "pageout_pass": pageout_pass,
    "pageout_stats": pageout_stats,
    "pageout_inactive": pageout_inactive,
    "pageout_active": pageout_active,
    "pager_done": pager_done,
    "nic_done": nic_done,
    "inject": inject,
}
"""Routines a thread can begin with."""
