"""A personal token with admin rights that expires soon.

Only where the Matrix Authentication Service (MAS) manages the accounts. A token that was made for less than
two days is not reported.

Why it matters

After its expiry, programs that use it fail, such as a nightly audit or a backup.

What it shows

    The token "nightly audit" of @bob:example.org expires at 2026-11-24T09:30:00Z.
    (details: user_id, session, expires)

How to fix it

    synadmin mas token create audit-bot --name "nightly audit" --expires 90d

and put the new token in place of the old one.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from synadmin.audit.facts import DAY, Need, ServerFacts
from synadmin.audit.findings import Found, Severity
from synadmin.columns import time_of

ID = "token-expires-soon"
SEVERITY = Severity.WARNING
SUBJECT = ServerFacts
NEEDS = frozenset({Need.MAS_SESSIONS})
OPTIONS: dict[str, Any] = {"days": 7}

_SHORT = 2 * DAY


def check(facts: ServerFacts, options: Mapping[str, Any]) -> Iterator[Found]:
    """Yield a finding for each personal token with admin rights that ends within so many days."""
    for session in facts.mas_sessions:
        if session.kind != "personal" or not session.is_admin or session.expires is None:
            continue
        if session.expires - session.created < _SHORT:
            continue
        if facts.now < session.expires <= facts.now + options["days"] * DAY:
            end = time_of(session.expires)
            yield Found(
                subject=session.subject,
                message=f'The token "{session.name}" of {session.user_id} expires at {end}.',
                details={"user_id": session.user_id, "session": session.id, "expires": end},
            )
