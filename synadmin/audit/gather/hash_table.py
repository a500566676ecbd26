"""Numbers by the hashes of ids, in flat arrays: a dictionary takes four times the memory for each id."""

from array import array
from collections.abc import Iterator

_SMALLEST = 1024  # slots, a power of two
_FULL = 0.7
_EMPTY = 0


class HashTable:
    """A table of numbers by 64-bit hashes. Threads may read while one writes.

    Two ids that share a hash count as the same id: with a million ids the odds are one in thirty million.
    """

    def __init__(self) -> None:
        self._slots = array("q", bytes(8 * _SMALLEST)), array("I", bytes(4 * _SMALLEST))
        self._count = 0

    def __contains__(self, digest: object) -> bool:
        """Whether the hash has a number."""
        return isinstance(digest, int) and self.get(digest) is not None

    def __len__(self) -> int:
        return self._count

    def get(self, digest: int) -> int | None:
        """Return the number of a hash; None where there is none."""
        digests, numbers = self._slots
        place = self._place(digests, digest or 1)
        return None if digests[place] == _EMPTY else numbers[place]

    def set(self, digest: int, number: int = 0) -> None:
        """Set the number of a hash."""
        digests, numbers = self._slots
        digest = digest or 1
        place = self._place(digests, digest)
        numbers[place] = number
        if digests[place] != _EMPTY:
            return
        # This comes last: from here on other threads see the entry.
        digests[place] = digest
        self._count += 1
        if self._count > _FULL * len(digests):
            self._grow()

    def _grow(self) -> None:
        size = 2 * len(self._slots[0])
        digests, numbers = array("q", bytes(8 * size)), array("I", bytes(4 * size))
        for digest, number in self._items():
            place = self._place(digests, digest)
            digests[place], numbers[place] = digest, number
        self._slots = digests, numbers

    def _items(self) -> Iterator[tuple[int, int]]:
        return ((digest, number) for digest, number in zip(*self._slots, strict=True) if digest != _EMPTY)

    @staticmethod
    def _place(digests: "array[int]", digest: int) -> int:
        """Return where a hash is, or would be."""
        mask = len(digests) - 1
        place = digest & mask
        while (held := digests[place]) != _EMPTY and held != digest:
            place = (place + 1) & mask
        return place
