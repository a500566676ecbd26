"""A scheduled task of the server that failed.

Deleting rooms, purging history and redacting a user's events are such tasks. Synapse keeps them for a week.

Why it matters

For example, the deletion of a room was started, but the room still exists.

What it shows

    The task shutdown_and_purge_room failed on 2026-03-01: database is locked.
    (details: action, error, at)

How to fix it

    synadmin task list --status failed

Then run the failed task again.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from synadmin.audit.facts import Need, ServerFacts
from synadmin.audit.findings import Found, Severity, Subject
from synadmin.columns import time_of
from synadmin.text import command

ID = "failed-task"
SEVERITY = Severity.WARNING
SUBJECT = ServerFacts
NEEDS = frozenset({Need.FAILED_TASKS})
OPTIONS: dict[str, Any] = {}


def check(facts: ServerFacts, _options: Mapping[str, Any]) -> Iterator[Found]:
    """Yield a finding for each task that failed."""
    for task in facts.tasks:
        at = time_of(task.at)
        on = f" on {at[:10]}" if at else ""
        yield Found(
            subject=Subject("task", task.id, task.action),
            message=f"The task {task.action} failed{on}: {task.error or 'the server does not say why'}.",
            fix=command("task", "list", "--status", "failed"),
            details={"action": task.action, "error": task.error, "at": at},
        )
