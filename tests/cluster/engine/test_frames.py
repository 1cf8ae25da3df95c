"""Frames: whole in, whole out, whatever the pieces; anything else is refused before it is read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.engine.frames import HEADER, KINDS, LENGTH_MAX, VERSION, Unframer, frame
from cluster.errors import RunError


@given(st.lists(st.tuples(st.integers(0, len(KINDS) - 1), st.binary(max_size=60)), max_size=6), st.integers(1, 17))
def test_frames_survive_any_cutting(frames, step):
    stream = b"".join(frame(kind, body) for kind, body in frames)
    unframer, found = Unframer("worker 1"), []
    for at in range(0, len(stream), step):
        unframer.feed(stream[at : at + step])
        while (got := unframer.next()) is not None:
            found.append(got)
    assert found == frames
    assert unframer.partial == 0


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ((LENGTH_MAX + 1, 0, VERSION, 2), "of 268435457 bytes"),
        ((5, 0, VERSION + 1, 2), "of version 2"),
        ((5, 0, VERSION, len(KINDS)), "of unknown kind"),
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
    at = HEADER.size + at % 200
    sent[at] ^= 1 << bit
    unframer = Unframer("worker 1")
    unframer.feed(bytes(sent))
    with pytest.raises(RunError, match="wrong checksum"):
        unframer.next()


def test_a_body_too_long_is_not_sent(monkeypatch):
    monkeypatch.setattr("cluster.engine.frames.LENGTH_MAX", 10)
    with pytest.raises(RunError, match="too long for a frame"):
        frame(2, bytes(11))
