"""How a room that nobody local controls would be regained: how far one has to go, and what to type."""

import shlex
from dataclasses import dataclass

from synadmin.audit.facts import RoomFacts
from synadmin.ids import UserId
from synadmin.power.room import Reach, Wish


@dataclass(frozen=True, slots=True)
class Way:
    """How the token's owner would get control.

    Attributes:
        reach: the least that does; None where nothing does.
        reason: why Make Room Admin alone does not; None where it does.
        message: what is so, and what comes of it, in a sentence.
        command: what to type; None where the room has to be left as it is.
    """

    reach: Reach | None
    reason: str | None
    message: str
    command: str | None


def command(*words: str) -> str:
    """Return a command of synadmin's as it is typed into a shell: ids may hold anything."""
    return shlex.join(("synadmin", *words))


def way_in(facts: RoomFacts) -> Way:
    """Plan how the token's owner, or some server admin where nobody is named, would get control."""
    # A tenth of what an audit takes to load, and only for rooms in which something was found.
    from synadmin.power.planner import plan
    from synadmin.power.steps import Plan

    caller = facts.caller or UserId(f"@admin:{facts.view.server_name}")
    found = plan(facts.view, Wish(target=caller, caller=caller, possible=facts.possible))
    make_admin = ("room", "make-admin", facts.room_id)
    if isinstance(found, Plan):
        return Way(found.reach, None, found.message, command(*make_admin))
    if found.reach is not None:
        typed = command(*make_admin, "--allow", str(found.reach))
        return Way(found.reach, found.reason, found.message, typed)
    # The last resort, and only where it is the room that is lost, not the token's owner who will not do.
    lost = found.reason in {"no-local-power", "insufficient-power"}
    replace = command("room", "replace", facts.room_id, "--admin", caller, "--dry-run")
    return Way(None, found.reason, found.message, replace if lost else None)
