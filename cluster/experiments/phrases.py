"""A record as a kernel engineer would say it: ``page 0x3e2: queue INACTIVE -> CACHE``, for the runs that experiments tell and draw.

The log writes every field by its name, so that a line can be searched for and taken apart; a story is read once, and is easier read as
words. What has no phrase (locks, the begin and the end of routines) is told as the log has it. Building phrases from the kinds'
``meaning`` was rejected: a meaning explains a kind of record, a phrase states one fact.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from cluster.experiments.plain_phrases import PLAIN
from cluster.inspect.escape import escaped
from cluster.inspect.lines import what
from cluster.inspect.words import UNKNOWN, in_words, kind_name
from protocol.checks.lockset import both
from protocol.pages import FIRST_FRAME
from protocol.points import POINTS
from protocol.records import Record


def phrase(record: Record) -> str:
    """The record in words; as in the log where it has none. Whatever came from outside is escaped."""
    kind = kind_name(record)
    words = {name: _text(value) for name, value in in_words(record).items()} if kind != UNKNOWN else {}
    if kind == "lock.acquire":
        return _acquire(record)
    if kind in _SPECIAL:
        return escaped(with_pages(_SPECIAL[kind](words)))
    return escaped(with_pages(PLAIN[kind].format_map(words))) if kind in PLAIN else what(record)


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    return str(value)


Words = dict[str, Any]

_PAGE = re.compile(r"\bpage\.(\d+)\b")


def with_pages(text: str) -> str:
    """Pages that are named by their number, as channels to sleep on and what a lock guards, as pages are named everywhere else."""
    return _PAGE.sub(lambda found: _page(int(found[1])), text)


def _page(frame: int) -> str:
    """A page; below the first there is none, and what is looked up there is whatever lies below the array (C27)."""
    return f"page {frame:#x}" if frame >= FIRST_FRAME else f"vm_page_array[{frame - FIRST_FRAME}]"


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
    return f"TLB drops {_range(words) if words['pmap'] else 'everything not global'} ({words['reason']})"


def _range(words: Words) -> str:
    """What a flush or a shootdown is of: some pages of an address space, or all that it has, which the records say as no page."""
    start, end = int(words["start"], 16), int(words["end"], 16)
    if start == end:
        return f"all of {words['pmap']}"
    return f"{words['pmap']} {words['start']}" + (f" to {end - 1:#x}" if end - start > 1 else "")


def _begin(words: Words) -> str:
    return f"shootdown of {_range(words)} begins, targets: {words['targets'] or 'no other CPU'}"


def _done(words: Words) -> str:
    return f"shootdown of {_range(words)} done, spun {words['spin_ns']} ns"


def _withhold(words: Words) -> str:
    frames = int(words["frames"])
    return f"{abs(frames)} frames {'withheld' if frames > 0 else 'given back'}, {words['free']} free"


def _backing(words: Words) -> str:
    return f"shadows {words['backing']} at {words['offset']}" if words["backing"] else "shadows nothing"


def _active(words: Words) -> str:
    return f"{'active' if words['active'] == 'True' else 'not active any more'} on cpu.{words['cpu']}"


def _aside(words: Words) -> str:
    where = "taken off its free list by a fault" if words["aside"] == "True" else "put back on its free list"
    return f"frame {words['frame']} {where}, {words['free']} free"


def _collapse(words: Words) -> str:
    if words["how"] == "bypass":
        return f"{words['object']} shadows what is behind {words['backing']} now"
    end = "; it is gone" if words["how"] == "collapse" else "; paging is in progress, so it stays"
    return f"{words['moved']} pages moved from {words['backing']} up to {words['object']}, {words['freed']} freed{end}"


def _fork(words: Words) -> str:
    how = {"fork": "forks task {child}", "vfork": "vforks task {child}", "thread": "starts task {child} as a thread"}
    return f"task {words['task']} " + how.get(words["how"], f"{words['how']}: task {{child}}").format_map(words)


def _wire(words: Words) -> str:
    return f"entry {words['start']} to {words['end']} {'wired' if words['wired'] == 'True' else 'not wired any more'}"


def _transition(words: Words) -> str:
    word = "is in other hands from now on" if words["begins"] == "True" else "is in other hands no more"
    return f"page {words['frame']} of {words['object']} at {words['pindex']} {word}"


def _held(words: Words) -> str:
    return f"held at {words['point']}: {POINTS.get(words['point'], 'no point of this version')}"


_GRANT = re.compile(r",? ?grant \d+")


def _acquire(record: Record) -> str:
    """As the log has it, without the number of the grant."""
    return _GRANT.sub("", what(record)).replace("(, ", "(").replace(" ()", "")


def _dma(words: Words) -> str:
    through = "a null bounce buffer" if words["frame"] in ("0", "0x0") else f"frame {words['frame']}"
    return f"transfer on channel {words['channel']} through {through}"


def _unguarded(words: Words) -> str:
    what = f"{words['field']} of {words['subject']}" if words["field"] != "vm_page_array" else words["subject"]
    return f"unguarded: {what} without {both(words['needed'])}"


_SPECIAL: dict[str, Callable[[Words], str]] = {
    "free.aside": _aside,
    "map.wire": _wire,
    "object.collapse": _collapse,
    "page.transition": _transition,
    "pmap.active": _active,
    "task.fork": _fork,
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
    "unguarded": _unguarded,
}
