"""``room list|show|members|state|power``: the requests and the output."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from synadmin.ids import encoded
from tests.unit.cli.terminal import Terminal
from tests.unit.recovery.rooms import ALICE, LEVELS, MEMBERS, POWER, LostRoom, details, power, state
from tests.unit.stub import ADMIN, Stub, json_reply, refused

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.unit.cli.conftest import Result, Synadmin

ROOMS = "/_synapse/admin/v1/rooms"
UNKNOWN = refused(404, "M_NOT_FOUND", "Room not found")
MAIN = "from synadmin.cli.app import main; main()"


def test_every_filter_is_sent(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on(ROOMS, json_reply({"rooms": [], "total_rooms": 0, "offset": 0}))
    options = (
        "--search",
        "chess & go",
        "--public",
        "--not-empty",
        "--sort",
        "joined_members:asc",
    )
    result = synadmin("room", "list", *options)
    assert (result.code, result.stdout, result.stderr) == (0, "", "No room matches.\n")
    (target,) = signed_in.targets
    assert set(target.partition("?")[2].split("&")) == {
        "search_term=chess%20%26%20go",
        "public_rooms=true",
        "empty_rooms=false",
        "order_by=joined_members",
        "dir=b",
        "limit=500",
    }


def test_list_of_many_pages_prints_every_field(signed_in: Stub, synadmin: Synadmin) -> None:
    pages = [
        {"rooms": [{**details("!a:x"), "novel": 1}], "next_batch": 1, "total_rooms": 2, "offset": 0},
        {"rooms": [details("!b:x", name=None, join_rules=None)], "total_rooms": 2, "offset": 1},
    ]
    signed_in.on(ROOMS, *map(json_reply, pages))
    result = synadmin("room", "list", "-o", "ndjson")
    rooms = [json.loads(line) for line in result.stdout.splitlines()]
    assert [room["room_id"] for room in rooms] == ["!a:x", "!b:x"]
    assert rooms[0]["novel"] == 1
    assert result.code == 0


def test_room_is_shown_field_by_field(signed_in: Stub, synadmin: Synadmin) -> None:
    room = LostRoom(signed_in, novel="yes", topic="a\x1b[31mred")
    room.on("block", json_reply({"block": True, "user_id": ADMIN}))
    result = synadmin("room", "show", room.id)
    assert result.stdout == (
        "room id             !chess:example.org\n"
        "name                Chess\n"
        "controllers         @alice:example.org\n"
        "members             1\n"
        "local members       1\n"
        "room version        11\n"
        "creator             @alice:example.org\n"
        "join rule           invite\n"
        "history visibility  shared\n"
        "novel               yes\n"
        "topic               a\\x1b[31mred\n"
        "blocked             yes\n"
        f"blocked by          {ADMIN}\n"
    )
    as_json = json.loads(synadmin("room", "show", room.id, "-o", "json").stdout)
    assert (as_json["topic"], as_json["blocked"]) == ("a\x1b[31mred", True)


def test_remote_members_are_marked(signed_in: Stub, synadmin: Synadmin) -> None:
    room = LostRoom(signed_in)
    room.on("members", json_reply({"members": [ALICE, "@bob:elsewhere.example"], "total": 2}))
    result = synadmin("room", "members", room.id)
    assert result.stdout == (
        "user                    local\n"
        "----------------------  -----\n"
        "@alice:example.org      yes\n"
        "@bob:elsewhere.example  no\n"
    )


def test_state_type_is_sent_as_a_filter(signed_in: Stub, synadmin: Synadmin) -> None:
    room = LostRoom(signed_in)
    room.on("state?type=m.room.name", json_reply({"state": [state("m.room.name", {"name": "Chess"})]}))
    result = synadmin("room", "state", room.id, "--type", "m.room.name", "--columns", "type,sender,content")
    assert result.stdout == (
        "type         sender              content\n"
        "-----------  ------------------  ----------------\n"
        'm.room.name  @alice:example.org  {"name":"Chess"}\n'
    )
    assert signed_in.targets == [f"GET {room.admin_path}/state?type=m.room.name"]


def test_power_table_lists_users_and_needed_levels(signed_in: Stub, synadmin: Synadmin) -> None:
    room = LostRoom(signed_in)
    room.on(POWER, power({**LEVELS, "invite": 50}))
    result = synadmin("room", "power", room.id)
    assert result.code == 0
    assert result.stdout.startswith(
        "user                level  membership  account  local\n"
        "------------------  -----  ----------  -------  -----\n"
        "@alice:example.org    100  join        active   yes\n"
        "\n"
        "All other users have level 0.\n"
        "\n"
        "level needed  actions\n"
    )


def test_power_table_reads_few_of_many_accounts(signed_in: Stub, synadmin: Synadmin) -> None:
    room = LostRoom(signed_in)
    many = [f"@u{number:03}:example.org" for number in range(101)]
    members = [state("m.room.member", {"membership": "join"}, user) for user in many[1:]]
    room.on(MEMBERS, json_reply({"state": members}))
    room.on(POWER, power({"users": dict.fromkeys(many, 50)}))
    for user in many:
        account = json_reply({"name": user, "suspended": user.startswith("@u05")})
        signed_in.on(f"/_synapse/admin/v2/users/{encoded(user)}", account)

    lines = synadmin("room", "power", room.id).stdout.splitlines()
    requests = len(signed_in.targets)
    whole = json.loads(synadmin("room", "power", room.id, "-o", "json").stdout)

    assert requests <= 11, "10 requests for the room and its users, and one for the owner of the token"
    accounts = {line.split()[0]: line for line in lines if line.startswith("@u")}
    asked = [user for user in many if "not asked" not in accounts[user]]
    assert asked == many[1:8], "the first seven who are joined"
    assert all("active" in accounts[user] for user in asked)
    assert "The accounts of 94 users were not read: -o json shows them." in lines
    assert {user["user_id"]: user["account"] for user in whole["users"]} == {
        user: "suspended" if user.startswith("@u05") else "active" for user in many
    }


def test_power_fits_the_terminal(signed_in: Stub, synadmin: Synadmin, work: Path) -> None:
    room = LostRoom(signed_in)
    room.on(POWER, power(LEVELS))
    program = f"import os; os.environ['COLUMNS'] = '60'; {MAIN}"
    with Terminal("-c", program, "room", "power", room.id, cwd=work) as terminal:
        assert terminal.end() == 0
    room.on(POWER, power(LEVELS))
    piped = synadmin("room", "power", room.id).stdout

    shown = terminal.shown.replace("\r\n", "\n")
    assert max(map(len, shown.splitlines())) <= 60
    assert [word for word in shown.split() if "--" not in word] == [
        word for word in piped.split() if "--" not in word
    ]
    assert len(shown.splitlines()) > len(piped.splitlines())


@pytest.mark.parametrize("verb", ["show", "members", "state", "power"])
def test_unknown_room_exits_4(signed_in: Stub, synadmin: Synadmin, verb: str) -> None:
    signed_in.on("*", json_reply({"errcode": "M_NOT_FOUND", "error": "Room not found"}, 404))
    synadmin("room", verb, "!unheard:example.org").assert_one_line_error(code=4)
    synadmin("room", verb, "#unheard:example.org").assert_one_line_error(code=4)


@pytest.mark.parametrize("verb", ["show", "members", "state", "power", "make-admin"])
@pytest.mark.parametrize(
    "room", ["!", "@alice:example.org", "!a b:c", "!\u00e9:c", "#club", "!a\n:c"], ids=ascii
)
def test_invalid_room_is_refused_before_any_request(
    signed_in: Stub, synadmin: Synadmin, verb: str, room: str
) -> None:
    synadmin("room", verb, room).assert_one_line_error(code=2)
    assert signed_in.targets == []


@pytest.mark.parametrize("room", ["!a/b:c", "!a?b:c", "!a#b:c", "!a%2Fb:c", "!..:c", "!" + "a" * 43])
def test_id_is_one_path_segment(signed_in: Stub, synadmin: Synadmin, room: str) -> None:
    lost = LostRoom(signed_in, room)
    lost.on("members", json_reply({"members": [], "total": 0}))
    result = synadmin("room", "members", room)
    assert (result.code, result.stderr) == (0, "The room has no members.\n")
    (target,) = signed_in.targets
    assert target.count("/") == len(f"{ROOMS}/id/members".split("/")) - 1
    assert target == f"GET {lost.admin_path}/members"


def set_room_list(stub: Stub, *rooms: Mapping[str, object]) -> None:
    stub.on(ROOMS, json_reply({"rooms": rooms, "total_rooms": len(rooms), "offset": 0}))


def printed_words(result: Result) -> list[str]:
    assert result.code == 0, result
    return result.stdout.split()


def test_control_is_read_only_for_printed_rooms(signed_in: Stub, synadmin: Synadmin) -> None:
    rooms = [LostRoom(signed_in, f"!{name}:example.org") for name in "abc"]
    set_room_list(signed_in, *(details(room.id) for room in rooms))
    assert printed_words(synadmin("room", "list", "--columns", "room_id,encryption", "-o", "csv"))
    assert len(signed_in.targets) == 1
    result = synadmin("room", "list", "--columns", "room_id,controllers", "--limit", "1", "-o", "csv")
    assert printed_words(result) == ["room_id,controllers", f"{rooms[0].id},{ALICE}"]
    asked = signed_in.targets[2:]
    assert len(asked) == 3
    assert all(target.startswith(f"GET {rooms[0].admin_path}") for target in asked)


def test_room_without_control_or_state_has_no_controllers(signed_in: Stub, synadmin: Synadmin) -> None:
    room = LostRoom(signed_in)
    room.left_by_all()
    set_room_list(signed_in, details(room.id), details("!gone:example.org"))
    shown = synadmin("room", "list", "--columns", "controllers").stdout
    assert shown == "controllers\n-----------\n-\n-\n"
    result = synadmin("room", "list", "--columns", "controllers", "-o", "json")
    assert json.loads(result.stdout) == [{"controllers": []}, {"controllers": None}]


def test_only_encrypted_rooms_are_listed(signed_in: Stub, synadmin: Synadmin) -> None:
    set_room_list(
        signed_in, details("!a:x", encryption=None), details("!b:x", encryption="m.megolm.v1.aes-sha2")
    )
    assert printed_words(synadmin("room", "list", "--encrypted", "-o", "name")) == ["!b:x"]


def test_count_of_no_local_members_is_verified(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on("*", UNKNOWN)
    counts = {"!counted:x": 2, "!zero:x": 0, "!used:x": 0, "!null:x": None, "!deleted:x": 0}
    set_room_list(signed_in, *(details(room, joined_local_members=count) for room, count in counts.items()))
    for room, members in {"zero": ["@bob:elsewhere.example"], "null": [], "used": [ALICE]}.items():
        signed_in.on(
            f"{ROOMS}/%21{room}%3Ax/members", json_reply({"members": members, "total": len(members)})
        )
    assert printed_words(synadmin("room", "list", "--no-local-members", "-o", "name")) == [
        "!zero:x",
        "!null:x",
    ]
    assert not any("counted" in target for target in signed_in.targets)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), ["!a:x", "!b:x", "!null:x"]),
        (("--sort", "name:desc"), ["!b:x", "!a:x", "!null:x"]),
        (("--sort", "joined_members", "--limit", "1"), ["!b:x"]),
        (("--search", "CHE"), ["!a:x"]),
        (("--search", "Club"), ["!b:x"]),
        (("--search", "!null:x"), ["!null:x"]),
        (("--public",), ["!b:x"]),
        (("--not-empty", "--not-public"), ["!a:x", "!null:x"]),
        (("--empty",), []),
    ],
)
def test_rooms_of_a_member_are_those_of_its_memberships(
    signed_in: Stub, synadmin: Synadmin, options: tuple[str, ...], expected: list[str]
) -> None:
    rooms = {
        "!b:x": details("!b:x", name="Go", canonical_alias="#club:x", public=True, joined_members=9),
        "!null:x": details("!null:x", name=None, joined_members=None, public=False),
        "!a:x": details("!a:x", name="chess", public=False),
    }
    signed_in.on("*", UNKNOWN)
    account = "%40alice%3Aexample.org"
    signed_in.on(f"/_synapse/admin/v2/users/{account}", json_reply({"name": ALICE}))
    joined = {"joined_rooms": [*rooms, "!deleted:x"], "total": 4}
    signed_in.on(f"/_synapse/admin/v1/users/{account}/joined_rooms", json_reply(joined))
    for room, record in rooms.items():
        signed_in.on(f"{ROOMS}/%21{room[1:-2]}%3Ax", json_reply(record))
    assert printed_words(synadmin("room", "list", "--member", "alice", *options, "-o", "name")) == expected
    assert not any(target.startswith(f"GET {ROOMS}?") for target in signed_in.targets)


def test_unknown_member_is_not_found(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on("*", json_reply({"errcode": "M_NOT_FOUND", "error": "User not found"}, 404))
    result = synadmin("room", "list", "--member", "alise")
    result.assert_one_line_error(code=4)
    assert "@alise:example.org" in result.stderr
    synadmin("room", "list", "--member", "@alice").assert_one_line_error(code=2)
