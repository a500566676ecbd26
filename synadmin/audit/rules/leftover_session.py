"""A session to act as a user that a run of synadmin has left.

Only where the Matrix Authentication Service (MAS) manages the accounts. synadmin names such a session for its
run, and revokes it afterwards. One that is past its ten minutes was left by a crash.

Why it matters

Its token has expired and cannot be used. But the run may have left other things: a reactivated account, a
user in a room.

What it shows

    The run 20261121T093000-a1b2c3 has left a session of @bob:example.org.
    (details: user_id, session, run)

How to fix it

    synadmin journal resume 20261121T093000-a1b2c3

or, where the journal of the run is gone, `synadmin mas token revoke` with the id of the session.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from synadmin.audit.facts import Need, ServerFacts
from synadmin.audit.findings import Found, Severity
from synadmin.text import command

ID = "leftover-session"
SEVERITY = Severity.WARNING
SUBJECT = ServerFacts
NEEDS = frozenset({Need.MAS_SESSIONS})
OPTIONS: dict[str, Any] = {}

_NAME = re.compile(r"synadmin (\d{8}T\d{6}-[0-9a-f]{6})-\d+")


def check(facts: ServerFacts, _options: Mapping[str, Any]) -> Iterator[Found]:
    """Yield a finding for each session of a run that is past its time, and was not revoked."""
    for session in facts.mas_sessions:
        named = _NAME.fullmatch(session.name or "")
        if session.kind != "personal" or named is None:
            continue
        if session.expires is None or session.expires > facts.now:
            continue
        yield Found(
            subject=session.subject,
            message=f"The run {named[1]} has left a session of {session.user_id}.",
            fix=command("mas", "token", "revoke", session.id),
            details={"user_id": session.user_id, "session": session.id, "run": named[1]},
        )
