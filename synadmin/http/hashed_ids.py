"""Which keys a walk has met, in 16 bytes a key at most: a list of a million rooms takes 16 MB."""

from array import array
from collections.abc import Iterable

_SMALLEST = 1024  # slots, a power of two
_FULL = 0.7


class HashedIds:
    """A set of byte strings that remembers 64 bits of each, kept in one flat table.

    Two keys that share those bits would be taken for the same: with a million keys the odds are one in
    thirty million.
    """

    def __init__(self) -> None:
        self._slots = array("q", bytes(8 * _SMALLEST))
        self._count = 0

    def add(self, keys: Iterable[bytes]) -> list[bool]:
        """Remember keys; tell of each whether it is new."""
        return [self._insert(hash(key) or 1) for key in keys]

    def _insert(self, digest: int) -> bool:
        slots = self._slots
        mask = len(slots) - 1
        place = digest & mask
        while held := slots[place]:
            if held == digest:
                return False
            place = (place + 1) & mask
        slots[place] = digest
        self._count += 1
        if self._count > _FULL * mask:
            self._grow()
        return True

    def _grow(self) -> None:
        held = self._slots
        self._slots = array("q", bytes(2 * held.itemsize * len(held)))
        self._count = 0
        for digest in held:
            if digest:
                self._insert(digest)
