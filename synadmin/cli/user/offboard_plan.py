"""The saved plans of ``user offboard``: the stored data of an account, and its comparison."""

from typing import TYPE_CHECKING, Any

from synadmin.cli.saved_plan import CHANGED, SavedPlan, save
from synadmin.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from synadmin.cli.outcomes import Record
    from synadmin.ids import UserId
    from synadmin.recovery.observer import Observer
    from synadmin.recovery.offboard import RoomHandover
    from synadmin.recovery.room_control import RoomControl


def pairs_of(plan: SavedPlan, users: "Collection[str]") -> dict[str, list[str]]:
    """Return the successors of each user from the plan.

    Raises:
        UsageError: the plan does not name the successors of all its users.
    """
    pairs = plan.options.get("pairs")
    if not isinstance(pairs, dict) or not all(map(_are_names, pairs.values())) or set(users) - pairs.keys():
        raise UsageError(f"{plan.path} is not a plan: it does not name the successor of each user")
    return pairs


def _are_names(names: object) -> bool:
    return isinstance(names, list) and bool(names) and all(isinstance(name, str) for name in names)


def change_since_plan(
    plan: SavedPlan,
    observer: "Observer",
    user_id: "UserId",
    record: "Record",
    handed: "Sequence[RoomHandover]",
    *,
    gives_up: "Sequence[RoomControl]",
) -> "Record | None":
    """Return the refusal of an account that differs from the plan; None where it does not."""
    change = plan.difference(user_id, record, **fingerprint(observer, user_id, handed, gives_up))
    if change is None:
        return None
    account = {**record["account"], "outcome": "not started"}
    return {"outcome": "refused", "reason": CHANGED, "message": change, "account": account, "rooms": []}


def write_plan(
    say: "Callable[[str], None]",
    plan: SavedPlan,
    file: str,
    successors: "Mapping[UserId, tuple[UserId, ...]]",
    options: "Sequence[str]",
) -> None:
    """Write the plan to a file.

    Args:
        say: prints how to apply it.
        plan: the plan with its accounts.
        file: the file.
        successors: the successors of all named accounts.
        options: the options of the command line.
    """
    pairs = {user: list(names) for user, names in successors.items() if user in plan.targets}
    plan.options = {"pairs": pairs}
    to = ",".join(dict.fromkeys(name for names in pairs.values() for name in names))
    plan.command = ["user", "offboard", *pairs, "--to", to, *options]
    save(say, plan, file, "account")


def fingerprint(
    observer: "Observer",
    user_id: "UserId",
    handed: "Sequence[RoomHandover]",
    gives_up: "Sequence[RoomControl]",
) -> dict[str, Any]:
    """Return the account's state, its rooms, and the power-levels events of the rooms to hand over.

    For rooms where it only gives up its power, the events are left out: another leaver may change them.
    """
    from synadmin.power.events import POWER_LEVELS
    from synadmin.recovery.room_control import rooms_of

    account = observer.synapse.users.get(user_id)
    events = {room.control.view.room_id: POWER_LEVELS for room in handed}
    levels = {room_id: observer.state_event(room_id, kind) for room_id, kind in events.items()}
    return {
        "account": {
            name: bool(getattr(account, name)) for name in ("locked", "suspended", "deactivated", "admin")
        },
        "memberships": dict(sorted(rooms_of(observer, user_id).items())),
        "gives_up": sorted(control.view.room_id for control in gives_up),
        "power_levels": {room: None if event is None else event.event_id for room, event in levels.items()},
    }
