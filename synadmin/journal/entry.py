"""One entry of the journal: a request that changes something."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

NOT_SENT = "NOT_SENT"
"""The ``errcode`` of a request that was not sent: nothing was changed."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry without an answer yet.

    Attributes:
        fields: the fields that are known before the answer.
        recorded: whether it is in the journal; False where writing failed and the request is sent anyway.
    """

    fields: Mapping[str, Any]
    recorded: bool = True

    @property
    def id(self) -> str:
        """The id that other entries refer to: the run's id, a dash, a number; empty if it is not recorded."""
        return str(self.fields["id"]) if self.recorded else ""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run of synadmin that changed something.

    Attributes:
        time: of its first request.
        user: the token's owner.
        arguments: the command line that continues it; empty: nothing is left to do; None: there is none.
        resumes: the run that this one continues.
        undoes: the run whose changes this one reverses.
        ended: when it ended; None while it runs, and after a crash.
        code: its exit code; None for a run of an earlier version.
        requests: how many requests it sent.
        failed: how many of them were refused or not sent.
        unknown: how many of them got no answer.
    """

    run: str
    time: str
    command: str | None
    server: str
    user: str | None
    arguments: tuple[str, ...] | None
    resumes: str | None
    undoes: str | None
    ended: str | None
    code: int | None
    requests: int
    failed: int
    unknown: int

    @property
    def is_finished(self) -> bool:
        """Whether the run ended with nothing left to do."""
        return self.ended is not None and (self.code in {None, 0, 5} or self.arguments == ())


def now() -> str:
    """Return the current time for the journal: ISO 8601, UTC, with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def was_refused(status: int | None, errcode: str | None = None) -> bool:
    """Whether the change was not made: the server refused it, or the request was not sent."""
    if errcode == NOT_SENT:
        return True
    return status is not None and 400 <= status < 500 and status != 429  # noqa: PLR2004
