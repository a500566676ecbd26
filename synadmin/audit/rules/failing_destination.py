"""A server that shares rooms with us and that federation has not reached for 7 days.

The option `days` sets how long.

Why it matters

Messages from here do not arrive there. Often the other server is gone; sometimes the cause is our own
network, DNS or clock.

What it shows

    gone.example has not been reachable for 12 days; it shares 3 rooms with us.
    (details: server_name, failing_since, shared_rooms, days)

How to fix it

Check the server as other servers see it:

    synadmin federation check gone.example

When it is back, `synadmin federation reset gone.example` tries again at once. If it will not come back, add
an ignore, with the reason.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from synadmin.audit.facts import DAY, Need, ServerFacts
from synadmin.audit.findings import Found, Severity, Subject
from synadmin.columns import time_of
from synadmin.text import command

ID = "failing-destination"
SEVERITY = Severity.WARNING
SUBJECT = ServerFacts
NEEDS = frozenset({Need.DESTINATIONS})
OPTIONS: dict[str, Any] = {"days": 7}


def check(facts: ServerFacts, options: Mapping[str, Any]) -> Iterator[Found]:
    """Yield a finding for each server that shares rooms with us and cannot be reached."""
    for destination in facts.destinations:
        failing = facts.now - destination.failing_since
        if failing < options["days"] * DAY or not destination.shared_rooms:
            continue
        name, rooms, days = destination.server_name, destination.shared_rooms, failing // DAY
        shares = "1 room" if rooms == 1 else f"{rooms} rooms"
        for_days = "1 day" if days == 1 else f"{days} days"
        yield Found(
            subject=Subject("destination", name),
            message=f"{name} has not been reachable for {for_days}; it shares {shares} with us.",
            fix=command("federation", "show", name),
            details={
                "server_name": name,
                "failing_since": time_of(destination.failing_since),
                "shared_rooms": rooms,
                "days": days,
            },
        )
