"""A compact set of keys, at most 16 bytes for each: a list of a million rooms takes 16 MB."""

from array import array
from collections.abc import Iterable

_SMALLEST = 1024  # slots, a power of two
_FULL = 0.7


class HashedIds:
    """A set of byte strings that remembers 64 bits of each, kept in one flat table.

    Two keys with the same 64 bits count as one. With a million keys the probability is one in thirty
    million.
    """

    def __init__(self) -> None:
        self._slots = array("q", bytes(8 * _SMALLEST))
        self._count = 0

    def add(self, keys: Iterable[bytes]) -> list[bool]:
        """Add keys; return for each whether it is new."""
        digests = [hash(key) or 1 for key in keys]
        size = len(self._slots)
        while self._count + len(digests) > _FULL * size:
            size *= 2
        if size > len(self._slots):
            held = self._slots
            self._slots = array("q", bytes(held.itemsize * size))
            self._insert(filter(None, held))
        are_new = self._insert(digests)
        self._count += sum(are_new)
        return are_new

    def _insert(self, digests: Iterable[int]) -> list[bool]:
        slots = self._slots
        mask = len(slots) - 1
        are_new = []
        # One loop for all keys: for a long list, a function call for each key takes most of the time.
        for digest in digests:
            place = digest & mask
            while (held := slots[place]) and held != digest:
                place = (place + 1) & mask
            slots[place] = digest
            are_new.append(not held)
        return are_new
