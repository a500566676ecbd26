"""Background updates are disabled, or the same one has been running since the last baseline.

The second check compares with the baseline, so it needs `--baseline`.

Why it matters

Background updates bring the database up to a new version of Synapse. While one is stuck, searches and lists
may be slow or wrong, and the next upgrade of Synapse may refuse to start.

What it shows

    The background update event_search has been running since the last baseline.
    (details: update)

How to fix it

    synadmin background-update status
    synadmin background-update enable

Where an update makes no progress, Synapse's log says why.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from synadmin.audit.facts import Need, ServerFacts
from synadmin.audit.findings import Found, Severity
from synadmin.text import command

ID = "stuck-background-update"
SEVERITY = Severity.WARNING
SUBJECT = ServerFacts
NEEDS = frozenset({Need.BACKGROUND_UPDATES})
OPTIONS: dict[str, Any] = {}


def check(facts: ServerFacts, _options: Mapping[str, Any]) -> Iterator[Found]:
    """Yield a finding for background updates that are disabled or do not end."""
    running = facts.update_running
    if not facts.updates_enabled:
        yield Found(
            message="Background updates are disabled.",
            fix=command("background-update", "enable"),
            details={"update": running},
            part="disabled",
        )
    if running is not None and running == facts.update_at_baseline:
        yield Found(
            message=f"The background update {running} has been running since the last baseline.",
            fix=command("background-update", "status"),
            details={"update": running},
            part=running,
        )
