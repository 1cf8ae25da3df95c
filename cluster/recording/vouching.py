"""Is the beginning of a trace file what a snapshot vouched for? Every block up to the offset is read and its checksum compared."""

from __future__ import annotations

from pathlib import Path

from cluster.errors import InputError
from cluster.recording.blocks import HEADER_BYTES, SLICE, DamageError, parse_header, slice_body


def undamaged(path: Path, offset: int, slices: int, entries: int) -> None:
    """Raise InputError unless the first ``offset`` bytes of ``path`` are whole blocks of so many slices and entries."""
    found_slices = found_entries = 0
    try:
        with path.open("rb") as stream:
            while stream.tell() < offset:
                start = stream.tell()
                header = parse_header(head := stream.read(HEADER_BYTES))
                if header.kind != SLICE or start + HEADER_BYTES + header.length > offset:
                    raise DamageError(f"at byte {start} a block does not end where the snapshot says")
                body = slice_body(header, head + stream.read(header.length))
                found_slices += 1
                found_entries += sum(count for _, count, _ in body.groups)
    except DamageError as error:
        raise InputError(f"{path} is damaged before byte {offset}: {error}", file=str(path), found=str(error)) from error
    except OSError as error:
        if offset:
            raise InputError(f"{path}: cannot be read: {error.strerror}", file=str(path), found=error.strerror) from error
    if (found_slices, found_entries) != (slices, entries):
        found = f"{found_slices} slices with {found_entries} events"
        raise InputError(f"{path} holds {found} before byte {offset}, not {slices} with {entries}", file=str(path), found=found)
