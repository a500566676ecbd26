"""Undo the level changes of a run, and name those that cannot be undone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from synadmin.power.level_changes import Edit, changes, edited
from synadmin.power.room import Reach, RoomView
from synadmin.recovery import undo_levels
from synadmin.recovery.undo_levels import RecordedChange, UndoPlan
from tests.unit.power.rooms import ADMIN, ALICE, BOB, MALLORY, levels, room
from tests.unit.recovery.observers import observer_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from synadmin.client import Synapse
    from tests.unit.stub import Stub

ROOM = room({}).room_id
BEFORE = levels({ALICE: 100})


def entry(path: str = "/x/make_room_admin", **fields: Any) -> dict[str, Any]:  # noqa: ANN401
    return {
        "id": "run-1",
        "method": "POST",
        "path": path,
        "body": {"user_id": ADMIN},
        "before": {"room_id": ROOM, "power_levels": BEFORE},
        "status": 200,
        "errcode": None,
        **fields,
    }


def recorded_change(before: Any, changed: Mapping[str, Any]) -> RecordedChange:  # noqa: ANN401
    return RecordedChange("run-1", ROOM, before, changed)


def undo_plan(
    stub: Stub, synapse: Synapse, view: RoomView, change: RecordedChange, *, allow: Reach = Reach.API
) -> UndoPlan:
    return undo_levels.plan(observer_of(stub, synapse, view), view, change, allow=allow)


def levels_after(view: RoomView, found: UndoPlan) -> Any:  # noqa: ANN401
    """Return the power levels after the undo."""
    for planned in found.plans:
        assert planned.view.power_levels == view.power_levels
        view = edited(view, planned.edit)
    return view.power_levels


def test_undo_reverts_made_level_changes_newest_first() -> None:
    lines = [
        entry(id="run-1"),
        entry(id="run-2", before=None),
        entry(id="run-3", status=403, errcode="M_FORBIDDEN"),
        entry(id="run-4", status=None, errcode="NOT_SENT"),
        entry("/x/state/m.room.power_levels/", id="run-5", status=None, body={"users": {}}),
    ]
    found = undo_levels.recorded_changes(lines)
    assert [change.entry for change in found] == ["run-5", "run-1"]
    assert (found[0].after, found[0].promoted) == ({"users": {}}, None)
    assert (found[1].after, found[1].promoted) == (None, ADMIN)


def test_undo_names_other_changes() -> None:
    lines = [
        entry(),
        entry("/_matrix/client/v3/join/%21r", before=1) | {"before": 1},
        {"method": "POST", "path": "/_matrix/client/v3/join/%21r", "status": 200},
        {"method": "POST", "path": "/x/invite", "status": 403},
        {"method": "POST", "path": "/x/leave", "status": 200, "restores": "run-1"},
        {"method": "POST", "path": "/x/unban", "status": 200, "on_behalf_of": BOB},
        {"method": "POST", "path": "/v1/users/x/login", "status": 200},
    ]
    assert list(undo_levels.others(lines)) == ["POST /_matrix/client/v3/join/!r", f"POST /x/unban as {BOB}"]


def test_granted_level_is_removed_by_its_holder(stub: Stub, synapse: Synapse) -> None:
    view = room({ADMIN: "join"}, power_levels=levels({ALICE: 100, ADMIN: 100}))
    found = undo_plan(stub, synapse, view, RecordedChange("run-1", ROOM, BEFORE, None, ADMIN))
    assert levels_after(view, found) == BEFORE
    assert [planned.actor.user for planned in found.plans if planned.actor] == [ADMIN]
    assert found.impossible == ()


def test_undo_of_an_undone_run_changes_nothing(stub: Stub, synapse: Synapse) -> None:
    view = room({ALICE: "join"}, power_levels=BEFORE)
    assert undo_plan(stub, synapse, view, RecordedChange("run-1", ROOM, BEFORE, None, ADMIN)) == UndoPlan(
        RecordedChange("run-1", ROOM, BEFORE, None, ADMIN)
    )


def test_all_parts_are_reverted_at_once_where_permitted(stub: Stub, synapse: Synapse) -> None:
    changed = levels({ALICE: 50, ADMIN: 100, BOB: 60}, invite=50, events={"m.room.topic": 0})
    view = room({ADMIN: "join"}, power_levels=changed)
    found = undo_plan(stub, synapse, view, recorded_change(BEFORE, changed))
    assert len(found.plans) == 1
    assert levels_after(view, found) == BEFORE


def test_room_without_power_levels_gets_equivalent_levels(stub: Stub, synapse: Synapse) -> None:
    given = {"users": {ADMIN: 100}}
    view = room({ADMIN: "join", ALICE: "join"}, power_levels=given)
    found = undo_plan(stub, synapse, view, RecordedChange("run-1", ROOM, None, None, ADMIN))
    assert levels_after(view, found) == {"users": {ALICE: 100}}


def test_changes_of_others_are_kept(stub: Stub, synapse: Synapse) -> None:
    changed = levels({ALICE: 100, ADMIN: 100, BOB: 60}, invite=50, kick=70)
    view = room({ADMIN: "join"}, power_levels={**changed, "users": {**changed["users"], BOB: 10}, "kick": 99})
    before = levels({ALICE: 100, ADMIN: 100})
    found = undo_plan(stub, synapse, view, recorded_change(before, changed))
    assert levels_after(view, found) == {**view.power_levels, "invite": 0}  # type: ignore[dict-item]
    assert found.impossible == (
        f"{BOB}: it was changed after that run, so it is not undone",
        "kick: it was changed after that run, so it is not undone",
    )


def test_forbidden_reverts_are_reported_and_the_rest_reverted(stub: Stub, synapse: Synapse) -> None:
    before = levels({ADMIN: 100})
    changed = levels({ADMIN: 100, MALLORY: 100, BOB: 50}, invite=50)
    view = room({ADMIN: "join", MALLORY: "join"}, power_levels=changed)
    found = undo_plan(stub, synapse, view, recorded_change(before, changed))
    assert levels_after(view, found) == levels({ADMIN: 100, MALLORY: 100})
    (result,) = found.impossible
    assert result.startswith(f"{MALLORY}: 100 -> 0: refused: {MALLORY} on another server")


def test_users_of_equal_level_lower_themselves_in_turn(stub: Stub, synapse: Synapse) -> None:
    before = levels({ALICE: 100})
    changed = levels({ALICE: 100, BOB: 100, ADMIN: 100})
    view = room({ADMIN: "join", ALICE: "join", BOB: "join"}, power_levels=changed)
    found = undo_plan(stub, synapse, view, recorded_change(before, changed), allow=Reach.IMPERSONATE)
    assert levels_after(view, found) == before
    assert {planned.actor.user for planned in found.plans if planned.actor} == {ADMIN, BOB}
    found = undo_plan(stub, synapse, view, recorded_change(before, changed))
    assert levels_after(view, found) == levels({ALICE: 100, BOB: 100})
    assert found.impossible[0].endswith("(add --allow impersonate to permit this)")


def test_undo_of_a_recovery_loses_the_room_again(stub: Stub, synapse: Synapse) -> None:
    view = room({ADMIN: "join", ALICE: "leave"}, power_levels=levels({ALICE: 100, ADMIN: 100}))
    found = undo_plan(stub, synapse, view, RecordedChange("run-1", ROOM, BEFORE, None, ADMIN))
    assert levels_after(view, found) == BEFORE
    assert changes(view, Edit(users={ADMIN: None}))


def test_string_levels_equal_numbers(stub: Stub, synapse: Synapse) -> None:
    before = {"users": {ALICE: "100", BOB: "50"}, "ban": "50"}
    changed = {"users": {ALICE: 100, BOB: 50, ADMIN: 100}, "ban": 50}
    view = replace(room({ADMIN: "join"}, power_levels=changed), version="6")
    found = undo_plan(stub, synapse, view, recorded_change(before, changed))
    assert levels_after(view, found) == {"users": {ALICE: 100, BOB: 50}, "ban": 50}
