"""A room of ours whose controllers are all suspended, locked, or unseen for 90 days.

The rule considers all local users who are joined with a power level that is enough for control. The option
`days` sets how long they may be unseen. Accounts of bridges and bots (application services) always count as
active: the server does not record when they are used.

Why it matters

The admins of the room do not answer when you need them.

What it shows

    All users who control the room are inactive: @alice:example.org (suspended), @bob:example.org (last seen
    2024-01-31).
    (details: users, each with state and seen)

How to fix it

    synadmin room make-admin '!chess:example.org'

or give an active user the power level with `synadmin room set-power`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from synadmin.audit.facts import Need, RoomFacts
from synadmin.audit.findings import Found, Severity
from synadmin.audit.regain import way_to_regain
from synadmin.columns import time_of
from synadmin.ids import UserId
from synadmin.power.room import AccountState

ID = "inactive-controller"
SEVERITY = Severity.WARNING
SUBJECT = RoomFacts
NEEDS = frozenset({Need.CREATORS, Need.WAY_TO_REGAIN})
OPTIONS: dict[str, Any] = {"days": 90}


def check(facts: RoomFacts, options: Mapping[str, Any]) -> Iterator[Found]:
    """Yield a finding for a room of ours whose controllers are all inactive."""
    if not facts.is_ours or not facts.holders or facts.is_for_server_notices:
        return
    if facts.everybody_controls and facts.view.unknown_local_members:
        return
    inactive = {user: _inactivity(facts, user, options["days"]) for user in facts.holders}
    if not all(inactive.values()):
        return
    yield Found(
        message="All users who control the room are inactive: "
        f"{', '.join(f'{user} ({how})' for user, how in inactive.items())}.",
        fix=None if facts.caller in inactive else way_to_regain(facts).command,
        details={"users": [{"user_id": user, **_details(facts, user)} for user in inactive]},
    )


def _inactivity(facts: RoomFacts, user: UserId, days: int) -> str | None:
    """Return how a user is inactive; None where they are active."""
    state = facts.view.account_of(user).state
    if state is not AccountState.ACTIVE:
        return str(state)
    account = facts.accounts.get(user)
    return account.last_seen if account is not None and account.is_dormant(days) else None


def _details(facts: RoomFacts, user: UserId) -> dict[str, Any]:
    account = facts.accounts.get(user)
    seen = None if account is None else account.seen
    return {"state": str(facts.view.account_of(user).state), "seen": time_of(seen)}
