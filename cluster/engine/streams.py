"""Keyed streams of random integers: a pure function of (seed, purpose, name, number of the draw).

A stream's state is one counter, so a snapshot holds an int and a restore reseeds and skips. Draws come in blocks of 256 from SHAKE-128
over the key and the number of the block: the same on every host and Python. ``random.Random`` reseeded per block is as fast, but its
algorithm is CPython's promise and not a standard's, and 3.1 KB of state per actor spoil the cache. An exponential is made from an integer
table: libm's ``log`` may differ in its last bit between two hosts, and then so would every digest.
"""

from __future__ import annotations

import sys
from array import array
from decimal import Decimal, localcontext
from hashlib import shake_128

BLOCK = 256
"""Draws per block."""
FRACTION_BITS = 32
"""Fixed-point scale of the logarithm table."""
TABLE_BITS = 11
_MIX = (1 << TABLE_BITS) - 1
_HALF = 1 << FRACTION_BITS - 1
_INDEX_SHIFT = 63 - TABLE_BITS


def _logarithms() -> tuple[int, list[int]]:
    """ln 2, and -ln of the middle of each of 2^TABLE_BITS cells of [1/2, 1), in units of 2^-FRACTION_BITS."""
    cells = 1 << TABLE_BITS
    with localcontext() as context:
        context.prec = 30
        scale = Decimal(1 << FRACTION_BITS)
        middles = (Decimal(2 * i + 1 + 2 * cells) / Decimal(4 * cells) for i in range(cells))
        return int(Decimal(2).ln() * scale), [int(-middle.ln() * scale) for middle in middles]


_LN2, _LOG = _logarithms()


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

        With a 64-bit draw x of b bits, -ln(x / 2^64) = (64 - b) ln 2 - ln(m) with m in [1/2, 1) looked up by the ``TABLE_BITS`` bits
        below its first one. The mean is exact to 0.01 %, the step is mean / 2,048 or finer.
        """
        position = self._position
        if position == BLOCK:
            position = self._refill()
        self._position = position + 1
        draw = self._block[position] | 1
        zeros = 64 - draw.bit_length()
        return (zeros * _LN2 + _LOG[(draw << zeros) >> _INDEX_SHIFT & _MIX]) * mean_ns + _HALF >> FRACTION_BITS
