"""``notice send``: invalid options, transaction ids, notices to all users, and resumed runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

import pytest

from tests.unit.stub import ADMIN, BROKEN, WHOAMI, json_reply, refused

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Synadmin
    from tests.unit.stub import Stub

EVENT = "/_synapse/admin/v1/fetch_event/%24e"


@pytest.mark.parametrize(
    ("arguments", "stdin"),
    [
        (("alice",), b""),
        (("alice",), b" \n\n"),
        (("alice", "-m", ""), b""),
        (("alice", "-m", "x", "--content", "{}"), b""),
        (("alice", "--content", "[]"), b""),
        (("alice", "--content", "{"), b""),
        (("--from", "-"), b"alice\nbob\n"),
        (("-m", "x"), b""),
        (("alice", "-m", "x", "--transaction-id", ""), b""),
        (("alice", "-m", "x", "--transaction-id", "7", "--no-transaction"), b""),
        (("alice", "@bob:other.example", "-m", "x"), b""),
        (("alice", "bob", "-m", "x"), b""),
        (("--all",), b""),
        (("alice", "--all", "-m", "x"), b""),
        (("--all", "--from", "-", "-m", "x"), b"alice\n"),
    ],
)
def test_invalid_notice_is_not_sent(
    signed_in: Stub, synadmin: Synadmin, arguments: tuple[str, ...], stdin: bytes
) -> None:
    result = synadmin("notice", "send", *arguments, "-q", stdin=stdin)

    result.assert_one_line_error(code=2)
    assert signed_in.targets == []


def test_each_user_has_a_transaction_id(signed_in: Stub, synadmin: Synadmin) -> None:
    content = {"msgtype": "m.text", "body": "hello"}
    signed_in.on(WHOAMI, json_reply({"user_id": ADMIN, "device_id": "D"}))
    signed_in.on("*", json_reply({"event_id": "$e"}))
    signed_in.on(EVENT, json_reply({"event": message_event(content)}))

    result = synadmin(
        *("notice", "send", "alice", "bob", "--transaction-id", "a/b", "--yes", "-o", "ndjson"),
        stdin=b"hello\n",
    )

    puts = [request for request in signed_in.requests if request.method == "PUT"]
    assert result.code == 0, result.stderr
    assert [request.target.rpartition("/")[2] for request in puts] == [
        "a%2Fb-%40alice%3Aexample.org",
        "a%2Fb-%40bob%3Aexample.org",
    ]
    assert puts[0].json == {"user_id": "@alice:example.org", "content": content}
    assert [json.loads(line)["transaction_id"] for line in result.stdout.splitlines()] == ["a/b", "a/b"]


def message_event(content: object) -> dict[str, object]:
    return {
        "type": "m.room.message",
        "sender": "@notices:example.org",
        "room_id": "!n:example.org",
        "origin_server_ts": 1,
        "content": content,
    }


def test_transaction_id_is_printed_before_the_first_request(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on(WHOAMI, json_reply({"user_id": ADMIN, "device_id": "D"}))
    signed_in.on("*", refused(400, "M_UNKNOWN", "Server notices are not enabled on this server"))

    result = synadmin("notice", "send", "alice", "-m", "hello")

    first, second, hint = result.stderr.splitlines()
    assert result.code == 1
    assert first.startswith("Transaction id: synadmin-")
    assert "Server notices are not enabled on this server" in second
    assert hint.startswith("hint: add `server_notices` to homeserver.yaml")


NOTICES_ENABLED = refused(400, "M_UNKNOWN", "Server notices can only be sent to local users")
NOTICE = "/_synapse/admin/v1/send_server_notice"


@pytest.fixture
def populated(signed_in: Stub) -> Stub:
    """A server with two accounts that get a notice to all, and one account of each kind that does not."""
    accounts: dict[str, dict[str, object]] = {
        "alice": {},
        "bob": {"user_type": "support"},
        "gone": {"deactivated": True},
        "locked": {"locked": True},
        "waits": {"approved": False},
        "guest": {"is_guest": True},
        "bot": {"user_type": "bot"},
        "bridged": {},
    }
    users = [{"name": f"@{name}:example.org", **fields} for name, fields in accounts.items()]
    page = json_reply({"users": users, "total": len(users)})
    signed_in.on("*", page)
    signed_in.on(NOTICE, NOTICES_ENABLED)
    signed_in.on(WHOAMI, json_reply({"user_id": ADMIN, "device_id": "D"}))
    signed_in.on(EVENT, json_reply({"event": message_event({"msgtype": "m.text", "body": "Back at 10:00."})}))
    for name in ("alice", "bob", "bridged"):
        user_id = f"@{name}:example.org"
        service = "irc" if name == "bridged" else None
        path = f"/_synapse/admin/v2/users/{quote(user_id, safe='')}"
        signed_in.on(path, json_reply({"name": user_id, "appservice_id": service}))
    return signed_in


def recipients(stub: Stub) -> list[str]:
    return [
        unquote(request.target).rpartition("-")[2] for request in stub.requests if request.method == "PUT"
    ]


def path_to(name: str) -> str:
    return f"{NOTICE}/7-%40{name}%3Aexample.org"


def test_notice_to_all_shows_text_and_counts_first(populated: Stub, synadmin: Synadmin) -> None:
    command = ("notice", "send", "--all", "-m", "Back at 10:00.")

    dry_run = synadmin(*command, "--dry-run", "-o", "name")
    without_yes = synadmin(*command)

    assert dry_run.stdout.splitlines() == ["@alice:example.org", "@bob:example.org"]
    assert without_yes.code == 2
    for result in (dry_run, without_yes):
        assert "    Back at 10:00.\n" in result.stderr
        assert (
            "2 of 8 accounts will get it. Left out: 1 deactivated, 1 locked, 1 not approved, 1 guest, "
            "1 bot, 1 of an app service." in result.stderr
        )
        assert "Send this notice to 2 users?" in result.stderr
    assert recipients(populated) == []


def test_notice_to_all_pauses_after_each(populated: Stub, synadmin: Synadmin, naps: list[float]) -> None:
    for name in ("alice", "bob"):
        populated.on(path_to(name), json_reply({"event_id": "$e"}))
    result = synadmin("notice", "send", "--all", "-m", "Back at 10:00.", "--transaction-id", "7", "--yes")

    assert result.code == 0, result.stderr
    assert recipients(populated) == ["@alice:example.org", "@bob:example.org"]
    assert len(naps) == 2
    assert all(0 < seconds <= 2 for seconds in naps)


def test_server_without_notices_is_refused_before_accounts_are_read(
    populated: Stub, synadmin: Synadmin
) -> None:
    populated.on(NOTICE, refused(400, "M_UNKNOWN", "Server notices are not enabled on this server"))

    result = synadmin("notice", "send", "--all", "-m", "x", "--yes")

    result.assert_one_line_error(code=5)
    assert "add `server_notices` to homeserver.yaml" in result.stderr
    assert populated.targets == [f"POST {NOTICE}"]


def test_resumed_run_sends_nothing_to_users_who_may_have_the_notice(
    populated: Stub, synadmin: Synadmin
) -> None:
    populated.on(path_to("alice"), json_reply({"event_id": "$e"}))
    populated.on(path_to("bob"), BROKEN)
    message = b"Back at 10:00.\n"

    first = synadmin("notice", "send", "--all", "--transaction-id", "7", "--yes", "-o", "json", stdin=message)
    populated.requests.clear()
    populated.on(path_to("bob"), json_reply({"event_id": "$e"}))
    resumed = synadmin("journal", "resume", "last", "-o", "json")

    assert [record["outcome"] for record in json.loads(first.stdout)] == ["done", "unknown"]
    assert [record["outcome"] for record in json.loads(resumed.stdout)] == ["done", "unknown"]
    assert [record["message"] for record in json.loads(resumed.stdout)] == [
        "sent before: not sent again",
        "may have been sent before: not sent again. `synadmin notice send @bob:example.org` sends it",
    ]
    assert recipients(populated) == []


def test_resumed_run_sends_to_users_without_a_notice(populated: Stub, synadmin: Synadmin) -> None:
    populated.on(path_to("alice"), json_reply({"event_id": "$e"}))
    populated.on(path_to("bob"), refused(400, "M_UNKNOWN", "no"))

    first = synadmin("notice", "send", "--all", "-m", "Back at 10:00.", "--transaction-id", "7", "--yes")
    populated.requests.clear()
    populated.on(path_to("bob"), json_reply({"event_id": "$e"}))
    resumed = synadmin("journal", "resume", "last")
    again = synadmin("journal", "resume", "last")

    assert (first.code, resumed.code, again.code) == (6, 0, 0)
    assert recipients(populated) == ["@bob:example.org"]
