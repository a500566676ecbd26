"""The result of ``room make-admin`` for one room."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from tests.live.conftest import Answer


@dataclass(frozen=True)
class RoomResult:
    """What ``room make-admin -o json`` printed for one room, and its exit code."""

    code: int
    record: dict[str, Any]
    stderr: str

    @classmethod
    def by(cls, answer: Answer) -> Self:
        assert answer.stdout, answer.stderr
        records = json.loads(answer.stdout)
        assert len(records) == 1, answer.stderr
        return cls(answer.code, records[0], answer.stderr)

    @property
    def verdict(self) -> tuple[int, str, str | None, str | None]:
        """The exit code, outcome, reason and reach."""
        return self.code, self.record["outcome"], self.record["reason"], self.record["reach"]

    @property
    def message(self) -> str:
        return str(self.record["message"])

    @property
    def levels(self) -> tuple[object, object]:
        """The target's level before and after."""
        level = self.record["power_level"]
        return level["before"], level["after"]

    @property
    def memberships(self) -> tuple[str, str]:
        """The target's membership before and after."""
        membership = self.record["membership"]
        return membership["before"], membership["after"]

    @property
    def steps(self) -> list[tuple[str, str, str]]:
        """The action, the acting user and the status of each step."""
        return [(step["action"], step["as"], step["status"]) for step in self.record["steps"]]

    @property
    def actions(self) -> list[str]:
        """The actions of the steps, all of which are done."""
        assert {step["status"] for step in self.record["steps"]} <= {"done"}, self.record
        return [step["action"] for step in self.record["steps"]]
