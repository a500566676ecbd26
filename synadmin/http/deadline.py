"""A moment by which something has to be over, and shares of the time until then."""

import time


class Deadline:
    """A deadline: a number of seconds from now."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def remaining(self) -> float:
        """Return the seconds that are left; 0 when there are none."""
        return max(0.0, self._end - time.monotonic())

    def left(self) -> float:
        """Return the seconds that are left.

        Raises:
            TimeoutError: there are none.
        """
        remaining = self.remaining
        if not remaining:
            raise TimeoutError
        return remaining

    def share(self, *, most: float = 10.0, of: float = 1 / 3) -> "Deadline":
        """Return the deadline of one step, so that one that hangs leaves time for those after it.

        Args:
            most: seconds, however much is left.
            of: the share of what is left.
        """
        return Deadline(min(most, self.remaining * of))
