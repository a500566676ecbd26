"""What a rule finds."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal


class Severity(StrEnum):
    """How much a finding matters."""

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

    type: Literal["room", "user", "server", "token", "report", "destination", "task", "ignore"]
    id: str
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something an administrator should know.

    Attributes:
        rule: the id of the rule that found it.
        severity: how much it matters.
        subject: what it is about.
        message: what is so, in one sentence.
        fix: a command to run, where there is one.
        details: numbers and names behind it.
        part: which of several things that the rule can find about one subject: the user, where it is about
            power in a room. A second ghost in a room is news, though the room was known for the first.
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
        """Return what tells it from others, run after run."""
        return self.rule, self.subject.type, self.subject.id, self.part


Check = Callable[..., Iterator[Finding]]
