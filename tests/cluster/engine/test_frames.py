"""Frames: whole in, whole out, whatever the pieces; anything else is refused before it is read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.engine.frames import HEADER, KINDS, LENGTH_MAX, VERSION, Unframer, frame
from cluster.errors import RunError

KIND = st.integers(0, len(KINDS) - 1)
FRAME = st.tuples(KIND, st.binary(max_size=60), st.integers(0, 2**64 - 1), st.integers(0, 255))


@given(st.lists(FRAME, max_size=6), st.integers(1, 17))
def test_frames_survive_any_cutting(frames, step):
    stream = b"".join(frame(*given) for given in frames)
    unframer, found = Unframer("worker 1"), []
    for at in range(0, len(stream), step):
        unframer.feed(stream[at : at + step])
        while (got := unframer.next()) is not None:
            found.append((got.kind, got.body, got.number, got.flags))
    assert found == frames
    assert unframer.partial == 0


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ((LENGTH_MAX + 1, 0, 1, VERSION, 2, 0), "of 268435457 bytes"),
        ((5, 0, 1, VERSION + 1, 2, 0), "of version 3"),
        ((5, 0, 1, VERSION, len(KINDS), 0), "of unknown kind"),
    ],
)
def test_a_bad_header_is_refused_before_any_body_came(header, said):
    unframer = Unframer("worker 1")
    unframer.feed(HEADER.pack(*header))
    with pytest.raises(RunError, match=f"worker 1 sent a malformed frame: one {said}"):
        unframer.next()


@given(st.integers(0, 1000), st.integers(0, 7))
def test_one_flipped_bit_in_a_body_is_found(at, bit):
    sent = bytearray(frame(2, bytes(range(200))))
    sent[HEADER.size + at % 200] ^= 1 << bit
    assert_refused(sent)


@given(st.integers(0, 31))
def test_a_flipped_bit_in_the_round_is_found(bit):
    sent = bytearray(frame(2, b"body", 5))
    sent[8 + bit // 8] ^= 1 << bit % 8
    if bit < 29:
        assert_refused(sent)


def test_flags_are_outside_the_checksum():
    """They come from a clock on the wall: a frame made again is the same but for them."""
    one, other = frame(2, b"body", 5, 0), frame(2, b"body", 5, 1)
    assert one[:18] == other[:18]
    assert one[18] != other[18]


def assert_refused(sent):
    unframer = Unframer("worker 1")
    unframer.feed(bytes(sent))
    with pytest.raises(RunError, match="wrong checksum"):
        unframer.next()


def test_a_body_too_long_is_not_sent(monkeypatch):
    monkeypatch.setattr("cluster.engine.frames.LENGTH_MAX", 10)
    with pytest.raises(RunError, match="too long for a frame"):
        frame(2, bytes(11))
