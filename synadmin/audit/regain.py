"""The commands that findings name: to regain a room, to change its levels, to revoke an admin right."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from synadmin.audit.facts import RoomFacts, ServerFacts
from synadmin.ids import UserId
from synadmin.power.room import AccountState, Goal, Reach
from synadmin.text import command

if TYPE_CHECKING:
    from synadmin.power.level_changes import Edit


@dataclass(frozen=True, slots=True)
class WayToRegain:
    """The way in which the owner of the token would get control of a room.

    Attributes:
        reach: the least reach that is enough; None where none is.
        reason: why Make Room Admin alone is not enough; None where it is.
        message: the state of the room and its consequence, in a sentence.
        command: the command to run; None where none would succeed.
    """

    reach: Reach | None
    reason: str | None
    message: str
    command: str | None


def way_to_regain(facts: RoomFacts) -> WayToRegain:
    """Return how the token's owner would get control; if the owner is not known, any server admin."""
    # Several rules need the plan, and an audit runs rules more than once: so it is made once.
    kept = vars(facts)
    if "way_to_regain" not in kept:
        kept["way_to_regain"] = _planned(facts)
    way: WayToRegain = kept["way_to_regain"]
    return way


def _planned(facts: RoomFacts) -> WayToRegain:
    # Loading the planner takes a tenth of the start of an audit, so it is loaded only for a finding.
    from synadmin.power.planner import plan
    from synadmin.power.steps import Plan

    caller = facts.caller or UserId(f"@admin:{facts.view.server_name}")
    planned = plan(facts.view, Goal(target=caller, caller=caller, possible=facts.possible))
    make_admin = ("room", "make-admin", facts.room_id)
    if isinstance(planned, Plan):
        return WayToRegain(planned.reach, None, planned.message, command(*make_admin))
    if planned.reach is not None:
        with_reach = command(*make_admin, "--allow", str(planned.reach))
        return WayToRegain(planned.reach, planned.reason, planned.message, with_reach)
    # The last resort for a lost room; it does not help where the token's owner is the obstacle.
    lost = planned.reason in {"no-local-power", "insufficient-power"}
    replace = command("room", "replace", facts.room_id, "--admin", caller, "--dry-run")
    return WayToRegain(None, planned.reason, planned.message, replace if lost else None)


def command_to_edit(facts: RoomFacts, edit: "Edit", *words: str) -> str | None:
    """Return the command that changes levels, with its reach; None where it would be refused."""
    from synadmin.power import level_changes

    view = facts.view
    if not level_changes.changes(view, edit) or level_changes.locks_everybody_out(view, edit):
        return None
    if level_changes.takes_last_local_control(view, edit):
        return None
    reaches = [
        reach
        for user in level_changes.possible_actors(view, edit, joined=True)
        if (reach := _reach_as(facts, user)) is not None
    ]
    if not reaches:
        return None
    return command(*words, *(["--allow", str(min(reaches))] if min(reaches) else []))


def command_to_revoke_admin(facts: ServerFacts, user: UserId) -> str | None:
    """Return the command that revokes a user's right of a server admin; None where it would be refused."""
    # No admin can revoke their own right. Where MAS manages the accounts, it manages the right, too.
    if user == facts.caller or facts.delegated:
        return None
    return command("user", "admin", "revoke", user)


def _reach_as(facts: RoomFacts, user: UserId) -> Reach | None:
    """Return the reach that acting as a local user needs; None where it is impossible."""
    account = facts.view.account_of(user)
    is_active = account.state is AccountState.ACTIVE
    if user == facts.caller:
        return Reach.API if is_active else None
    if account.state is AccountState.MISSING or account.shadow_banned or user in facts.reserved:
        return None
    reach = Reach.IMPERSONATE if is_active else Reach.REACTIVATE
    return reach if reach <= facts.possible else None
