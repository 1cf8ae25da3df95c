"""System calls that change an address space, compiled to steps and to the table of what is mapped.

Only calls that succeeded count; their exit says so. Times and order differ by call: munmap, mprotect and madvise take effect where they
begin, since what they remove can be reused before they return; mmap, mremap and brk where they return, since nobody can use what they make
before.
"""

from __future__ import annotations

from cluster.intake.files import is_anonymous, pages_of
from cluster.intake.happenings import Called
from cluster.intake.ledger import Ledger
from cluster.intake.mappings import Mapping
from cluster.intake.perf_lines import PAGE_SHIFT, USER_PAGES
from cluster.intake.population import Population, Thread, mmap_step
from protocol.workload import AnyStep, Brk, Madvise, Mprotect, Mremap, Munmap

MAP_SHARED, MAP_TYPE, MAP_FIXED, MAP_ANONYMOUS, MAP_GROWSDOWN, MAP_POPULATE = 0x1, 0xF, 0x10, 0x20, 0x100, 0x8000
MREMAP_DONTUNMAP = 4
PROT_ALL = 7
ADVICE = {4: "drop", 8: "drop", 22: "populate-read", 23: "populate-write"}
"""MADV_DONTNEED, MADV_FREE, MADV_POPULATE_READ, MADV_POPULATE_WRITE."""


