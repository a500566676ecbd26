"""The findings of rules."""

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
        """Return a number: the more severe, the higher."""
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
        gone: it was deleted, or the server has no such thing: so no finding was missed.
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
        part: distinguishes several findings of the rule about one subject: for power in a room, it is the
            user. So a second ghost in a room is new, though the first one is known.
        subject: its subject, if this is not the subject of the facts.
        severity: how much it matters, if this is not the rule's severity.
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
        """Return the key that identifies the finding in every run."""
        return self.rule, self.subject.type, self.subject.id, self.part
