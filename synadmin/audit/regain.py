"""The commands that findings name: how a room is regained, and how its levels are changed, if at all."""

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
        reach: the least that does; None where nothing does.
        reason: why Make Room Admin alone does not; None where it does.
        message: the state of the room and its consequence, in a sentence.
        command: the command to run; None where none would succeed.
    """

    reach: Reach | None
    reason: str | None
    message: str
    command: str | None


def way_to_regain(facts: RoomFacts) -> WayToRegain:
    """Return how the token's owner would get control; of any server admin, where the owner is not known."""
    # Several rules need it, and an audit runs rules more than once: it is planned once.
    kept = vars(facts)
    if "way_to_regain" not in kept:
        kept["way_to_regain"] = _planned(facts)
    way: WayToRegain = kept["way_to_regain"]
    return way


def _planned(facts: RoomFacts) -> WayToRegain:
    # A tenth of what an audit takes to load, and only for rooms with a finding.
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
    # The last resort, where the room is lost; not where the token's owner is the obstacle.
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
    # No admin can revoke their own right, and where MAS keeps the accounts, it keeps the right, too.
    if user == facts.caller or facts.delegated:
        return None
    return command("user", "admin", "revoke", user)


def _reach_as(facts: RoomFacts, user: UserId) -> Reach | None:
    """Return what acting as a local user takes; None where it cannot be done."""
    account = facts.view.account_of(user)
    is_active = account.state is AccountState.ACTIVE
    if user == facts.caller:
        return Reach.API if is_active else None
    if account.state is AccountState.MISSING or account.shadow_banned or user in facts.reserved:
        return None
    reach = Reach.IMPERSONATE if is_active else Reach.REACTIVATE
    return reach if reach <= facts.possible else None
