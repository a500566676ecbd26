"""A room with more than 10,000 state events, or, where asked for, more than 10 forward extremities.

The options `state_events` and `extremities` set the limits. Counting the forward extremities costs a request
for each room, so they are counted only with `look_at_extremities = true`.

Why it matters

Joining such a room, and each event in it, costs the server time and memory. A single such room can slow down
the whole server.

What it shows

    The room has 84210 state events.
    (details: state_events, forward_extremities)

How to fix it

Clean up the forward extremities:

    synadmin room forward-extremities '!chess:example.org' --clear

State events cannot be removed. Upgrade the room, which starts a new room without them. Where no local user
needs the room, use `synadmin room delete`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from synadmin.audit.facts import Need, RoomFacts
from synadmin.audit.findings import Found, Severity
from synadmin.text import command

ID = "complex-room"
SEVERITY = Severity.INFO
SUBJECT = RoomFacts
NEEDS = frozenset({Need.SIZE, Need.EXTREMITIES})
OPTIONS: dict[str, Any] = {"state_events": 10_000, "look_at_extremities": False, "extremities": 10}


def check(facts: RoomFacts, options: Mapping[str, Any]) -> Iterator[Found]:
    """Yield a finding for a room that costs the server much."""
    extremities = facts.forward_extremities or 0
    counts = []
    if facts.state_events > options["state_events"]:
        counts.append(f"{facts.state_events} state events")
    many = extremities > options["extremities"]
    if many:
        counts.append(f"{extremities} forward extremities")
    if not counts:
        return
    yield Found(
        message=f"The room has {' and '.join(counts)}.",
        fix=command("room", "forward-extremities", facts.room_id, "--clear") if many else None,
        details={"state_events": facts.state_events, "forward_extremities": facts.forward_extremities},
    )
