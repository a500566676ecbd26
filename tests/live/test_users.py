"""The ``user`` commands, checked by the state of Synapse afterwards."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING

import pytest

from synadmin.client import Synapse
from synadmin.errors import NotFoundError

if TYPE_CHECKING:
    from synadmin.ids import RoomId, UserId
    from synadmin.sandbox.accounts import Person
    from synadmin.sandbox.homeserver import Homeserver
    from tests.live.conftest import Newcomer, Synadmin

ELSEWHERE = "@alice:elsewhere.example"
_numbers = itertools.count(1)


@pytest.mark.parametrize(
    "arguments",
    [
        ("user", "create", ELSEWHERE),
        ("user", "lock", ELSEWHERE),
        ("user", "unlock", ELSEWHERE),
        ("user", "suspend", ELSEWHERE),
        ("user", "shadow-ban", ELSEWHERE),
        ("user", "deactivate", ELSEWHERE, "--yes"),
        ("user", "reactivate", ELSEWHERE),
        ("user", "admin", "grant", ELSEWHERE, "--yes"),
        ("user", "password", ELSEWHERE),
        ("user", "login", ELSEWHERE, "--yes"),
        ("user", "show", ELSEWHERE),
        ("user", "account-data", ELSEWHERE),
        ("user", "rate-limit", "show", ELSEWHERE),
        ("device", "list", ELSEWHERE),
        ("media", "list", "--user", ELSEWHERE),
        ("experimental-feature", "show", ELSEWHERE),
    ],
    ids=lambda words: "-".join(words[:3]),
)
def test_remote_user_is_refused_with_the_local_server_name(
    homeserver: Homeserver, synadmin: Synadmin, arguments: tuple[str, ...]
) -> None:
    answer = synadmin(*arguments, stdin="a new password\n")
    assert (answer.code, answer.stdout) == (2, ""), answer
    assert f"{ELSEWHERE} is a user of another server" in answer.stderr
    assert f"the name of this server is {homeserver.server_name}" in answer.stderr
    hint = "only accounts of this server can be named here: their ids end with"
    assert f"hint: {hint} :{homeserver.server_name}" in answer.stderr
    assert f"@alice:{homeserver.server_name}" not in answer.stderr  # an account that may not exist


def test_user_create_uses_the_columns_of_the_list(homeserver: Homeserver, synadmin: Synadmin) -> None:
    rose, iris = f"rose-{next(_numbers)}", f"iris-{next(_numbers)}"
    rows = (
        "user_id;displayname;email;password;admin\n"
        f"{rose};Rose, from next door;{rose}@example.org; spaced secret ;true\n"
        f"@{iris}:{homeserver.server_name};;;;false\n"
    )
    answer = synadmin("user", "create", "--from", "-", "--yes", "-o", "json", stdin="\ufeff" + rows)
    assert answer.code == 0, answer.stderr
    assert "secret" not in answer.stdout + answer.stderr
    made = homeserver.admin.synapse.users.get(homeserver.user_id(rose))
    assert (made.displayname, made.admin) == ("Rose, from next door", True)
    assert [(threepid.medium, threepid.address) for threepid in made.threepids] == [
        ("email", f"{rose}@example.org")
    ]
    with Synapse(homeserver.url) as anonymous:
        assert anonymous.client_server.login(rose, " spaced secret ").user_id == made.name
    assert not homeserver.admin.synapse.users.get(homeserver.user_id(iris)).admin


@pytest.mark.parametrize(
    ("rows", "names"),
    [
        ("name,displayname,passwd\nviolet,Violet,hunter2\n", ["passwd", "standard input, line 2"]),
        ("name,password,admin\nviolet,hunter2,perhaps\n", ["line 2", "admin"]),
        ("name,password,email\nviolet,hunter2,nowhere hunter2\n", ["line 2", "email"]),
        ("name,password\nviolet,hunter2\nviolet,hunter2\n", ["line 3", "listed twice"]),
        ("name,password\n,hunter2\n", ["line 2"]),
    ],
)
def test_invalid_list_creates_no_account_and_is_not_printed(
    homeserver: Homeserver, synadmin: Synadmin, rows: str, names: list[str]
) -> None:
    answer = synadmin("user", "create", "--from", "-", "--yes", stdin=rows)
    assert (answer.code, answer.stdout) == (2, ""), answer
    for name in names:
        assert name in answer.stderr
    assert "hunter2" not in answer.stderr
    with pytest.raises(NotFoundError):
        homeserver.admin.synapse.users.get(homeserver.user_id("violet"))


@pytest.mark.parametrize("stdin", ["\ufeffnew secret\r\n", "new secret\n\n", "new secret"])
def test_password_on_standard_input_is_the_first_line(
    homeserver: Homeserver, synadmin: Synadmin, newcomer: Newcomer, stdin: str
) -> None:
    user_id = newcomer("pansy").user_id
    answer = synadmin("user", "password", user_id, "--yes", stdin=stdin)
    assert answer.code == 0, answer.stderr
    with Synapse(homeserver.url) as anonymous:
        assert anonymous.client_server.login(user_id, "new secret").user_id == user_id


def test_password_with_more_lines_is_refused(
    homeserver: Homeserver, synadmin: Synadmin, newcomer: Newcomer
) -> None:
    user_id = newcomer("pansy").user_id
    answer = synadmin("user", "password", user_id, "--yes", stdin="new secret\nlogin: pansy\n")
    assert answer.code == 2
    assert "secret" not in answer.stderr
    with Synapse(homeserver.url) as anonymous:
        assert anonymous.client_server.login(user_id, homeserver.password).user_id == user_id


def test_locked_account_gets_no_token(homeserver: Homeserver, synadmin: Synadmin, newcomer: Newcomer) -> None:
    lily = newcomer("lily")
    homeserver.admin.synapse.users.modify(lily.user_id, locked=True)
    answer = synadmin("user", "login", lily.user_id, "--forever", "--yes")
    assert (answer.code, answer.stdout) == (5, "")
    assert f"synadmin user unlock {lily.user_id}" in answer.stderr
    assert "synadmin login" not in answer.stderr
    logins = [
        request.uri
        for request in homeserver.processed()
        if request.uri.endswith("/login") and "lily" in request.uri
    ]
    assert logins == []


def _send_texts(person: Person, room_id: RoomId, *texts: str) -> list[str]:
    send = person.synapse.client_server.send_event
    return [
        send(room_id, "m.room.message", {"msgtype": "m.text", "body": text}, txn_id=text).event_id
        for text in texts
    ]


def _texts(reader: Person, room_id: RoomId, user_id: UserId) -> list[str]:
    found = reader.synapse.events.messages(
        room_id, filter={"senders": [user_id], "types": ["m.room.message"]}
    )
    return [event.content["body"] for event in found if "body" in event.content]


@pytest.mark.parametrize("state", ["left", "banned", "deactivated", "joined"])
def test_messages_of_a_user_who_left_are_redacted(
    homeserver: Homeserver, synadmin: Synadmin, newcomer: Newcomer, state: str
) -> None:
    owner, spam = newcomer("owner"), newcomer("spam")
    room_id = owner.make_room(members=[spam])
    _send_texts(spam, room_id, "buy", "this")
    if state == "left":
        spam.leave(room_id)
    if state == "banned":
        owner.ban(room_id, spam)
    if state == "deactivated":
        homeserver.admin.synapse.users.deactivate(spam.user_id)
    answer = synadmin("user", "redact", spam.user_id, "--yes", "-o", "json")
    left = _texts(homeserver.admin, room_id, spam.user_id)
    (record,) = json.loads(answer.stdout) if answer.stdout else [{"outcome": "failed"}]
    assert (left == []) == (record["outcome"] == "done"), (answer, left)
    assert (answer.code, record["messages"], record["rooms"]) == (0, 3, 1), answer
    again = synadmin("user", "redact", spam.user_id, "--yes", "-o", "json")
    (record,) = json.loads(again.stdout)
    assert (again.code, record["messages"]) == (0, 0)
    assert "no messages" in record["message"]


def test_messages_that_cannot_be_redacted_are_counted(
    homeserver: Homeserver, synadmin: Synadmin, newcomer: Newcomer
) -> None:
    owner, spam = newcomer("owner"), newcomer("spam")
    room_id = owner.make_room(members=[spam])
    _send_texts(spam, room_id, "buy", "this")
    answer = synadmin("user", "redact", spam.user_id, "--use-admin", "--yes")
    assert answer.code == 1
    assert "0 of 3 messages" in answer.stderr
    assert room_id in answer.stderr
    assert _texts(homeserver.admin, room_id, spam.user_id) == ["buy", "this"]


def test_room_for_server_notices_is_left_out_of_a_redaction(
    homeserver: Homeserver, synadmin: Synadmin, newcomer: Newcomer
) -> None:
    spam = newcomer("spam")
    spam.make_room()
    homeserver.admin.synapse.notices.send(spam.user_id, {"msgtype": "m.text", "body": "Hello."})
    answer = synadmin("user", "redact", spam.user_id, "--yes", "-o", "json")
    (record,) = json.loads(answer.stdout)
    assert (answer.code, record["messages"], record["rooms"]) == (0, 1, 1), answer
    assert "left out: the join in the server notices room !" in record["message"]
    again = synadmin("user", "redact", spam.user_id, "--dry-run", "-o", "json")
    assert "are left to redact; left out: the join in the server notices room !" in again.stdout


@pytest.mark.parametrize("name", ["nobody-of-this-name", "@nobody:elsewhere.example"])
def test_redact_of_an_unknown_user_is_not_found(synadmin: Synadmin, name: str) -> None:
    answer = synadmin("user", "redact", name, "--yes")
    assert (answer.code, answer.stdout) == (4, "")


def test_unknown_room_is_refused(synadmin: Synadmin, newcomer: Newcomer) -> None:
    answer = synadmin("user", "redact", newcomer().user_id, "--room", "!nowhere:x.example", "--yes")
    assert (answer.code, answer.stdout) == (4, "")
