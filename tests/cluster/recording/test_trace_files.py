import errno
import os
from pathlib import Path

import msgpack
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.errors import InputError, RunError
from cluster.recording import blocks
from cluster.recording import trace as trace_module
from cluster.recording.blocks import HEADER_BYTES, parse_header
from cluster.recording.encode import encoded
from cluster.recording.reader import Trace
from cluster.recording.trace import TraceWriter
from protocol.event import SLICE_NS
from tests.cluster.recording.synthetic import machine_entries, slices

ENTRIES = machine_entries(300, cpus=3, think_ns=40_000)
BATCHES = list(slices(ENTRIES))


def write(path: Path, entries, finish=True) -> Path:
    writer = TraceWriter(path)
    for index, batch in slices(entries):
        writer.write(index, *encoded(batch))
    if finish:
        writer.finish()
    else:
        writer.abandon()
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[Path]:
    """The trace of three workers, one CPU each; the homes live with the first."""
    root = tmp_path_factory.mktemp("trace")
    shares = [[e for e in ENTRIES if {"1": 1, "2": 2}.get(e[0][3][-1], 0) == rank] for rank in range(3)]
    assert sum(map(len, shares)) == len(ENTRIES)
    return [write(root / f"worker-{rank}.trace", share) for rank, share in enumerate(shares)]


def test_the_workers_files_are_merged_into_one_sequence_in_key_order(files):
    trace = Trace(files)
    assert [entry for batch in trace.entries() for entry in batch] == ENTRIES
    assert trace.slices == [index for index, _ in BATCHES]
    assert trace.whole
    assert trace.losses == []


def test_backwards_and_one_slice_alone(files):
    trace = Trace(files)
    assert [index for index, _ in trace.backwards()] == trace.slices[::-1]
    index, batch = BATCHES[1]
    assert trace.slice_entries(index) == batch
    assert trace.slice_entries(10**9) == []


@pytest.mark.parametrize(
    "window", [(0, None), (1, 2), (SLICE_NS - 900, SLICE_NS + 900), (SLICE_NS, None), (10**12, None), (0, SLICE_NS), (0, 0)]
)
def test_a_window_of_time_includes_its_start_and_excludes_its_end(files, window):
    start, end = window
    found = [entry for batch in Trace(files).entries(start, end) for entry in batch]
    assert found == [entry for entry in ENTRIES if entry[0][0] >= start and (end is None or entry[0][0] < end)]


def test_only_wanted_actors_are_read(files):
    found = [entry for batch in Trace(files).entries(wanted=lambda actor: actor == "fq") for entry in batch]
    assert found == [entry for entry in ENTRIES if entry[0][3] == "fq"]


def test_a_record_takes_at_most_24_bytes_on_disk(files):
    assert Trace(files).bytes <= 24 * sum(len(records) for _, _, records in ENTRIES)


def test_the_file_can_be_read_by_someone_who_knows_only_the_document(files):
    data = files[0].read_bytes()
    header = parse_header(data)
    assert data[:4] == b"SDTB"
    slice_index, groups = msgpack.unpackb(zstandard.decompress(data[HEADER_BYTES : HEADER_BYTES + header.length]))
    assert slice_index == 0
    actor, count, entries = groups[0]
    head, word, _ = msgpack.unpackb(entries)[0]
    assert (len(head), head[3], type(word)) == (8, actor, str)
    assert len(msgpack.unpackb(entries)) == count


def test_the_same_actor_event_in_two_files_is_refused(files, tmp_path):
    copy = tmp_path / "worker-7.trace"
    copy.write_bytes(files[0].read_bytes())
    with pytest.raises(RunError, match="two events with the key"):
        Trace([*files, copy]).slice_entries(0)


def test_a_file_that_was_not_finished_is_read_to_its_end_and_says_so(tmp_path):
    path = write(tmp_path / "worker-0.trace", ENTRIES, finish=False)
    trace = Trace([path])
    assert [entry for batch in trace.entries() for entry in batch] == ENTRIES
    assert not trace.whole
    assert trace.losses == [f"{path}: was not finished; it holds {len(BATCHES)} slices and whatever followed is lost"]


SMALL = [(head, word, records) for head, word, records in ENTRIES if head[0] % SLICE_NS < 40_000]


BY_HEAD = {entry[0]: entry for entry in SMALL}


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> bytes:
    return write(tmp_path_factory.mktemp("small") / "t", SMALL).read_bytes()


@settings(deadline=None)
@given(st.data())
def test_cut_anywhere_the_whole_blocks_before_the_cut_are_read(small, tmp_path_factory, data):
    at = data.draw(st.integers(0, len(small) - 1))
    path = tmp_path_factory.getbasetemp() / "cut.trace"
    path.write_bytes(small[:at])
    trace = Trace([path])
    found = [entry for batch in trace.entries() for entry in batch]
    assert found == SMALL[: len(found)]
    assert not trace.whole
    assert len(trace.losses) == 1


