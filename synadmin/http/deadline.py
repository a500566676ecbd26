"""A deadline for an operation, and deadlines for its steps."""

import time


class Deadline:
    """A deadline: a number of seconds from now."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def remaining(self) -> float:
        """Return the seconds that are left; 0 after the deadline."""
        return max(0.0, self._end - time.monotonic())

    def left(self) -> float:
        """Return the seconds that are left.

        Raises:
            TimeoutError: the deadline has passed.
        """
        remaining = self.remaining
        if not remaining:
            raise TimeoutError
        return remaining

    def share(self, *, most: float = 10.0, of: float = 1 / 3) -> "Deadline":
        """Return the deadline of one step, so that a step that hangs leaves time for the next ones.

        Args:
            most: the most seconds for the step.
            of: the share of the time that is left.
        """
        return Deadline(min(most, self.remaining * of))
