"""The hints after an invalid command line or an unknown name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.stub import json_reply, refused

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Synadmin
    from tests.unit.stub import Stub

ROOMS = "/_synapse/admin/v1/rooms"
USER = "/_synapse/admin/v2/users/%40alice%3Aexample.org"


QUOTES = "hint: put rooms in single quotes, '#club:example.org' or '!abc:example.org'"


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("-o json room list", "hint: options of a command go after it: `synadmin room list -o json`"),
        ("room -o json list --limit 3", "go after it: `synadmin room list --limit 3 -o json`"),
        ("-o json --profile x room list", "synadmin room list -o json --profile x"),
        ("-o json user admin grant lena", "`synadmin user admin grant lena -o json`"),
        ("room show", QUOTES),
        ("room make-admin", QUOTES),
        ("room transfer --to @lena:new.example", QUOTES),
        ("room make-admin --space", QUOTES),
        ("room list --frob", "hint: `synadmin room list --help` shows how it is used"),
        ("make-admin club --yes", "hint: did you mean `synadmin room make-admin club --yes`?"),
        ("room lock mike", "hint: did you mean `synadmin user lock mike`?"),
        ("rom list", "hint: did you mean `synadmin room list`?"),
        ("stats list x", "hint: its commands are media, rooms"),
        ("rooms list", "hint: did you mean `synadmin room list`?"),
        ("devices list lena", "hint: did you mean `synadmin device list lena`?"),
        ("room lst", "hint: did you mean `synadmin room list`?"),
        ("user admin rosa", "hint: its commands are show, grant, revoke"),
        ("media list mike", "hint: give it with --user or --room"),
        (
            "room set-power club lena high",
            "Invalid value for 'LEVEL': 'high' is not a power level: write a whole",
        ),
        (
            "room join club lena",
            "no room is named: give a user, and a room by its id or alias (not by its name)",
        ),
        ("login admin secret", "hint: a password is no argument: it is asked for"),
        ("registration-token create --uses one", "'one' is not a whole number."),
        ("user lock @lena", "hint: write 'lena' for an account of your own server"),
        ("frobnicate", "hint: `synadmin --help` lists its commands"),
        ("room remove club", "hint: did you mean `synadmin room delete club`?"),
        ("room admin club", "hint: did you mean `synadmin room make-admin club`?"),
        ("room create club", "hint: `synadmin room --help` lists its commands"),
        ("user delete mike", "hint: did you mean `synadmin user deactivate mike`?"),
        ("user power mike", "hint: did you mean `synadmin user rooms --with-power mike`?"),
        ("sandbox stop", "hint: did you mean `synadmin sandbox down`?"),
        ("list rooms", "hint: did you mean `synadmin room list`?"),
        ("show user mike", "hint: did you mean `synadmin user show mike`?"),
        ("rooms", "hint: did you mean `synadmin room`?"),
        ("help rooms", "hint: did you mean `synadmin help room`?"),
        ("help make-admin", "hint: did you mean `synadmin help room make-admin`?"),
        ("journal undo", "hint: `synadmin journal undo last` uses the newest run"),
        ("room make-admin -help", "hint: did you mean `synadmin room make-admin --help`?"),
        ("room make-admin club --admin mike", "hint: did you mean --user?"),
        ("room make-admin club --force", "hint: did you mean --yes?"),
        ("room transfer club --to lena", "hint: write the full user id: --to @lena:new.example"),
    ],
)
def test_hint_can_be_typed(synadmin: Synadmin, line: str, hint: str) -> None:
    result = synadmin(*line.split())
    assert result.code == 2
    assert hint in result.stderr


def test_name_instead_of_a_user_gets_a_hint(synadmin: Synadmin) -> None:
    result = synadmin("user", "create", "Rosa Marigold")
    result.assert_one_line_error(code=2)
    assert (
        "'Rosa Marigold' is neither a user id (@alice:example.org) nor a localpart (alice)" in result.stderr
    )


def test_verb_of_many_nouns_names_three(synadmin: Synadmin) -> None:
    hint = synadmin("list").stderr.splitlines()[1]
    assert hint.startswith("hint: did you mean `synadmin ")
    assert hint.count("list`") == 3
    assert hint.endswith(" more?")


def test_user_instead_of_media_gets_a_hint(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on("*", refused(404, "M_NOT_FOUND", "Unknown media"))
    for verb in ("quarantine", "unquarantine", "delete"):
        result = synadmin("media", verb, "mike", "--yes")
        assert result.stderr.splitlines()[1] == "hint: for all media of a user, write --user mike"
    item = synadmin("media", "quarantine", "AbCdEfGhIjKlMnOpQrStUvWx", "--yes")
    assert (item.code, "--user" in item.stderr) == (4, False)


def rooms(*names: str) -> list[dict[str, object]]:
    return [{"room_id": f"!{number}:example.org", "name": name} for number, name in enumerate(names)]


def test_room_is_found_by_its_unique_name(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on(f"{ROOMS}/%210%3Aexample.org/members", json_reply({"members": [], "total": 0}))
    signed_in.on(ROOMS, json_reply({"rooms": rooms("Chess club", "Chess"), "total_rooms": 2, "offset": 0}))
    assert synadmin("room", "members", "Chess club", "-o", "json").stdout.strip() == "[]"
    signed_in.on(ROOMS, json_reply({"rooms": rooms("Chess", "Chess"), "total_rooms": 2, "offset": 0}))
    twice = synadmin("room", "members", "Chess")
    assert twice.code == 2
    assert "!0:example.org, !1:example.org" in twice.stderr
    capitals = synadmin("room", "members", "CHESS")
    assert capitals.code == 2
    assert "hint: did you mean Chess ('!0:example.org'), Chess ('!1:example.org')?" in capitals.stderr
    signed_in.on(ROOMS, json_reply({"rooms": [], "total_rooms": 0, "offset": 0}))
    none = synadmin("room", "members", "Go")
    assert (none.code, "no room has the name 'Go'" in none.stderr) == (2, True)


def test_misspelled_room_name_gets_the_id(signed_in: Stub, synadmin: Synadmin) -> None:
    empty, similar = (
        {"rooms": listed, "total_rooms": len(listed), "offset": 0}
        for listed in ([], rooms("Committee", "Communication"))
    )
    signed_in.on(ROOMS, json_reply(empty), json_reply(similar))
    assert (
        "hint: did you mean Committee ('!0:example.org')?" in synadmin("room", "members", "Commitee").stderr
    )


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("AbCd:example.org", "did you mean '!AbCd:example.org' or '#AbCd:example.org'?"),
        ("a" * 43, f"an id starts with !: did you mean '!{'a' * 43}'?"),
        ("chess", "`synadmin room list --search TEXT` searches in names"),
    ],
)
def test_room_id_without_its_first_character_gets_a_hint(
    signed_in: Stub, synadmin: Synadmin, name: str, hint: str
) -> None:
    signed_in.on(ROOMS, json_reply({"rooms": [], "total_rooms": 0, "offset": 0}))
    assert hint in synadmin("room", "members", name).stderr


def test_room_name_without_admin_rights_asks_for_the_id(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on("*", refused(403, "M_FORBIDDEN", "You are not a server admin"))
    result = synadmin("room", "members", "Chess")
    assert (result.code, "write the room's id or alias" in result.stderr) == (3, True)


def test_alias_of_a_silent_server_names_the_server(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on("*", refused(502, "M_UNKNOWN", "Failed to fetch alias"))
    result = synadmin("room", "members", "#club:clubb.example", "--timeout", "1")
    assert "hint: the server clubb.example did not answer for #club:clubb.example" in result.stderr


def test_unknown_account_is_named_before_the_question(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on("*", refused(404, "M_NOT_FOUND", "Unknown user"))
    result = synadmin("user", "password", "alice", stdin=b"secret\n")
    assert result.stderr.splitlines() == [
        "synadmin: @alice:example.org: Unknown user (M_NOT_FOUND, HTTP 404)",
        "hint: `synadmin user find TEXT` searches in user ids and display names",
    ]


def test_table_heading_is_accepted_as_a_column(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on(ROOMS, json_reply({"rooms": rooms("Chess"), "total_rooms": 1, "offset": 0}))
    result = synadmin("room", "list", "--columns", "room,name", "-o", "csv")
    assert result.stdout.split() == ["room_id,name", "!0:example.org,Chess"]


@pytest.mark.parametrize(
    ("errcode", "hint"),
    [
        ("M_UNKNOWN_TOKEN", "hint: the token is set in the environment: replace it there"),
        ("M_USER_LOCKED", "hint: another server admin has to unlock the account"),
    ],
)
def test_refused_token_gets_the_hint_that_helps(
    signed_in: Stub, synadmin: Synadmin, errcode: str, hint: str
) -> None:
    signed_in.on("*", refused(401, errcode, "No"))
    result = synadmin("room", "list")
    assert (result.code, hint in result.stderr) == (3, True)


def test_change_without_a_question_takes_no_room_name(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on(ROOMS, json_reply({"rooms": rooms("Chess"), "total_rooms": 1, "offset": 0}))
    for options in ([], ["--yes"]):
        result = synadmin("room", "block", "Chess", *options)
        assert result.code == 2
        assert "hint: the id is '!0:example.org'" in result.stderr
    assert not [request for request in signed_in.requests if request.method != "GET"]


def test_user_find_guesses_the_kind_of_text(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on("*", refused(404, "M_NOT_FOUND", "User not found"))
    by_address = "/_synapse/admin/v1/threepid"
    signed_in.on(
        f"{by_address}/email/users/alice%40example.org", json_reply({"user_id": "@alice:example.org"})
    )
    signed_in.on(f"{by_address}/msisdn/users/44123", json_reply({"user_id": "@bob:example.org"}))
    signed_in.on(USER, json_reply({"name": "@alice:example.org", "locked": True}))
    ann = {"name": "@ann:example.org", "displayname": "Ann Smith", "locked": True}
    signed_in.on("/_synapse/admin/v3/users", json_reply({"users": [ann], "total": 1}))
    for text, user_id in (
        ("alice@example.org", "@alice:example.org"),
        ("+44 123", "@bob:example.org"),
        ("alice", "@alice:example.org"),
        ("@alice:example.org", "@alice:example.org"),
        ("Ann Smith", "@ann:example.org"),
    ):
        assert synadmin("user", "find", text, "-o", "name").stdout.strip() == user_id
    table = synadmin("user", "find", "Ann Smith").stdout.splitlines()
    assert table[2].split() == ["@ann:example.org", "Ann", "Smith", "no", "yes"]
    signed_in.on("/_synapse/admin/v3/users", json_reply({"users": [], "total": 0}))
    assert synadmin("user", "find", "Nobody Else").code == 4
