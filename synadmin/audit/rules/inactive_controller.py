"""A room of ours that only those control who are suspended, locked, or were not seen for 90 days.

All users of this server who are in the room with a level that is enough. How long they may be away is
the option `days`. Accounts of bridges and bots (application services) are never taken for away: the
server does not record when they are used.

Why it matters

On paper the room has an admin. On the day when one is needed, nobody answers.

What it shows

    All who control the room are away: @alice:example.org (suspended), @bob:example.org (last seen
    2024-01-31).
    (details: users, each with state and seen)

How to fix it

    synadmin room make-admin '!chess:example.org'

or give somebody who is still around a level with `synadmin room set-power`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from synadmin.audit.facts import RoomFacts
from synadmin.audit.findings import Finding, Severity
from synadmin.audit.regain import way_in
from synadmin.ids import UserId
from synadmin.power.room import AccountState
from synadmin.render import time_of

ID = "inactive-controller"
SEVERITY = Severity.WARNING
SUBJECT = RoomFacts
OPTIONS: dict[str, Any] = {"days": 90}


def check(facts: RoomFacts, options: Mapping[str, Any]) -> Iterator[Finding]:
    """Find a room of ours all of whose controllers are away."""
    if not facts.is_ours or not facts.holders:
        return
    if facts.everybody_controls and facts.view.unknown_local_members:
        return
    away = {user: _away(facts, user, options["days"]) for user in facts.holders}
    if not all(away.values()):
        return
    yield Finding(
        rule=ID,
        severity=SEVERITY,
        subject=facts.subject,
        message="All who control the room are away: "
        f"{', '.join(f'{user} ({how})' for user, how in away.items())}.",
        fix=None if facts.caller in away else way_in(facts).command,
        details={"users": [{"user_id": user, **_known(facts, user)} for user in away]},
    )


def _away(facts: RoomFacts, user: UserId, days: int) -> str | None:
    """Say how a user is away; None where they are not."""
    state = facts.view.account_of(user).state
    if state is not AccountState.ACTIVE:
        return str(state)
    account = facts.accounts.get(user)
    return account.last_seen if account is not None and account.is_dormant(days) else None


def _known(facts: RoomFacts, user: UserId) -> dict[str, Any]:
    account = facts.accounts.get(user)
    seen = None if account is None else account.seen
    return {"state": str(facts.view.account_of(user).state), "seen": time_of(seen)}
