"""A set of batch ids in eight bytes each: ten million take 90 MB, where a set of strings would take a gigabyte."""

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from hashlib import blake2b
from typing import Final

_BUCKET_BITS: Final = 12
"""Buckets stay small, so that adding one to ten million moves 20 kB."""

_NOTHING: Final[array[int]] = array("Q")


class Remembered:
    """Ids of batches, each as 64 bits of its hash: among 10^7 one is mistaken for another with 1 : 10^5."""

    def __init__(self) -> None:
        self._buckets: list[array[int]] = []
        """Made with the first id: four thousand of them take longer to make than all else of a splitter."""
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, batch_id: str) -> bool:
        bucket, place, number = self._find(batch_id)
        return place < len(bucket) and bucket[place] == number

    def add(self, batch_id: str) -> None:
        if not self._buckets:
            self._buckets = [array("Q") for _ in range(1 << _BUCKET_BITS)]
        bucket, place, number = self._find(batch_id)
        if place == len(bucket) or bucket[place] != number:
            bucket.insert(place, number)
            self._count += 1

    def discard(self, batch_ids: Iterable[str]) -> None:
        """Remove these."""
        for batch_id in batch_ids if self._count else ():
            bucket, place, number = self._find(batch_id)
            if place < len(bucket) and bucket[place] == number:
                del bucket[place]
                self._count -= 1

    def clear(self) -> None:
        for bucket in self._buckets:
            del bucket[:]
        self._count = 0

    def _find(self, batch_id: str) -> tuple["array[int]", int, int]:
        number = int.from_bytes(blake2b(batch_id.encode(), digest_size=8).digest())
        bucket = self._buckets[number >> (64 - _BUCKET_BITS)] if self._buckets else _NOTHING
        return bucket, bisect_left(bucket, number), number
