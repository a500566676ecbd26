"""A server that federation has failed to reach for 7 days, and that shares rooms with us.

How long is the option `days`.

Why it matters

Users here and there write past each other: nothing that is said here arrives. Often the other server is
gone; now and then it is our own network, DNS or clock.

What it shows

    gone.example has not been reachable for 12 days; it shares 3 rooms with us.
    (details: server_name, failing_since, shared_rooms, days)

How to fix it

See what is wrong with it, as other servers see it:

    synadmin federation check gone.example

When it is back, `synadmin federation reset gone.example` tries at once. When it is gone for good, ignore
it, with the reason.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from synadmin.audit.facts import DAY, ServerFacts
from synadmin.audit.findings import Finding, Severity, Subject
from synadmin.audit.regain import command
from synadmin.render import time_of

ID = "failing-destination"
SEVERITY = Severity.WARNING
SUBJECT = ServerFacts
OPTIONS: dict[str, Any] = {"days": 7}


def check(facts: ServerFacts, options: Mapping[str, Any]) -> Iterator[Finding]:
    """Find servers that share rooms with us and cannot be reached."""
    for destination in facts.destinations:
        failing = facts.now - destination.failing_since
        if failing < options["days"] * DAY or not destination.shared_rooms:
            continue
        name, rooms, days = destination.server_name, destination.shared_rooms, failing // DAY
        shares = "a room" if rooms == 1 else f"{rooms} rooms"
        for_days = "1 day" if days == 1 else f"{days} days"
        yield Finding(
            rule=ID,
            severity=SEVERITY,
            subject=Subject("destination", name),
            message=f"{name} has not been reachable for {for_days}; it shares {shares} with us.",
            fix=command("federation", "check", name),
            details={
                "server_name": name,
                "failing_since": time_of(destination.failing_since),
                "shared_rooms": rooms,
                "days": days,
            },
        )