class Calls:
    """Compiles calls, one method each. A method returns the reason for which a call is not replayed, "" if it is."""

    def __init__(self, population: Population, ledger: Ledger) -> None:
        self.population = population
        self.ledger = ledger

    def compile(self, thread: Thread, call: Called) -> None:
        """Replay the call, or enter in the ledger why not."""
        reason = "failed-call" if call.failed else getattr(self, f"_{call.name}")(thread, call)
        if reason:
            self.ledger.ignore(reason, call.lines)
        else:
            self.ledger.replay(call.lines)

    def _emit(self, thread: Thread, call: Called, step: AnyStep) -> None:
        self.population.emit_change(thread, step, call.begin_ns, call.cpu, call.line)

    def _mmap(self, thread: Thread, call: Called) -> str:
        _, length, prot, flags, _, offset = call.arguments[:6]
        start, pages = _result_page(call), pages_of(length)
        if not pages:
            return "no-effect"
        if not _in_user_space(start, pages):
            return "kernel-address"
        file = self._file_of(thread, call)
        mapping = Mapping(
            start,
            start + pages,
            prot & PROT_ALL,
            file,
            offset >> PAGE_SHIFT if file >= 0 else 0,
            shared=flags & MAP_TYPE in (1, 3),
            stack=bool(flags & MAP_GROWSDOWN),
        )
        if file >= 0:
            self.population.files.reaches(file, mapping.offset + pages)
        thread.space.table.add(mapping)
        self._emit(thread, call, mmap_step(mapping, populate=bool(flags & MAP_POPULATE)))
        self.ledger.account.mmaps += 1
        return ""

    def _file_of(self, thread: Thread, call: Called) -> int:
        """-1, or which file: by the name in the mapping line, else by the descriptor's whole-file mapping."""
        _, length, _, flags, descriptor, offset = call.arguments[:6]
        if flags & MAP_ANONYMOUS:
            return -1
        files, process = self.population.files, thread.process
        if call.region is not None:
            return -1 if is_anonymous(call.region) else files.named(call.region, 0)
        if offset or flags & MAP_FIXED:
            if descriptor not in process.descriptors:
                process.descriptors[descriptor] = files.of_descriptor(process.pid, descriptor)
        else:
            process.descriptors[descriptor] = files.of_length(length)
        return process.descriptors[descriptor]

    def _munmap(self, thread: Thread, call: Called) -> str:
        start, end = _range(call)
        if start >= end:
            return "no-effect"
        thread.space.table.cut(start, end)
        self._emit(thread, call, Munmap(start=start, end=end))
        return ""

    def _mprotect(self, thread: Thread, call: Called) -> str:
        start, end = _range(call)
        if start >= end:
            return "no-effect"
        prot = call.arguments[2] & PROT_ALL
        thread.space.table.protect(start, end, prot)
        self._emit(thread, call, Mprotect(start=start, end=end, prot=prot))
        return ""

    def _madvise(self, thread: Thread, call: Called) -> str:
        start, end = _range(call)
        advice = call.arguments[2]
        if advice not in ADVICE:
            return f"madvise-{advice}"
        if start >= end:
            return "no-effect"
        self._emit(thread, call, Madvise(start=start, end=end, advice=ADVICE[advice]))
        return ""

    def _brk(self, thread: Thread, call: Called) -> str:
        space, result = thread.space, call.result or 0
        old, space.brk = space.brk, result
        if old is None or call.arguments[0] == 0:
            return "brk-query"
        if result != call.arguments[0]:
            # Linux's brk does not return errors but the end as it is.
            return "failed-call"
        old_end, new_end = pages_of(old), pages_of(result)
        if old_end == new_end or not _in_user_space(old_end, 0):
            return "no-effect"
        if new_end > old_end:
            self._clear(thread, call, old_end, new_end)
            space.table.add(Mapping(old_end, new_end))
        else:
            space.table.cut(new_end, old_end)
        self._emit(thread, call, Brk(old_end=old_end, new_end=new_end))
        return ""

    def _clear(self, thread: Thread, call: Called, start: int, end: int) -> None:
        """The range that a call fills must be free in the model too: an unknown mapping may have been taken for larger than it was."""
        for piece in thread.space.table.cut(start, end):
            step = Munmap(start=piece.start, end=piece.end)
            self.population.emit_change(thread, step, call.begin_ns, call.cpu, 0)

    def _mremap(self, thread: Thread, call: Called) -> str:
        address, old_length, new_length = call.arguments[:3]
        flags = call.arguments[3] if len(call.arguments) > 3 else 0
        start, old_pages, new_pages = address >> PAGE_SHIFT, pages_of(old_length), pages_of(new_length)
        new_start = _result_page(call)
        if not new_pages:
            return "no-effect"
        if not _in_user_space(start, old_pages) or not _in_user_space(new_start, new_pages):
            return "kernel-address"
        for hole in thread.space.table.holes(start, start + max(old_pages, 1)):
            self.population.emit_unknown(thread, Mapping(*hole), call.begin_ns, call.cpu)
        if (new_start, new_pages) == (start, old_pages):
            return "no-effect"
        if old_pages == 0:
            self._duplicate(thread, call, start, new_start, new_pages)
        else:
            self._move(thread, call, start, old_pages, new_start, new_pages, bool(flags & MREMAP_DONTUNMAP))
        return ""

    def _duplicate(self, thread: Thread, call: Called, start: int, new_start: int, pages: int) -> None:
        """A shared mapping of length 0 is mapped a second time."""
        found = thread.space.table.find(start)
        assert found is not None, "holes have been filled"
        mapping = found.part(start, found.end).moved(new_start, pages)
        thread.space.table.add(mapping)
        self._emit(thread, call, mmap_step(mapping))

    def _move(self, thread: Thread, call: Called, start: int, old_pages: int, new_start: int, new_pages: int, keep: bool) -> None:
        """Move or resize; ``keep``: the old range stays mapped, empty."""
        table = thread.space.table
        pieces = table.cut(start, start + old_pages)
        self._clear(thread, call, new_start, new_start + new_pages)
        for piece in pieces:
            at = new_start + piece.start - start
            last = piece.end == start + old_pages
            pages = min(new_start + new_pages, at + piece.end - piece.start) - at if not last else new_start + new_pages - at
            if pages > 0:
                table.add(piece.moved(at, pages))
        self._emit(thread, call, Mremap(start=start, end=start + old_pages, new_start=new_start, new_end=new_start + new_pages))
        if keep:
            for piece in pieces:
                self.population.emit_unknown(thread, piece, call.begin_ns, call.cpu)


def _range(call: Called) -> tuple[int, int]:
    """The pages a call names, no further than user space."""
    start = min(call.arguments[0] >> PAGE_SHIFT, USER_PAGES)
    return start, min(start + pages_of(call.arguments[1]), USER_PAGES)


def _result_page(call: Called) -> int:
    return (call.result or 0) >> PAGE_SHIFT


def _in_user_space(start: int, pages: int) -> bool:
    return start >= 0 and start + pages <= USER_PAGES
