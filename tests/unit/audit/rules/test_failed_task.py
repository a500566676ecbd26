"""Scheduled tasks of the server that failed."""

from __future__ import annotations

from synadmin.audit.facts import TaskFacts
from synadmin.audit.rules import failed_task as rule
from tests.unit.audit.rules.case import finding, noon_of, server

FOUND = server(
    tasks=(
        TaskFacts(
            id="x1", action="shutdown_and_purge_room", error="database is locked", at=noon_of(2026, 3, 1)
        ),
    )
)
PASSED = {"no task failed": server()}


def test_finding_names_the_task() -> None:
    found = finding(rule, FOUND)
    assert (found.subject.id, found.subject.name) == ("x1", "shutdown_and_purge_room")
    assert found.fix == "synadmin task list --status failed"


def test_task_without_an_error_text_is_found() -> None:
    task = TaskFacts(id="x1", action="redact", error=None, at=noon_of(2026, 3, 1))
    assert finding(rule, server(tasks=(task,))).message == (
        "The task redact failed on 2026-03-01: the server does not say why."
    )
