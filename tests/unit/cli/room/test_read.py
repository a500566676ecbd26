"""``room list|show|members|state|power``: what is asked of the server, and all that is printed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.unit.cli.terminal import Terminal
from tests.unit.recovery.rooms import ALICE, LEVELS, POWER, LostRoom, details, power, state
from tests.unit.stub import ADMIN, Stub, told

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.conftest import Synadmin

ROOMS = "/_synapse/admin/v1/rooms"
MAIN = "from synadmin.cli.app import main; main()"


def test_every_filter_is_passed_on(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on(ROOMS, told({"rooms": [], "total_rooms": 0, "offset": 0}))
    options = (
        "--search",
        "chess & go",
        "--public",
        "--not-empty",
        "--sort",
        "joined_members:asc",
    )
    answer = synadmin("room", "list", *options)
    assert (answer.code, answer.stdout, answer.stderr) == (0, "", "No room matches.\n")
    (target,) = signed_in.targets
    assert set(target.partition("?")[2].split("&")) == {
        "search_term=chess%20%26%20go",
        "public_rooms=true",
        "empty_rooms=false",
        "order_by=joined_members",
        "dir=b",
        "limit=500",
    }


def test_a_list_of_many_pages_prints_every_field_the_server_sent(signed_in: Stub, synadmin: Synadmin) -> None:
    pages = [
        {"rooms": [{**details("!a:x"), "novel": 1}], "next_batch": 1, "total_rooms": 2, "offset": 0},
        {"rooms": [details("!b:x", name=None, join_rules=None)], "total_rooms": 2, "offset": 1},
    ]
    signed_in.on(ROOMS, *map(told, pages))
    answer = synadmin("room", "list", "-o", "ndjson")
    found = [json.loads(line) for line in answer.stdout.splitlines()]
    assert [room["room_id"] for room in found] == ["!a:x", "!b:x"]
    assert found[0]["novel"] == 1
    assert answer.code == 0


def test_a_room_is_shown_field_by_field(signed_in: Stub, synadmin: Synadmin) -> None:
    room = LostRoom(signed_in, novel="yes", topic="a\x1b[31mred")
    room.on("block", told({"block": True, "user_id": ADMIN}))
    answer = synadmin("room", "show", room.id)
    assert answer.stdout == (
        "room id               !chess:example.org\n"
        "name                  Chess\n"
        "controllers           @alice:example.org\n"
        "joined members        1\n"
        "joined local members  1\n"
        "version               11\n"
        "creator               @alice:example.org\n"
        "join rules            invite\n"
        "history visibility    shared\n"
        "novel                 yes\n"
        "topic                 a\\x1b[31mred\n"
        "blocked               yes\n"
        f"blocked by            {ADMIN}\n"
    )
    as_json = json.loads(synadmin("room", "show", room.id, "-o", "json").stdout)
    assert (as_json["topic"], as_json["blocked"]) == ("a\x1b[31mred", True)


def test_members_of_other_servers_are_told_apart(signed_in: Stub, synadmin: Synadmin) -> None:
    room = LostRoom(signed_in)
    room.on("members", told({"members": [ALICE, "@bob:elsewhere.example"], "total": 2}))
    answer = synadmin("room", "members", room.id)
    assert answer.stdout == (
        "user                    local\n"
        "----------------------  -----\n"
        "@alice:example.org      yes\n"
        "@bob:elsewhere.example  no\n"
    )


def test_state_of_one_type_is_asked_for_as_such(signed_in: Stub, synadmin: Synadmin) -> None:
    room = LostRoom(signed_in)
    room.on("state?type=m.room.name", told({"state": [state("m.room.name", {"name": "Chess"})]}))
    answer = synadmin("room", "state", room.id, "--type", "m.room.name", "--columns", "type,sender,content")
    assert answer.stdout == (
        "type         sender              content\n"
        "-----------  ------------------  ----------------\n"
        'm.room.name  @alice:example.org  {"name":"Chess"}\n'
    )
    assert signed_in.targets == [f"GET {room.admin_path}/state?type=m.room.name"]


def test_power_as_a_table_says_who_can_do_what(signed_in: Stub, synadmin: Synadmin) -> None:
    room = LostRoom(signed_in)
    room.on(POWER, power({**LEVELS, "invite": 50}))
    answer = synadmin("room", "power", room.id)
    assert answer.code == 0
    assert answer.stdout.startswith(
        "user                level  membership  account  local\n"
        "------------------  -----  ----------  -------  -----\n"
        "@alice:example.org    100  join        active   yes\n"
        "\n"
        "All other users have level 0.\n"
        "It takes\n"
        "   100  to change power levels"
    )


def test_power_fits_the_terminal_and_is_whole_lines_elsewhere(
    signed_in: Stub, synadmin: Synadmin, work: Path
) -> None:
    room = LostRoom(signed_in)
    room.on(POWER, power(LEVELS))
    shell = f"import os; os.environ['COLUMNS'] = '60'; {MAIN}"
    with Terminal("-c", shell, "room", "power", room.id, cwd=work) as terminal:
        assert terminal.end() == 0
    room.on(POWER, power(LEVELS))
    elsewhere = synadmin("room", "power", room.id).stdout

    shown = terminal.shown.replace("\r\n", "\n")
    assert max(map(len, shown.splitlines())) <= 60
    assert shown.split() == elsewhere.split()
    assert len(shown.splitlines()) > len(elsewhere.splitlines())


@pytest.mark.parametrize("verb", ["show", "members", "state", "power"])
def test_a_room_that_the_server_does_not_know_ends_with_4(
    signed_in: Stub, synadmin: Synadmin, verb: str
) -> None:
    signed_in.on("*", told({"errcode": "M_NOT_FOUND", "error": "Room not found"}, 404))
    synadmin("room", verb, "!unheard:example.org").assert_is_one_clear_line(code=4)
    synadmin("room", verb, "#unheard:example.org").assert_is_one_clear_line(code=4)


@pytest.mark.parametrize("verb", ["show", "members", "state", "power", "make-admin"])
@pytest.mark.parametrize(
    "room", ["!", "@alice:example.org", "!a b:c", "!\u00e9:c", "#club", "!a\n:c"], ids=ascii
)
def test_what_is_no_room_is_said_to_and_nothing_is_asked(
    signed_in: Stub, synadmin: Synadmin, verb: str, room: str
) -> None:
    synadmin("room", verb, room).assert_is_one_clear_line(code=2)
    assert signed_in.targets == []


@pytest.mark.parametrize("room", ["!a/b:c", "!a?b:c", "!a#b:c", "!a%2Fb:c", "!..:c", "!" + "a" * 43])
def test_an_id_is_one_segment_of_the_path_whatever_is_in_it(
    signed_in: Stub, synadmin: Synadmin, room: str
) -> None:
    lost = LostRoom(signed_in, room)
    lost.on("members", told({"members": [], "total": 0}))
    answer = synadmin("room", "members", room)
    assert (answer.code, answer.stderr) == (0, "The room has no members.\n")
    (target,) = signed_in.targets
    assert target.count("/") == len(f"{ROOMS}/id/members".split("/")) - 1
    assert target == f"GET {lost.admin_path}/members"
