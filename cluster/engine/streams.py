"""Keyed streams of random integers: a pure function of (seed, purpose, name, number of the draw).

A stream's state is one counter, so a snapshot holds an int and a restore reseeds and skips. Words of 32 bits come in blocks of 256 from
SHAKE-128 over the key and the number of the block: the same on every host and Python. ``random.Random`` reseeded per block is as fast,
but its algorithm is CPython's promise and not a standard's, and 3.1 KB of state per actor spoil the cache. An exponential is made from an
integer table: libm's ``log`` may differ in its last bit between two hosts, and then so would every digest.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b, shake_128
from typing import Any

BLOCK = 256
"""Words per block."""
WORD_BITS = 32
NARROW = 1 << 12
"""Bounds up to this are drawn from one word (bias below 2^-20), greater ones from two (bias below bound / 2^64)."""
SCALE_BITS = 28
SCALE = 1 << SCALE_BITS
"""Fixed point of exponentials of mean 1: their integer value is below 2^33, two digits of a Python int."""
CELL_BITS = 13
_SHIFT = WORD_BITS - CELL_BITS
_COARSE = 1 << CELL_BITS - 5
"""Below this cell (one draw in 32) the table would be too coarse: its draws are looked up by their own leading bits."""
_HALF = SCALE >> 1
_FINE_BITS = 48
LN2_FINE = 195103586505167
"""ln 2 in units of 2^-48 (0.693147180559945...)."""


def _cells() -> list[int]:
    """-ln of the middle of each of 2^CELL_BITS cells of (0, 1], in units of 1 / SCALE.

    Integer arithmetic: ln((n + 1) / n) = 2 artanh(1 / (2n + 1)) is summed from 1 down to 1/2, and each octave below is the mean of the
    one above plus ln 2.
    """
    cells = 1 << CELL_BITS
    fine = [0] * cells
    total = 0
    for point in range(2 * cells - 1, cells, -1):
        odd = 2 * point + 1
        total += ((2 << _FINE_BITS) + (2 << _FINE_BITS) // (3 * odd * odd)) // odd
        if point & 1:
            fine[point >> 1] = total
    for cell in range(cells // 2 - 1, 0, -1):
        fine[cell] = LN2_FINE + (fine[2 * cell] + fine[2 * cell + 1]) // 2
    return [value >> (_FINE_BITS - SCALE_BITS) for value in fine]


_TABLE = _cells()
_LN2 = LN2_FINE >> (_FINE_BITS - SCALE_BITS)


def _tail(word: int) -> int:
    """The exponential of a word near 0: its leading zeros count ln 2 each, the bits after them are looked up."""
    zeros = WORD_BITS - (word | 1).bit_length()
    return zeros * _LN2 + _TABLE[(word | 1) << zeros >> _SHIFT]


def exponential_of(word: int) -> int:
    """The exponential of mean ``SCALE`` that a word stands for: -ln(word / 2^32)."""
    cell = word >> _SHIFT
    return _TABLE[cell] if cell >= _COARSE else _tail(word)


class KeyedStream:
    """The stream of (seed, purpose, name). Satisfies ``actors.actor.Stream``.

    Its draws are closures over the current block's iterator: that is a quarter faster than methods that look it up on ``self``.

    ``word()``: the next 32 bits. ``below(bound)``: a uniform integer in [0, bound), from one word, or from two if ``bound`` is above
    NARROW. ``exponential_ns(mean_ns)``: an exponentially distributed duration in ns, from one word; its mean is exact to 0.01 %, values
    are mean / 256 apart at most, mean / 4,096 where they are dense, and none is above 22.2 times the mean.
    """

    __slots__ = ("_key", "_number", "_words", "below", "exponential_ns", "word")

    _words: Any
    """The block's iterator; it knows its position (``__reduce__``)."""
    word: Callable[[], int]
    below: Callable[[int], int]
    exponential_ns: Callable[[int], int]

    def __init__(self, seed: int, purpose: str, name: str, drawn: int = 0) -> None:
        self._key = shake_128(f"{seed}\0{purpose}\0{name}\0".encode())
        self._number, position = divmod(drawn, BLOCK)
        self._words = iter(array("I"))
        if position:
            self.begin_block()
            self._words.__setstate__(position)
        self.word, self.below, self.exponential_ns = _draws(self, self._words.__next__)

    @property
    def drawn(self) -> int:
        """How many words were drawn: the stream's whole state."""
        _, (block,), position = self._words.__reduce__()
        return self._number * BLOCK - (BLOCK - int(position) if block else 0)

    def begin_block(self) -> Callable[[], int]:
        """Begin the next block; gives its words one by one, then StopIteration."""
        source = self._key.copy()
        source.update(self._number.to_bytes(8, "little"))
        block = array("I", source.digest(4 * BLOCK))
        if sys.byteorder == "big":
            block.byteswap()
        self._number += 1
        self._words = iter(block)
        following: Callable[[], int] = self._words.__next__
        return following


def draw_once(seed: int, purpose: str, name: str, bound: int) -> int:
    """One integer in [0, bound) that (seed, purpose, name) decide: for what is drawn once per name and keeps no state.

    BLAKE2b, since eight bytes of SHAKE-128 cost twice as much: under random delays every message is drawn for.
    """
    keyed = _keyed(seed, purpose).copy()
    keyed.update(f"{name}\0".encode())
    return int.from_bytes(keyed.digest(), "little") * bound >> 64


@lru_cache(maxsize=64)
def _keyed(seed: int, purpose: str) -> blake2b:
    """The hash of what comes before the name: a copy of it costs half of another one."""
    return blake2b(f"{seed}\0{purpose}\0".encode(), digest_size=8)


Draws = tuple[Callable[[], int], Callable[[int], int], Callable[[int], int]]


def _draws(stream: KeyedStream, following: Callable[[], int]) -> Draws:
    """``word``, ``below`` and ``exponential_ns`` of a stream that stands at ``following``."""

    def refill() -> int:
        nonlocal following
        following = stream.begin_block()
        return following()

    def word() -> int:
        try:
            return following()
        except StopIteration:
            return refill()

    def below(bound: int) -> int:
        if bound > NARROW:
            return ((word() << WORD_BITS) + word()) * bound >> 2 * WORD_BITS
        try:
            return following() * bound >> WORD_BITS
        except StopIteration:
            return refill() * bound >> WORD_BITS

    def exponential_ns(mean_ns: int) -> int:
        try:
            drawn = following()
        except StopIteration:
            drawn = refill()
        cell = drawn >> _SHIFT
        return ((_TABLE[cell] if cell >= _COARSE else _tail(drawn)) * mean_ns + _HALF) >> SCALE_BITS

    return word, below, exponential_ns
