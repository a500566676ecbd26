"""``audit rooms --without`` has the findings of an audit after the accounts are deactivated."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

from tests.live.audit.conftest import wait_until

if TYPE_CHECKING:
    from synadmin.ids import RoomId
    from synadmin.sandbox.accounts import Person
    from synadmin.sandbox.homeserver import Homeserver
    from tests.live.conftest import Newcomer, Synadmin


def findings(synadmin: Synadmin, *options: str) -> dict[str, list[dict[str, Any]]]:
    """Return the findings of an audit by room."""
    answer = synadmin("audit", "rooms", *options, "-o", "json")
    assert answer.code in {0, 10}, answer.stderr
    by_room: dict[str, list[dict[str, Any]]] = {}
    for finding in json.loads(answer.stdout)["findings"]:
        # Synapse deletes the name and the state of a room without local members, so these are not compared.
        result = {name: finding[name] for name in ("rule", "severity", "message", "fix")}
        by_room.setdefault(finding["subject"]["id"], []).append(result)
    return by_room


def has_no_room(server: Homeserver, person: Person) -> bool:
    return not server.admin.synapse.activity.joined_rooms(person.user_id).joined_rooms


def test_findings_without_accounts_match_their_deactivation(
    synadmin: Synadmin, homeserver: Homeserver, newcomer: Newcomer
) -> None:
    alice, bob, carol, dave = (newcomer(name) for name in ("alice", "bob", "carol", "dave"))
    rooms: dict[str, RoomId] = {
        "lost with alice": alice.make_room("lost with alice", members=[bob, carol]),
        "two of them": alice.make_room("two of them", members=[bob, carol, dave], users={dave: 100}),
        "one stays": alice.make_room("one stays", members=[bob, carol, dave], users={bob: 100}),
        "not theirs": bob.make_room("not theirs", members=[alice, carol, dave], users={carol: 100}),
        "creator": alice.make_room("creator", version="12", members=[bob, carol]),
        "theirs alone": alice.make_room("theirs alone", members=[dave]),
    }
    predicted = findings(synadmin, "--without", f"{alice.user_id},{dave.user_id}")
    for person in (alice, dave):
        homeserver.admin.modify_user(person, deactivated=True)
        wait_until(partial(has_no_room, homeserver, person), "the account has left its rooms")
    now = findings(synadmin)
    for name, room_id in rooms.items():
        assert predicted.get(room_id) == now.get(room_id), name
    rules = {name: {finding["rule"] for finding in now.get(room, [])} for name, room in rooms.items()}
    for lost in ("lost with alice", "two of them", "creator"):
        assert "no-local-control" in rules[lost]
    assert "single-controller" not in rules["one stays"] | rules["not theirs"]
    assert "no-local-members" in rules["theirs alone"]


def test_invalid_accounts_of_without_are_refused(synadmin: Synadmin, newcomer: Newcomer) -> None:
    alice = newcomer()
    for arguments, code, words in (
        (("rooms", "--without", "no-such-account"), 4, "User not found"),
        (("rooms", "--without", "@x:elsewhere.example"), 2, "elsewhere.example"),
        (("--without", alice.user_id), 2, "synadmin audit rooms --without USER"),
        (
            ("rooms", "--without", alice.user_id, "--baseline", "b.json", "--update-baseline"),
            2,
            "--update-baseline",
        ),
    ):
        answer = synadmin("audit", *arguments)
        assert (answer.code, answer.stdout) == (code, ""), answer
        assert words in answer.stderr, answer.stderr
