"""What a rule finds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal


class Severity(StrEnum):
    """The severity of a finding."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"

    @property
    def rank(self) -> int:
        """Return a number that is higher the more it matters."""
        return list(Severity).index(self)


@dataclass(frozen=True, slots=True)
class Subject:
    """What a finding is about."""

    type: Literal["room", "user", "server", "token", "report", "destination", "task", "session", "ignore"]
    id: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Skipped:
    """A subject that was not checked, and the reason.

    Attributes:
        gone: it was deleted, or the server has no such thing: nothing was overlooked.
    """

    subject: Subject
    reason: str
    gone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The result of a rule; the engine turns it into a :class:`Finding`.

    Attributes:
        message: the state of the subject, in one sentence.
        fix: a command that works, or None.
        details: numbers and names behind it.
        part: which of several findings that the rule can have about one subject: the user, where it is about
            power in a room. A second ghost in a room is new, though the room was known for the first.
        subject: its subject, where that is not the subject of the facts.
        severity: how much it matters, where that is not the rule's severity.
    """

    message: str
    fix: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    part: str = ""
    subject: Subject | None = None
    severity: Severity | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A finding of an audit.

    Attributes:
        rule: the id of the rule that found it.
        severity: how much it matters.
        subject: its subject.
        message: the state of the subject, in one sentence.
        fix: a command that works, or None.
        details: numbers and names behind it.
        part: as in :class:`Found`.
    """

    rule: str
    severity: Severity
    subject: Subject
    message: str
    fix: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    part: str = ""

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Return what distinguishes it from others, run after run."""
        return self.rule, self.subject.type, self.subject.id, self.part
