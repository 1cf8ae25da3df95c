from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticCustomError

from cluster.scenario.units import NS_MAX, SIZE_BYTES, TIME_NS, Bytes, Ns, PositiveNs, quantity


class Holder(BaseModel):
    wait_ns: Ns = 0
    step_ns: PositiveNs = 1
    memory_bytes: Bytes = 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [("120 ns", 120), ("3us", 3_000), ("1.5 us", 1_500), ("0.000001 s", 1_000), ("1_000 ms", 10**9), (" 2 s ", 2 * 10**9), ("7 µs", 7_000)],
)
def test_times(text, expected):
    assert quantity(text, TIME_NS, "ns") == expected


@pytest.mark.parametrize(("text", "expected"), [("4 KiB", 4096), ("1.5MiB", 3 << 19), ("12 B", 12), ("2 GiB", 2 << 30)])
def test_sizes(text, expected):
    assert quantity(text, SIZE_BYTES, "B") == expected


@pytest.mark.parametrize("text", ["", "12", "ns", "-3 ns", "1e3 ns", "3 KB", "3 parsec", "0x10 ns", "1.5 ns", "٣ ns", "3 ns ns", "1. ns"])
def test_what_is_no_time(text):
    with pytest.raises(PydanticCustomError):
        quantity(text, TIME_NS, "ns")


@given(st.integers(0, 10**9), st.sampled_from(sorted(TIME_NS)))
def test_a_quantity_is_its_number_times_its_unit(number, unit):
    assert quantity(f"{number} {unit}", TIME_NS, "ns") == number * TIME_NS[unit]


@given(st.integers(0, 10**12))
def test_microseconds_with_three_decimals_are_exact(ns):
    assert quantity(f"{ns // 1000}.{ns % 1000:03} us", TIME_NS, "ns") == ns


@pytest.mark.parametrize("value", [True, 1.0, None, [1], -1, NS_MAX + 1, "2000000 s"])
def test_a_field_takes_nothing_but_an_integer_or_a_quantity(value):
    with pytest.raises(ValidationError):
        Holder(wait_ns=value)


def test_bounds_hold_for_texts_too():
    assert Holder(wait_ns="0 ns").wait_ns == 0
    for field, value in (("step_ns", "0 ns"), ("memory_bytes", "0 KiB")):
        with pytest.raises(ValidationError):
            Holder(**{field: value})
