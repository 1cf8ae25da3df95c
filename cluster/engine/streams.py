"""Keyed streams of random integers: a pure function of (seed, purpose, name, number of the draw).

A stream's state is one counter, so a snapshot holds an int and a restore reseeds and skips. Draws come in blocks of 256 from SHAKE-128
over the key and the number of the block: the same on every host and Python. ``random.Random`` reseeded per block is as fast, but its
algorithm is CPython's promise and not a standard's, and 3.1 KB of state per actor spoil the cache. An exponential is made from an integer
table: libm's ``log`` may differ in its last bit between two hosts, and then so would every digest.
"""

from __future__ import annotations

import sys
from array import array
from hashlib import shake_128

BLOCK = 256
"""Draws per block."""
SCALE_BITS = 28
SCALE = 1 << SCALE_BITS
"""Fixed point of exponentials of mean 1: their integer value is below 2^34, two digits of a Python int."""
CELL_BITS = 13
_SHIFT = 64 - CELL_BITS
_COARSE = 1 << CELL_BITS - 5
"""Below this cell (one draw in 32) the table would be too coarse: its draws are looked up by their own leading bits."""
_HALF = SCALE >> 1
_FINE_BITS = 48
LN2_FINE = 195103586505167
"""ln 2 in units of 2^-48 (0.693147180559945...)."""


def _cells() -> array[int]:
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
    return array("Q", [value >> (_FINE_BITS - SCALE_BITS) for value in fine])


_TABLE = _cells()
_LN2 = LN2_FINE >> (_FINE_BITS - SCALE_BITS)


def _tail(draw: int) -> int:
    """The exponential of a draw near 0: its leading zeros count ln 2 each, the bits after them are looked up."""
    zeros = 64 - (draw | 1).bit_length()
    return zeros * _LN2 + _TABLE[(draw | 1) << zeros >> _SHIFT]


def exponential_of(draw: int) -> int:
    """The exponential of mean ``SCALE`` that a 64-bit draw stands for: -ln(draw / 2^64)."""
    cell = draw >> _SHIFT
    return _TABLE[cell] if cell >= _COARSE else _tail(draw)


class KeyedStream:
    """The stream of (seed, purpose, name). Satisfies ``actors.actor.Stream``."""

    __slots__ = ("_block", "_key", "_number", "_position")

    def __init__(self, seed: int, purpose: str, name: str, drawn: int = 0) -> None:
        self._key = shake_128(f"{seed}\0{purpose}\0{name}\0".encode())
        self._number = drawn // BLOCK - 1
        self._position = BLOCK
        self._block = array("Q")
        if drawn % BLOCK:
            self._refill()
            self._position = drawn % BLOCK

    @property
    def drawn(self) -> int:
        """How many draws were made: the stream's whole state."""
        return self._number * BLOCK + self._position

    def _refill(self) -> int:
        self._number += 1
        source = self._key.copy()
        source.update(self._number.to_bytes(8, "little"))
        block = array("Q", source.digest(8 * BLOCK))
        if sys.byteorder == "big":
            block.byteswap()
        self._block = block
        return 0

    def below(self, bound: int) -> int:
        """A uniform integer in [0, bound), from one draw; the bias is below bound / 2^64."""
        position = self._position
        if position == BLOCK:
            position = self._refill()
        self._position = position + 1
        return self._block[position] * bound >> 64

    def exponential_ns(self, mean_ns: int) -> int:
        """An exponentially distributed duration in ns, from one draw.

        The mean is exact to 0.01 %. Values are mean / 256 apart at most, mean / 4,096 where they are dense.
        """
        position = self._position
        if position == BLOCK:
            position = self._refill()
        self._position = position + 1
        draw = self._block[position]
        cell = draw >> _SHIFT
        return ((_TABLE[cell] if cell >= _COARSE else _tail(draw)) * mean_ns + _HALF) >> SCALE_BITS
