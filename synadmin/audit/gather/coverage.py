"""How much of a server an audit looks at: what is wanted, how long it may take, what was missed."""

import time
from collections.abc import Collection
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import TypeVar

from synadmin.audit.findings import Subject
from synadmin.errors import ConnectError, NotAuthenticatedError, NotPermittedError, SynadminError

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the rules need beyond what a room costs anyway.

    Attributes:
        rules: the ids of those that run.
        extremities: count the forward extremities of every room.
        tombstones: ask every room whether it was replaced.
        creators: ask every room of version 12 or later for all who count as its creators.
        failing: for how long a server has failed at least to be worth a look, in milliseconds.
        dormant: for how long an account was not used at least to be worth one, in milliseconds.
    """

    rules: Collection[str]
    extremities: bool = False
    tombstones: bool = False
    creators: bool = False
    failing: int = 0
    dormant: int = 0


@dataclass(frozen=True, slots=True)
class Missed:
    """What could not be looked at.

    Attributes:
        subject: what.
        reason: why.
        gone: it is no more, or the server has no such thing: nothing was overlooked.
    """

    subject: Subject
    reason: str
    gone: bool = False


class OutOfTimeError(Exception):
    """The time that the run may take is over."""


class Coverage:
    """What one run was to look at, and what it did look at.

    Attributes:
        wanted: what is asked for.
        now: when it began, in milliseconds since the epoch.
        missed: what could not be looked at.
        checked: how many rooms, users and servers were looked at.
        total_rooms: how many rooms the server has; None until it has said so.
    """

    def __init__(self, wanted: Wanted, *, until: float | None = None) -> None:
        """Begin, with nothing looked at.

        Args:
            wanted: what is asked for.
            until: the time of the monotonic clock, in seconds, at which the run ends.
        """
        self.wanted = wanted
        self.now = self.clock()
        self.missed: list[Missed] = []
        self.checked: dict[str, int] = {}
        self.total_rooms: int | None = None
        self._until = until

    @staticmethod
    def clock() -> int:
        """Return the time, in milliseconds since the epoch."""
        return int(time.time() * 1000)

    @property
    def is_over(self) -> bool:
        """Whether the time is up."""
        return self._until is not None and time.monotonic() >= self._until

    def awaited(self, future: Future[T]) -> T:
        """Wait for something, for as long as there is time.

        Raises:
            OutOfTimeError: the time was up first.
        """
        if self._until is None:
            return future.result()
        wait([future], timeout=max(0.0, self._until - time.monotonic()))
        if self.is_over:
            raise OutOfTimeError
        return future.result()

    def miss(self, subject: Subject, reason: str, *, gone: bool = False) -> None:
        """Remember what could not be looked at; ``gone`` where nothing was overlooked."""
        self.missed.append(Missed(subject, reason, gone))


def is_fatal(error: SynadminError) -> bool:
    """Tell whether after this error nothing else can be looked at either."""
    return isinstance(error, ConnectError | NotAuthenticatedError | NotPermittedError)