@settings(deadline=None)
@given(st.data())
def test_a_flipped_bit_is_never_believed(small, tmp_path_factory, data):
    at, bit = data.draw(st.integers(0, len(small) - 1)), data.draw(st.integers(0, 7))
    path = tmp_path_factory.getbasetemp() / "flipped.trace"
    path.write_bytes(small[:at] + bytes([small[at] ^ 1 << bit]) + small[at + 1 :])
    trace = Trace([path])
    found = [entry for batch in trace.entries() for entry in batch]
    assert all(BY_HEAD[entry[0]] == entry for entry in found)
    assert not trace.whole
    assert trace.losses
    assert str(path) in trace.losses[0]


def test_damage_inside_one_block_costs_that_slice_alone(files, tmp_path):
    data = bytearray(files[0].read_bytes())
    data[HEADER_BYTES + 40] ^= 0xFF
    path = tmp_path / "worker-0.trace"
    path.write_bytes(data)
    trace = Trace([path])
    assert trace.whole
    counts = [len(batch) for batch in trace.entries()]
    assert counts[0] == 0
    assert all(counts[1:])
    assert trace.losses == [f"{path}: slice 0 (at byte 0) is damaged: its checksum does not match"]
    assert not trace.whole
    assert trace.complete_before == 0


def test_what_is_complete_ends_at_the_first_loss(files, tmp_path):
    whole = Trace(files)
    assert whole.complete_before is None
    assert list(whole.complete_entries()) == list(whole.entries())
    data = files[0].read_bytes()
    second = len(data) // 2
    cut = tmp_path / "worker-0.trace"
    cut.write_bytes(data[:second])
    trace = Trace([cut, *files[1:]])
    assert trace.complete_before is not None
    kept = list(trace.complete_entries())
    assert 0 < len(kept) < len(whole.slices)
    assert kept == list(whole.entries())[: len(kept)]
    assert [index for index in whole.slices if index < trace.complete_before] == whole.slices[: len(kept)]


def test_a_file_of_another_format_version_is_not_guessed_at(small, tmp_path):
    path = tmp_path / "t"
    path.write_bytes(small[:4] + b"\x63\x00" + small[6:])
    assert "format version 99, this program reads 2" in Trace([path]).losses[0]


def test_an_unreadable_file_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match=r"t: cannot be read: No such file"):
        Trace([tmp_path / "t"])


def full_disk(monkeypatch, after: int):
    room = [after]

    def short(file, data):
        if room[0] <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = real(file, bytes(data[: room[0]]))
        room[0] -= written
        return written

    real = os.write
    monkeypatch.setattr(trace_module.os, "write", short)


def test_a_full_disk_is_one_sentence_and_leaves_whole_blocks_only(tmp_path, monkeypatch):
    path = tmp_path / "worker-0.trace"
    writer = TraceWriter(path)
    writer.write(BATCHES[0][0], *encoded(BATCHES[0][1]))
    first = writer.offset
    full_disk(monkeypatch, after=1000)
    with pytest.raises(RunError, match=rf"worker-0.trace: the trace cannot be written after {first} bytes: No space left"):
        writer.write(BATCHES[1][0], *encoded(BATCHES[1][1]))
    assert path.stat().st_size == first
    trace = Trace([path])
    assert [len(batch) for batch in trace.entries()] == [len(BATCHES[0][1])]
    assert not trace.whole


def test_short_writes_are_continued(tmp_path, monkeypatch):
    real = os.write
    monkeypatch.setattr(trace_module.os, "write", lambda file, data: real(file, bytes(data[:700])))
    trace = Trace([write(tmp_path / "t", ENTRIES)])
    assert [entry for batch in trace.entries() for entry in batch] == ENTRIES
    assert trace.whole


def test_a_writer_goes_on_from_a_snapshots_offset_and_forgets_what_came_after(tmp_path):
    path = tmp_path / "worker-0.trace"
    writer = TraceWriter(path)
    writer.write(BATCHES[0][0], *encoded(BATCHES[0][1]))
    kept = (writer.sync(), writer.slices, writer.entries)
    writer.write(77, *encoded(BATCHES[1][1]))
    writer.abandon()
    again = TraceWriter(path, *kept)
    for index, batch in BATCHES[1:]:
        again.write(index, *encoded(batch))
    again.finish()
    trace = Trace([path])
    assert [entry for batch in trace.entries() for entry in batch] == ENTRIES
    assert trace.whole


def test_a_file_shorter_than_the_snapshot_says_is_refused(tmp_path):
    path = write(tmp_path / "t", BATCHES[0][1])
    with pytest.raises(RunError, match="shorter than the snapshot says"):
        TraceWriter(path, 10**9)


def test_a_block_cut_out_of_the_middle_is_missed(files, tmp_path):
    data = files[0].read_bytes()
    first = HEADER_BYTES + parse_header(data).length
    second = first + HEADER_BYTES + parse_header(data[first:]).length
    path = tmp_path / "worker-0.trace"
    path.write_bytes(data[:first] + data[second:])
    trace = Trace([path])
    assert trace.losses == [f"{path}: holds {len(BATCHES) - 1} slices where {len(BATCHES)} were written"]
    assert not trace.whole


def test_a_frame_that_claims_to_hold_everything_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "CONTENT_MAX", 1000)
    path = write(tmp_path / "t", BATCHES[0][1])
    trace = Trace([path])
    assert trace.slice_entries(0) == []
    assert "at most 1000 are believed" in trace.losses[0]
