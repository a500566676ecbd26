"""A room of version 12 or later without an active creator, or with only one.

From room version 12 on the creators of a room are above every power level: they own it, and no user can
become a creator later. A creator counts as active if they are joined and their account is active; a creator
on another server counts where they are in the room. The rule finds

- a room without an active creator on your server, in which a local user has control or which is ours;
- a room of ours with at least 3 local members that has a single creator (info). The option
  `local_members` sets from how many local members on this matters.

On a server with more than 250 rooms, additional creators are read only where the first one is not
active.

Why it matters

Some actions need more than any power level, such as lowering an admin with the same level. They are
impossible without a creator. In rooms that Synapse makes in version 12 that includes the next upgrade.

What it shows

    No creator of the room is active here: @alice:example.org (left).
    @alice:example.org is the only creator of the room; it has 12 local members.
    (details: local_members, creators, each with state)

How to fix it

Upgrade the room, and name the creators of the new one:

    synadmin room upgrade '!chess:example.org' --to-version 12 --creator alice --creator bob

Where no local user may upgrade it, bring a creator back for a short time first:

    synadmin room make-admin '!chess:example.org' --allow reactivate
"""

from collections.abc import Iterator, Mapping
from typing import Any

from synadmin.audit.facts import Need, RoomFacts
from synadmin.audit.findings import Found, Severity
from synadmin.ids import UserId
from synadmin.power import rules
from synadmin.power.events import TOMBSTONE
from synadmin.power.room import AccountState, Reach
from synadmin.text import command

ID = "owner-gone"
SEVERITY = Severity.WARNING
SUBJECT = RoomFacts
NEEDS = frozenset({Need.CREATORS, Need.OWNERS})
OPTIONS: dict[str, Any] = {"local_members": 3}


def check(facts: RoomFacts, options: Mapping[str, Any]) -> Iterator[Found]:
    """Yield a finding for a room whose creators are not active, or that has a single one."""
    view = facts.view
    if not view.levels.version.creator_power or not view.in_room or facts.is_for_server_notices:
        return
    if facts.tombstoned or not (facts.is_ours or facts.controllers):
        return
    states = {user: _state(facts, user) for user in view.creators}
    active = [user for user, state in states.items() if state == "active"]
    members = view.joined_local_members
    details = {
        "creators": [{"user_id": user, "state": state} for user, state in states.items()],
        "local_members": members,
    }
    if not any(view.is_local(user) for user in active):
        named = ", ".join(f"{user} ({state})" for user, state in states.items() if state != "active")
        elsewhere = ", ".join(f"{user} (on another server)" for user in active)
        yield Found(
            message=f"No creator of the room is active here: {', '.join(filter(None, (named, elsewhere)))}.",
            fix=_fix(facts),
            details=details,
        )
    elif facts.all_creators and len(active) == 1 and facts.is_ours and members >= options["local_members"]:
        yield Found(
            message=f"{active[0]} is the only creator of the room; it has {members} local members.",
            fix=_fix(facts),
            details=details,
            severity=Severity.INFO,
        )


def _state(facts: RoomFacts, user: UserId) -> str:
    """Return ``active``, ``left``, or the state of an account that is not active."""
    view = facts.view
    if view.is_local(user):
        state = view.account_of(user).state
        if state is not AccountState.ACTIVE:
            return str(state)
        return "active" if view.membership_of(user) == "join" else "left"
    # A user of another server counts as joined unless it is known that they are not.
    return "active" if view.memberships.get(user, "join") == "join" else "left"


def _fix(facts: RoomFacts) -> str | None:
    """Return the upgrade that makes the token's owner a creator; None where no local user may upgrade."""
    caller = facts.caller
    able = [user for user in facts.controllers if rules.sending_state(facts.view, user, TOMBSTONE) is None]
    others = [user for user in able if user != caller]
    if caller is None or not able or (caller not in able and facts.possible < Reach.IMPERSONATE):
        return None
    upgrade = ["room", "upgrade", facts.room_id, "--to-version", facts.view.version, "--creator", caller]
    if caller not in able:
        return command(*upgrade, "--allow", "impersonate")
    # Their own upgrade would leave them as the only creator.
    return None if facts.view.levels.is_creator(caller) or not others else command(*upgrade)
