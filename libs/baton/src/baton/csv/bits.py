"""Bitmaps over a block of bytes: bit i of word i // 64 is byte i. One operation handles 64 bytes.

The way of simdjson (Langdale and Lemire, "Parsing Gigabytes of JSON per Second", 2019), in numpy.
"""

import threading

import numpy as np
from numpy.typing import NDArray

type Block = NDArray[np.uint8]
type Words = NDArray[np.uint64]
type Positions = NDArray[np.int64]

_WORD_BITS = 64
_ONE = np.uint64(1)
_TOP = np.uint64(_WORD_BITS - 1)
_SCRATCH_BYTES = 256 * 1024


def pack(mask: NDArray[np.bool_]) -> Words:
    """Return the bitmap of a mask; bits past its end are 0."""
    packed = np.packbits(mask, bitorder="little")
    if missing := -packed.size % 8:
        packed = np.concatenate([packed, np.zeros(missing, np.uint8)])
    return packed.view("<u8")


class _Scratch(threading.local):
    """A thread's room for the mask of a block. Made anew, it would cost as much again: the kernel gives empty pages."""

    def __init__(self) -> None:
        self.mask = np.empty(_SCRATCH_BYTES, np.bool_)


_scratch = _Scratch()


def bitmap(block: Block, byte: int) -> Words:
    """Return where `byte` is."""
    if block.size > _SCRATCH_BYTES:
        return pack(block == byte)
    return pack(np.equal(block, byte, out=_scratch.mask[: block.size]))


def shifted(words: Words, *, carry: bool) -> Words:
    """Return the bitmap of the bytes that follow a set one; `carry` says whether the byte before the block was set."""
    out = words << _ONE
    out[1:] |= words[:-1] >> _TOP
    out[0] |= np.uint64(carry)
    return out


def lowered(words: Words) -> Words:
    """Return the bitmap of the bytes right before a set one."""
    out = words >> _ONE
    out[:-1] |= words[1:] << _TOP
    return out


def prefix_xor(words: Words, *, carry: bool) -> Words:
    """Return for each bit the parity of all bits up to and with it, `carry` before them."""
    out = words ^ (words << _ONE)
    for step in (2, 4, 8, 16, 32):
        out ^= out << np.uint64(step)
    odd = np.bitwise_xor.accumulate(out >> _TOP)
    out[1:] ^= np.negative(odd[:-1])
    return ~out if carry else out


def count(words: Words) -> int:
    """Return how many bits are set."""
    return int(np.bitwise_count(words).sum(dtype=np.int64))


def count_between(words: Words, starts: Positions, ends: Positions) -> Positions:
    """Return how many bits are set in each `[start, end)`."""
    before = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.bitwise_count(words), dtype=np.int64)])
    guarded = np.concatenate([words, np.zeros(1, np.uint64)])  # an end may be the end of the last word

    def up_to(at: Positions) -> Positions:
        word = at >> 6
        low = (_ONE << (at & 63).astype(np.uint64)) - _ONE
        return before[word] + np.bitwise_count(guarded[word] & low)

    return up_to(ends) - up_to(starts)


def positions(words: Words) -> Positions:
    """Return the positions of all set bits, in order. Unless they are dense, only bytes with a set bit are unpacked."""
    octets = words.view(np.uint8)
    # As booleans: numpy finds those ten times faster than bytes that are not 0.
    at = np.flatnonzero(octets != 0)
    if 2 * at.size > octets.size:
        return np.flatnonzero(np.unpackbits(octets, bitorder="little").view(np.bool_))
    found = np.flatnonzero(np.unpackbits(octets[at], bitorder="little").view(np.bool_))
    at <<= 3
    return at[found >> 3] + (found & 7)


def is_set(words: Words, at: Positions) -> NDArray[np.bool_]:
    """Return whether the bit of each position is set."""
    return (words[at >> 6] >> (at & 63).astype(np.uint64) & _ONE).astype(np.bool_)


def any_set(words: Words) -> bool:
    """Return whether any bit is set. Twice as fast as numpy's `any`."""
    return bool(words.max())


def first(words: Words) -> int | None:
    """Return the position of the first set bit."""
    some = words != 0
    at = int(some.argmax())
    word = int(words[at])
    return at * _WORD_BITS + (word & -word).bit_length() - 1 if word else None


def first_from(words: Words, starts: Positions) -> Positions:
    """Return the position of the first set bit from each start on; there is one."""
    at = starts >> 6
    found = words[at] & (~np.uint64(0) << (starts & 63).astype(np.uint64))
    empty = np.flatnonzero(found == 0)
    while empty.size:
        at[empty] += 1
        found[empty] = words[at[empty]]
        empty = empty[found[empty] == 0]
    return (at << 6) + np.bitwise_count((found & (~found + _ONE)) - _ONE)


def last(words: Words) -> int | None:
    """Return the position of the last set bit. It costs next to nothing if that is in the last word."""
    at = words.size - 1
    if not (word := int(words[at])):
        at -= int((words[::-1] != 0).argmax())
        word = int(words[at])
    return at * _WORD_BITS + word.bit_length() - 1 if word else None
