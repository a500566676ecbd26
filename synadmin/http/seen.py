"""Which keys a walk has met, in 16 bytes a key at most: a list of a million rooms takes 16 MB."""

from array import array

_SMALLEST = 1024  # slots, a power of two
_FULL = 0.7


class Seen:
    """A set of byte strings that remembers 64 bits of each, kept in one flat table.

    Two keys that share those bits would be taken for the same: with a million keys the odds are one in
    thirty million.
    """

    def __init__(self) -> None:
        self._slots = array("Q", bytes(8 * _SMALLEST))
        self._count = 0

    def add(self, key: bytes) -> bool:
        """Remember a key; tell whether it is new."""
        if self._count >= _FULL * len(self._slots):
            self._grow()
        return self._insert(hash(key) % 2**64 or 1)

    def _insert(self, digest: int) -> bool:
        slots, mask = self._slots, len(self._slots) - 1
        place = digest & mask
        while slots[place]:
            if slots[place] == digest:
                return False
            place = (place + 1) & mask
        slots[place] = digest
        self._count += 1
        return True

    def _grow(self) -> None:
        held = self._slots
        self._slots = array("Q", bytes(2 * held.itemsize * len(held)))
        self._count = 0
        for digest in held:
            if digest:
                self._insert(digest)
