"""A room with more than 10,000 state events, or, where asked for, more than 10 forward extremities.

The limits are the options `state_events` and `extremities`. How many forward extremities a room has costs
a request for each room, so they are looked at only with `look_at_extremities = true`.

Why it matters

Joining such a room, and each event in it, costs the server time and memory; one of them can slow down
everybody.

What it shows

    The room has 84210 state events.
    (details: state_events, forward_extremities)

How to fix it

Extremities can be tidied:

    synadmin room forward-extremities '!chess:example.org' --clear

State events cannot be taken away. Upgrade the room, which begins a new one without them, or, where nobody
here needs it, `synadmin room delete`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from synadmin.audit.facts import RoomFacts
from synadmin.audit.findings import Finding, Severity
from synadmin.audit.regain import command

ID = "complex-room"
SEVERITY = Severity.INFO
SUBJECT = RoomFacts
OPTIONS: dict[str, Any] = {"state_events": 10_000, "look_at_extremities": False, "extremities": 10}


def check(facts: RoomFacts, options: Mapping[str, Any]) -> Iterator[Finding]:
    """Find a room that costs the server much."""
    extremities = facts.forward_extremities or 0
    found = []
    if facts.state_events > options["state_events"]:
        found.append(f"{facts.state_events} state events")
    many = extremities > options["extremities"]
    if many:
        found.append(f"{extremities} forward extremities")
    if not found:
        return
    yield Finding(
        rule=ID,
        severity=SEVERITY,
        subject=facts.subject,
        message=f"The room has {' and '.join(found)}.",
        fix=command("room", "forward-extremities", facts.room_id, "--clear") if many else None,
        details={"state_events": facts.state_events, "forward_extremities": facts.forward_extremities},
    )
