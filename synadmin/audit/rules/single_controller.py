"""A room of ours with at least 3 local members that only one local user controls.

The option `local_members` sets from how many local members on this matters.

Why it matters

If this one user leaves or loses the password, no local user controls the room.

What it shows

    Only @alice:example.org controls the room; it has 12 local members.
    (details: user_id, local_members)

How to fix it

Give a second user the power level:

    synadmin room set-power '!chess:example.org' bob 100

or take control yourself:

    synadmin room make-admin '!chess:example.org'
"""

from collections.abc import Iterator, Mapping
from typing import Any

from synadmin.audit.facts import Need, RoomFacts
from synadmin.audit.findings import Found, Severity
from synadmin.audit.regain import way_to_regain

ID = "single-controller"
SEVERITY = Severity.WARNING
SUBJECT = RoomFacts
NEEDS = frozenset({Need.CREATORS, Need.WAY_TO_REGAIN})
OPTIONS: dict[str, Any] = {"local_members": 3}


def check(facts: RoomFacts, options: Mapping[str, Any]) -> Iterator[Found]:
    """Yield a finding for a room of ours that one local user alone controls."""
    members = facts.view.joined_local_members
    if not facts.is_ours or facts.everybody_controls or members < options["local_members"]:
        return
    if len(facts.controllers) != 1:
        return
    [alone] = facts.controllers
    yield Found(
        message=f"Only {alone} controls the room; it has {members} local members.",
        # If the token's owner is the only controller, the command would change nothing.
        fix=None if alone == facts.caller else way_to_regain(facts).command,
        details={"user_id": alone, "local_members": members},
    )
