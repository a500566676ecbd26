"""Limits the requests at the same time: fewer where the server becomes slow."""

import threading
import time

_SLOW = 0.5  # seconds on average; a shorter time is never slow
_SLOWER = 4.0  # times the best average of this server
_WEIGHT = 0.1  # the weight of the newest answer in the average
_FIRST = 16  # answers before the limit is changed for the first time
_AT_FIRST = 2  # requests at once


class ConcurrencyLimiter:
    """The limit of requests at the same time.

    The limit begins low, to measure how fast the server answers without load. Then it is doubled. It is
    halved where answers take much longer than at best, since more requests would only make the server's users
    wait. After that, it is raised one by one.
    """

    def __init__(self, most: int) -> None:
        self.limit = min(most, _AT_FIRST)
        self._most = most
        self._was_slow = False
        self._under_way = 0
        self._free = threading.Condition()
        self._average = 0.0  # of the times of answers since the limit was changed, weighted
        self._answers = 0  # since the limit was changed
        self._enough = _FIRST  # answers after which the limit may be changed again
        self._best = 0.0

    def begin(self) -> float:
        """Wait until a request may be sent; return the time by the monotonic clock."""
        with self._free:
            while self._under_way >= self.limit:
                self._free.wait()
            self._under_way += 1
        return time.monotonic()

    def end(self, began: float) -> None:
        """Record that the answer to a request has come."""
        took = time.monotonic() - began
        with self._free:
            self._under_way -= 1
            self._answers += 1
            self._average += (took - self._average) * max(_WEIGHT, 1 / self._answers)
            if self._answers >= self._enough:
                self._adjust()
            self._free.notify()

    def _adjust(self) -> None:
        self._best = min(self._best or self._average, self._average)
        slow = max(_SLOW, _SLOWER * self._best)
        if self._average > slow:
            self._was_slow = True
            self._change(max(1, self.limit // 2), _FIRST)
        elif self.limit < self._most and self._average < slow / 2:
            more = self.limit + 1 if self._was_slow else self.limit * 2
            self._change(min(self._most, more), _FIRST // 2)

    def _change(self, limit: int, enough: int) -> None:
        self.limit = limit
        self._answers = 0
        self._enough = enough
        self._free.notify_all()
