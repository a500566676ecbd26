"""A user id of this server that has power in a room, but no account.

The rule looks up each user id with more power than the default, creators included. Deactivated accounts
exist: their names cannot be registered again. The same holds for the name that the server uses for its
notices, and for names that an application service has reserved.

Additional creators of a room of version 12 or later are looked up on servers of up to 250 rooms, and
elsewhere where it may matter. With `look_at_creators = true` they are looked up in every such room, which
costs a request for each.

Why it matters

A user who registers that name has the power as soon as they join. Where registration is open, anyone can
register it. Usually the cause is a typing error when an admin was named.

What it shows

    @alcie:example.org has power level 100, but no such account exists: anyone who registers the name gets it.
    (details: user_id, power_level)

How to fix it

Remove the power, if a local user has a higher level:

    synadmin room demote '!chess:example.org' @alcie:example.org

Otherwise register the name yourself:

    synadmin user create @alcie:example.org
    synadmin user deactivate @alcie:example.org
"""

from collections.abc import Iterator, Mapping
from typing import Any

from synadmin.audit.facts import Need, RoomFacts, has_level
from synadmin.audit.findings import Found, Severity
from synadmin.audit.regain import command_to_edit
from synadmin.ids import UserId
from synadmin.power.level_changes import Edit
from synadmin.power.levels import format_level
from synadmin.power.room import AccountState, Reach
from synadmin.text import command

ID = "ghost-power"
SEVERITY = Severity.ERROR
SUBJECT = RoomFacts
NEEDS = frozenset({Need.CREATORS})
OPTIONS: dict[str, Any] = {"look_at_creators": False}


def check(facts: RoomFacts, _options: Mapping[str, Any]) -> Iterator[Found]:
    """Yield a finding for each user with power who does not exist."""
    view = facts.view
    if not view.in_room:
        return
    for user in facts.local_with_power:
        if view.account_of(user).state is not AccountState.MISSING or user in facts.reserved:
            continue
        level = view.levels.level_of(user)
        follows = ": anyone who registers the name gets it" if _can_be_registered(facts, user) else ""
        yield Found(
            message=f"{user} {has_level(level)}, but no such account exists{follows}.",
            fix=_fix(facts, user),
            details={"user_id": user, "power_level": format_level(level)},
            part=user,
        )


def _fix(facts: RoomFacts, user: UserId) -> str | None:
    demote = None
    if not facts.view.levels.is_creator(user):
        demote = command_to_edit(facts, Edit(users={user: None}), "room", "demote", facts.room_id, user)
    # Where the Matrix Authentication Service manages the accounts, they are created there.
    if demote is None and _can_be_registered(facts, user) and facts.possible is not Reach.API:
        return command("user", "create", user)
    return demote


def _can_be_registered(facts: RoomFacts, user: UserId) -> bool:
    account = facts.accounts.get(user)
    return account is None or account.nameable
