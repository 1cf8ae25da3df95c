"""Which file is mapped: the question that joins the same library across processes, and with it the page cache's pages.

Rich recordings name device, inode and path. Plain ones name nothing: the exact byte length of a file descriptor's mapping at offset 0
stands for the file (0x1e1f50 is one libc; only a whole-file mapping has such a length), and pieces mapped from the same descriptor inherit
it. Descriptors alone were rejected as identities: they are closed and used again without a line.
"""

from __future__ import annotations

from cluster.intake.open_recording import readable
from cluster.intake.perf_lines import PAGE_SHIFT, Region
from protocol.workload import File

ANONYMOUS_NAMES = ("//anon", "[heap]", "[stack]", "/dev/zero (deleted)", "[anon")
"""How perf names memory without a file; the fourth is shared."""
Key = tuple[str | int, ...]


def pages_of(length: int) -> int:
    """How many pages ``length`` bytes take."""
    return (length + (1 << PAGE_SHIFT) - 1) >> PAGE_SHIFT


def is_anonymous(region: Region) -> bool:
    """Is there no file behind this mapping?"""
    return region.name.startswith(ANONYMOUS_NAMES) or (not region.inode and not region.name.startswith("["))


class FileTable:
    """The files of a workload, each once, in the order in which they appear."""

    def __init__(self) -> None:
        self.files: list[File] = []
        self._index: dict[Key, int] = {}

    def _file(self, key: Key, name: str, pages: int) -> int:
        index = self._index.get(key)
        if index is None:
            index = self._index[key] = len(self.files)
            self.files.append(File(name, pages))
        elif self.files[index].pages < pages:
            self.files[index].pages = pages
        return index

    def named(self, region: Region, pages: int) -> int:
        """The file of a mapping line, which is at least ``pages`` long."""
        name = readable(region.name)
        key: Key = (region.device, region.inode, name) if region.inode else (name,)
        return self._file(key, name, pages)

    def unknown(self, space: int, start: int, end: int) -> int:
        """A file of its own for an unknown earlier mapping that behaves like one."""
        return self._file(("unknown", len(self.files)), f"unknown mapping at {start << PAGE_SHIFT:#x} of space {space}", end - start)

    def of_length(self, length: int) -> int:
        """The file that has exactly this many bytes."""
        return self._file(("length", length), f"file of {length:#x} bytes", pages_of(length))

    def of_descriptor(self, pid: int, descriptor: int) -> int:
        """The file behind a descriptor of which only pieces are mapped."""
        return self._file(("descriptor", pid, descriptor, len(self.files)), f"file {descriptor} of process {pid}", 0)

    def reaches(self, index: int, pages: int) -> None:
        """The file has at least ``pages`` pages."""
        if self.files[index].pages < pages:
            self.files[index].pages = pages
