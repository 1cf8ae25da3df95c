import gzip
import lzma
import os
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from cluster.errors import InputError
from cluster.intake.compile_perf import compile_recording, name_of
from cluster.intake.open_recording import Recording, readable

LINE = "            perf  9977/9977  [001]   753.995177:  exceptions:page_fault_user: address=0x7f4d42a8e408 ip=0x1 error_code=0x7\n"
TEXT = (LINE * 50).encode()
FORMS = {
    "plain": lambda data: data,
    "xz": lzma.compress,
    "gz": gzip.compress,
    "zst": lambda data: zstandard.ZstdCompressor(write_checksum=True).compress(data),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_lines_whatever_it_is_called(tmp_path, form):
    path = tmp_path / "recording.of.any.name"
    path.write_bytes(FORMS[form](TEXT))
    recording, plain = Recording(path), tmp_path / "plain"
    assert list(recording) == [LINE[:-1]] * 50
    assert (recording.lines, recording.cut) == (50, False)
    plain.write_bytes(TEXT)
    assert compile_recording(path).digest == compile_recording(plain).digest


def test_zstd_frames_one_after_the_other_are_one_recording(tmp_path):
    path = tmp_path / "r.zst"
    path.write_bytes(FORMS["zst"](TEXT) * 2)
    assert len(list(Recording(path))) == 100


@pytest.mark.parametrize("form", ["xz", "gz", "zst"])
def test_a_cut_compressed_file_is_refused(tmp_path, form):
    path = tmp_path / f"r.{form}"
    path.write_bytes(FORMS[form](os.urandom(3000).hex().encode() + b"\n" + TEXT)[:-200])
    with pytest.raises(InputError, match="cut off") as caught:
        list(Recording(path))
    assert caught.value.file == str(path)


@pytest.mark.parametrize("form", ["xz", "gz", "zst"])
def test_a_damaged_compressed_file_is_refused(tmp_path, form):
    data = bytearray(FORMS[form](TEXT))
    data[len(data) // 2] ^= 0x55
    path = tmp_path / f"r.{form}"
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"damaged|cut off"):
        compile_recording(path)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"PERFILE2" + bytes(100), "perf script"),
        (bytes(range(256)) * 10, "not text"),
        (b"hello\nworld\n", "none of 2 lines"),
        (b"x" * 100_000, "100000 bytes without"),
        (lzma.compress(b""), "empty"),
        (b"hello", "none of 1 lines"),
    ],
)
def test_what_is_no_recording_is_refused_in_one_sentence(tmp_path, data, words):
    path = tmp_path / "r"
    path.write_bytes(data)
    with pytest.raises(InputError, match=words) as caught:
        compile_recording(path)
    error = caught.value
    assert error.file == str(path) and error.found and error.allowed
    assert "\n" not in str(error) and str(path) in str(error)


def test_no_file_and_a_directory_are_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        compile_recording(tmp_path / "nothing")
    with pytest.raises(InputError, match="found a directory"):
        compile_recording(tmp_path)


def test_time_that_runs_backwards_is_refused_with_its_line(tmp_path):
    path = tmp_path / "r"
    path.write_text(LINE + LINE.replace("753.995177", "753.995176"))
    with pytest.raises(InputError, match="line 2: time runs backwards") as caught:
        compile_recording(path)
    assert caught.value.line == 2
    assert caught.value.found == "753995176000 ns after 753995177000 ns"


def test_a_cut_last_line_is_counted_even_if_it_could_be_read(tmp_path):
    path = tmp_path / "r"
    path.write_text(LINE * 2 + LINE[:-2])
    account = compile_recording(path).account
    assert (account.lines, account.replayed, account.ignored) == (3, 2, {"cut-line": 1})


def test_only_newlines_end_lines(tmp_path):
    path = tmp_path / "r"
    path.write_text(LINE.replace("perf", "a\r\x0b\x0c\x1c\x85\u2028"[:4]))
    assert compile_recording(path).account.lines == 1


def test_lines_max_reads_no_further(tmp_path):
    path = tmp_path / "r"
    path.write_bytes(TEXT + b"\0\0 junk that is never looked at" * 200_000)
    with pytest.raises(InputError):
        compile_recording(path)
    path.write_bytes(TEXT + b"x" * (1 << 21) + b"\0")
    assert compile_recording(path, 10).account.lines == 10


@given(st.binary(max_size=40))
def test_any_name_becomes_printable_text(name):
    shown = readable(name.decode("latin-1"))
    assert shown.isprintable()
    shown.encode()


def test_names_are_shown_as_they_were_meant_or_escaped():
    assert readable("käse".encode().decode("latin-1")) == "käse"
    assert readable("\x1b[31mred\x07") == "\\x1b[31mred\\x07"
    assert name_of(Path("/x/ü-load.rich.perf.txt.xz")) == "ü-load.rich"
