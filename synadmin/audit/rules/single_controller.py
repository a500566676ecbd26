"""A room of ours, of at least 3 local members, that hangs on one person.

Exactly one user of this server controls it. How many local members it takes to matter is the option
`local_members`.

Why it matters

One departure, one lost password, one quarrel, and nobody controls the room any more.

What it shows

    Of the 12 local members only @alice:example.org controls the room.
    (details: user_id, local_members)

How to fix it

Give a second person the power:

    synadmin room set-power '!chess:example.org' bob 100

or take it yourself:

    synadmin room make-admin '!chess:example.org'
"""

from collections.abc import Iterator, Mapping
from typing import Any

from synadmin.audit.facts import RoomFacts
from synadmin.audit.findings import Finding, Severity
from synadmin.audit.regain import way_in

ID = "single-controller"
SEVERITY = Severity.WARNING
SUBJECT = RoomFacts
OPTIONS: dict[str, Any] = {"local_members": 3}


def check(facts: RoomFacts, options: Mapping[str, Any]) -> Iterator[Finding]:
    """Find a room of ours that one local user alone controls."""
    members = facts.view.joined_local_members
    if not facts.is_ours or facts.everybody_controls or members < options["local_members"]:
        return
    if len(facts.controllers) != 1:
        return
    [alone] = facts.controllers
    yield Finding(
        rule=ID,
        severity=SEVERITY,
        subject=facts.subject,
        message=f"Of the {members} local members only {alone} controls the room.",
        # Whoever would run it is not a second person where they are the one.
        fix=None if alone == facts.caller else way_in(facts).command,
        details={"user_id": alone, "local_members": members},
    )
