"""Background updates are disabled, or the same one has been running since the last baseline.

What the baseline remembers is compared, so the second needs `--baseline`.

Why it matters

Background updates bring the database up to a new version of Synapse. While one is stuck, searches and
lists may be slow or wrong, and the next upgrade of Synapse may refuse to start.

What it shows

    The background update event_search has been running since the last baseline.
    (details: update)

How to fix it

    synadmin background-update status
    synadmin background-update enable

One that makes no progress tells why in Synapse's log.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from synadmin.audit.facts import ServerFacts
from synadmin.audit.findings import Finding, Severity
from synadmin.audit.regain import command

ID = "stuck-background-update"
SEVERITY = Severity.WARNING
SUBJECT = ServerFacts
OPTIONS: dict[str, Any] = {}


def check(facts: ServerFacts, _options: Mapping[str, Any]) -> Iterator[Finding]:
    """Find background updates that do not come to an end."""
    running = facts.update_running
    if not facts.updates_enabled:
        yield Finding(
            rule=ID,
            severity=SEVERITY,
            subject=facts.subject,
            message="Background updates are disabled.",
            fix=command("background-update", "enable"),
            details={"update": running},
            part="disabled",
        )
    if running is not None and running == facts.update_at_baseline:
        yield Finding(
            rule=ID,
            severity=SEVERITY,
            subject=facts.subject,
            message=f"The background update {running} has been running since the last baseline.",
            fix=command("background-update", "status"),
            details={"update": running},
            part=running,
        )
