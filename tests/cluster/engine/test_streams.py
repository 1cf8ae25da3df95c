"""Keyed streams: fixed values, restore at any draw, distribution."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.engine.streams import BLOCK, NARROW, SCALE, KeyedStream, exponential_of

FIXED_BELOW = [355, 653, 15, 975, 314, 25]
FIXED_EXPONENTIAL = [1392908, 778340, 2467721, 823753]


def test_draws_are_these_on_every_host():
    stream = KeyedStream(7, "spin", "fq")
    assert [stream.below(1000) for _ in range(6)] == FIXED_BELOW
    assert [stream.exponential_ns(1_000_000) for _ in range(4)] == FIXED_EXPONENTIAL


@given(st.integers(0, 3 * BLOCK), st.integers(0, 2**63))
def test_a_stream_goes_on_from_its_counter(drawn, seed):
    whole = KeyedStream(seed, "delay", "cpu.3")
    for _ in range(drawn):
        whole.word()
    assert whole.drawn == drawn
    restored = KeyedStream(seed, "delay", "cpu.3", drawn)
    assert restored.drawn == drawn
    assert [whole.exponential_ns(999) for _ in range(5)] == [restored.exponential_ns(999) for _ in range(5)]
    assert whole.drawn == restored.drawn == drawn + 5


def test_wide_bounds_take_two_words():
    stream = KeyedStream(1, "p", "n")
    stream.below(NARROW)
    assert stream.drawn == 1
    assert max(stream.below(1 << 40) for _ in range(200)) > 1 << 39
    assert stream.drawn == 401


def test_streams_of_other_keys_differ():
    keys = [(1, "a", "b"), (2, "a", "b"), (1, "b", "a"), (1, "ab", ""), (1, "a", "b.1")]
    firsts = {tuple(KeyedStream(*key).below(1 << 60) for _ in range(2)) for key in keys}
    assert len(firsts) == len(keys)


@given(st.integers(1, 1 << 40), st.integers(0, 1 << 32))
def test_below_stays_below(bound, seed):
    stream = KeyedStream(seed, "p", "n")
    assert all(0 <= stream.below(bound) < bound for _ in range(20))


def test_below_is_uniform():
    stream = KeyedStream(3, "p", "n")
    counts = [0] * 10
    for _ in range(40_000):
        counts[stream.below(10)] += 1
    chi_square = sum((count - 4000) ** 2 / 4000 for count in counts)
    assert chi_square < 27.9  # 9 degrees of freedom, 0.1 %


@pytest.mark.parametrize("mean_ns", [1000, 120_000_000])
def test_exponential_has_its_mean_and_its_shape(mean_ns):
    stream = KeyedStream(5, "p", "n")
    count = 100_000
    draws = sorted(stream.exponential_ns(mean_ns) for _ in range(count))
    assert sum(draws) / count == pytest.approx(mean_ns, rel=0.01)
    distance = max(abs((index + 0.5) / count - (1 - math.exp(-draw / mean_ns))) for index, draw in enumerate(draws))
    assert distance < 1.95 / math.sqrt(count) + 1 / mean_ns  # Kolmogorov-Smirnov, 0.1 %


def test_the_mean_is_exact_to_a_thousandth():
    points = 1 << 17
    step = (1 << 32) // points
    mean = sum(exponential_of(step * point + step // 2) for point in range(points)) / points / SCALE
    assert mean == pytest.approx(1.0, rel=0.0005)


def test_the_table_agrees_with_libm():
    for draw in (1 << 8, 1 << 20, 1 << 26, (1 << 27) + 12345, 1 << 31, (1 << 32) - 1):
        assert exponential_of(draw) / SCALE == pytest.approx(-math.log((draw + 0.5) / 2**32), rel=0.01, abs=1 / 4096)
