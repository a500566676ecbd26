"""How much of a server an audit has checked, and how long it may go on."""

import time
from collections.abc import Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import Any, TypeVar

from synadmin.audit.facts import Need
from synadmin.audit.findings import Skipped, Subject
from synadmin.errors import NotAuthenticatedError, NotPermittedError, SynadminError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Needs:
    """The needs of the enabled rules, each with the options of the rules that have it."""

    options: Mapping[Need, Mapping[str, Any]]

    def __contains__(self, need: object) -> bool:
        """Whether a rule that runs needs it."""
        return need in self.options


class OutOfTimeError(Exception):
    """The time limit of the run is over."""


class Coverage:
    """The coverage of one run: what it checks, what it has checked, and what it skipped.

    Attributes:
        now: when the run began, in milliseconds since the epoch.
        skipped: subjects that could not be checked.
        checked: how many rooms, users and servers were checked.
        total_rooms: how many rooms the server lists; None until it has said so.
    """

    def __init__(self, needs: Needs, *, until: float | None = None) -> None:
        """Create the coverage of a run that has checked nothing.

        Args:
            needs: the needs of the rules.
            until: the time of the monotonic clock, in seconds, at which the run ends.
        """
        self.needs = needs
        self.now = self.clock()
        self.skipped: list[Skipped] = []
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
        """Wait for a result, for as long as there is time.

        Raises:
            OutOfTimeError: the time limit was reached first.
            GaveUpError: the job was not started, because too many before it had failed.
        """
        if self._until is None:
            return future.result()
        wait([future], timeout=max(0.0, self._until - time.monotonic()))
        if self.is_over:
            raise OutOfTimeError
        return future.result()

    def skip(self, subject: Subject, reason: str, *, gone: bool = False) -> None:
        """Record a subject that could not be checked; ``gone``: it no longer exists."""
        self.skipped.append(Skipped(subject, reason, gone))


def is_fatal(error: SynadminError) -> bool:
    """Whether nothing else can be checked after this error: the token is not a server admin's."""
    return isinstance(error, NotAuthenticatedError | NotPermittedError)
