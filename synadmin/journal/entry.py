"""One entry of the journal: a request that changes something."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

NOT_SENT = "NOT_SENT"
"""The ``errcode`` of a request that never left: nothing was changed."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry whose answer is still to come.

    Attributes:
        fields: what is known before the answer.
        recorded: it is in the journal; false where that was not possible and the request goes out anyway.
    """

    fields: Mapping[str, Any]
    recorded: bool = True

    @property
    def id(self) -> str:
        """Return what other entries call this one: the run's id, a dash, a number."""
        return str(self.fields["id"]) if self.recorded else ""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run of synadmin that changed something.

    Attributes:
        run: its id.
        time: of its first request.
        command: what it did.
        server: the homeserver.
        user: the token's owner.
        arguments: the command line that goes on with it; empty: nothing is open; None: there is none.
        resumes: the run that this one goes on with.
        undoes: the run that this one takes back.
        ended: when it ended; None while it runs, and after a crash.
        code: its exit code; None for a run of an earlier version.
        requests: how many requests it sent.
        failed: how many of them were refused or never left.
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


def was_refused(status: int | None, errcode: str | None = None) -> bool:
    """Whether an answer says that the change was not made, or no request was sent."""
    if errcode == NOT_SENT:
        return True
    return status is not None and 400 <= status < 500 and status != 429  # noqa: PLR2004
