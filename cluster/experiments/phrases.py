"""A record as a kernel engineer would say it: ``page 0x3e2: queue INACTIVE -> CACHE``, for the runs that experiments tell and draw.

The log writes every field by its name, so that a line can be searched for and taken apart; a story is read once, and is easier read as
words. What has no phrase here is told as the log has it. Building these from the kinds' ``meaning`` was rejected: a meaning explains a
kind of record, a phrase states one fact.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from cluster.inspect.escape import escaped
from cluster.inspect.lines import what
from cluster.inspect.words import UNKNOWN, in_words, kind_name
from protocol.points import POINTS
from protocol.records import Record

_PLAIN = {
    "alloc.colour": "computes the colour {colour} for {pindex} of {object}",
    "dma.buffer": "channel {channel} gets a bounce buffer: {pages} pages from frame {frame}",
    "dma.init": "is told {status} for channel {channel}",
    "fake.free": "fictitious page {frame} dropped",
    "fake.new": "fictitious page {frame} for {object} at {pindex}, busy",
    "fault.done": "fault at {vpn} resolved: {how}",
    "fault.fired": "injected fault {fault}: {what}",
    "frame.copy": "frame {source} copied into frame {frame}",
    "frame.fill": "frame {frame} filled by a pager",
    "frame.store": "store into frame {frame}: {what}",
    "frame.zero": "frame {frame} zeroed",
    "free.fail": "request of class {klass} refused, {free} free",
    "free.put": "frame {frame} on the free lists, {free} free",
    "free.take": "frame {frame} off the free lists for class {klass}, {free} free",
    "injected": "injected: {what}",
    "ipi.deliver": "interrupt {vector} from {initiator} handled",
    "ipi.send": "interrupt {vector} sent to {target}",
    "loop": "{routine}: turn of the loop, measure {measure}",
    "map.clip": "entry at {start} split at {at}",
    "map.protect": "entry {start} to {end}: protection {prot}",
    "map.remove": "entry {start} to {end} removed",
    "note": "{text}",
    "object.insert": "page {frame} put at offset {pindex}",
    "object.io": "page {frame}: I/O count {old} -> {new}",
    "object.remove": "page {frame} taken from offset {pindex}",
    "object.shadow-count": "shadow count {old} -> {new}",
    "object.type": "type {old} -> {new}",
    "page.array": "page record number {index} of {size} looked up",
    "page.busy": "page {frame} busy",
    "page.cow": "page {frame}: zero-copy sends {old} -> {new}",
    "page.dirty": "page {frame}: dirty bits {old} -> {new}",
    "page.flags": "page {frame}: flags {old} -> {new}",
    "page.hold": "page {frame}: hold count {old} -> {new}",
    "page.pv-add": "page {frame}: pv entry {pmap} {vpn} linked",
    "page.queue": "page {frame}: queue {old} -> {new}",
    "page.reclaim": "page {frame} taken for clean, its content given up",
    "page.unbusy": "page {frame} not busy any more",
    "page.wire": "page {frame}: wire count {old} -> {new}",
    "pager.done": "{operation} of {object} at {pindex} done",
    "pager.start": "{operation} of {object} at {pindex} begins",
    "panic": "panic: {text}",
    "peek": "reads {field} without a lock",
    "pte.bits": "PTE {vpn}: {old} -> {new}",
    "pte.clear": "PTE {vpn} cleared, was page {frame} {bits}",
    "shootdown.ack": "acknowledgement, {remaining} to come",
    "shootdown.arm": "acknowledgements expected from CPUs {targets}",
    "sleep": "sleeps on {chan}, gives up {interlock}",
    "stalled": "does nothing for {ns} ns",
    "store": "store at {vpn} into page {frame}",
    "task.step": "step {index}: {operation}",
    "tlb.evict": "TLB evicts {pmap} {vpn}",
    "tlb.fill": "TLB takes {pmap} {vpn}: page {frame} {bits}",
    "unguarded": "unguarded: {field} of {subject} without {needed}",
    "vnode.hold": "hold count {old} -> {new}",
    "wake": "runs again ({why})",
    "wakeup": "wakes who sleeps on {chan}",
    "window.fill": "TLB takes {window}: frame {frame}",
    "window.set": "window shows frame {frame}",
    "zone.items": "free items {old} -> {new}, {slabs} slabs",
}


def phrase(record: Record) -> str:
    """The record in words; as in the log where it has none. Whatever came from outside is escaped."""
    kind = kind_name(record)
    words = {name: _text(value) for name, value in in_words(record).items()} if kind != UNKNOWN else {}
    if kind == "lock.acquire":
        return _acquire(record)
    if kind in _SPECIAL:
        return escaped(_SPECIAL[kind](words))
    return escaped(_PLAIN[kind].format_map(words)) if kind in _PLAIN else what(record)


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    return str(value)


Words = dict[str, Any]


def _bind(words: Words) -> str:
    owner = f"for {words['object']} at {words['pindex']}" if words["object"] else "for no object"
    return f"page {words['frame']} initialised {owner}, flags {words['flags']}"


def _rebind(words: Words) -> str:
    page, new, old = f"page {words['frame']}", words["object"], words["old"]
    if new and old:
        return f"{page} moves from {old} at {words['old_pindex']} to {new} at {words['pindex']}"
    if not new and not old:
        return f"{page} has no owner"
    return f"{page} belongs to {new} at {words['pindex']}" if new else f"{page} belongs to {old} no more"


def _release(words: Words) -> str:
    return f"page {words['frame']} {'freed' if words['queue'] == 'FREE' else 'put on ' + words['queue']}"


def _pv_del(words: Words) -> str:
    bits = ", ".join(name for name in ("accessed", "modified") if words[name] == "True")
    return f"page {words['frame']}: pv entry {words['pmap']} {words['vpn']} unlinked{f' ({bits})' if bits else ''}"


def _pte_set(words: Words) -> str:
    was = f", was page {words['old_frame']} {words['old_bits']}" if words["old_frame"] != "none" else ""
    return f"PTE {words['vpn']} = page {words['frame']} {words['bits']}{was}"


def _valid(words: Words) -> str:
    names = {"0x0": "invalid", "0xff": "valid"}
    old, new = (names.get(words[side], words[side]) for side in ("old", "new"))
    return f"page {words['frame']}: {old} -> {new}"


def _flush(words: Words) -> str:
    if words["start"] == words["end"]:
        return f"TLB drops {words['pmap'] or 'everything not global'} ({words['reason']})"
    return f"TLB drops {words['pmap']} {_range(words)} ({words['reason']})"


def _range(words: Words) -> str:
    start, end = int(words["start"], 16), int(words["end"], 16)
    return words["start"] if end - start == 1 else f"{words['start']} to {end - 1:#x}"


def _begin(words: Words) -> str:
    return f"shootdown of {words['pmap']} {_range(words)} begins, targets: {words['targets'] or 'no other CPU'}"


def _done(words: Words) -> str:
    return f"shootdown of {words['pmap']} {_range(words)} done, spun {words['spin_ns']} ns"


def _withhold(words: Words) -> str:
    frames = int(words["frames"])
    return f"{abs(frames)} frames {'withheld' if frames > 0 else 'given back'}, {words['free']} free"


def _backing(words: Words) -> str:
    return f"shadows {words['backing']} at {words['offset']}" if words["backing"] else "shadows nothing"


def _held(words: Words) -> str:
    return f"held at {words['point']}: {POINTS.get(words['point'], 'no point of this version')}"


_GRANT = re.compile(r",? ?grant \d+")


def _acquire(record: Record) -> str:
    """As the log has it, without the number of the grant."""
    return _GRANT.sub("", what(record)).replace("(, ", "(").replace(" ()", "")


def _dma(words: Words) -> str:
    through = "a null bounce buffer" if words["frame"] in ("0", "0x0") else f"frame {words['frame']}"
    return f"transfer on channel {words['channel']} through {through}"


_SPECIAL: dict[str, Callable[[Words], str]] = {
    "page.bind": _bind,
    "page.rebind": _rebind,
    "page.release": _release,
    "page.pv-del": _pv_del,
    "pte.set": _pte_set,
    "object.valid": _valid,
    "object.backing": _backing,
    "tlb.flush": _flush,
    "shootdown.begin": _begin,
    "shootdown.done": _done,
    "free.withhold": _withhold,
    "held": _held,
    "dma.start": _dma,
}
