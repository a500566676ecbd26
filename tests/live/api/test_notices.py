"""Server notices, with the library and with the command, on a real Synapse."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from synadmin.errors import NotFoundError
from synadmin.ids import RoomId, UserId
from synadmin.sandbox.homeserver import Homeserver

if TYPE_CHECKING:
    from collections.abc import Iterator

    from synadmin.sandbox.accounts import Person
    from tests.live.conftest import Newcomer, Synadmin


@pytest.fixture(scope="module")
def notices_server() -> Iterator[Homeserver]:
    """A Synapse with server notices."""
    configuration = {"server_notices": {"system_mxid_localpart": "notices", "auto_join": True}}
    with Homeserver(server_name="notices.example", extra_config=configuration) as server:
        yield server


def received_notices(server: Homeserver, person: Person) -> list[str]:
    """Return the texts of the notices that a user has received."""
    rooms = server.admin.synapse.users.memberships(person.user_id).memberships
    return [
        str(event.content["body"])
        for room_id in rooms
        for event in server.admin.synapse.events.messages(
            RoomId(room_id), filter={"types": ["m.room.message"]}
        )
    ]


def test_notice_to_all_reaches_each_active_account_once(
    notices_server: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    alice, bot, locked = (newcomer(name, server=notices_server) for name in ("alice", "bot", "locked"))
    users = notices_server.admin.synapse.users
    users.modify(bot.user_id, user_type="bot")
    users.modify(locked.user_id, locked=True)
    command = ("notice", "send", "--all", "-m", "Back at 10:00.", "-o", "ndjson")

    dry_run = synadmin(*command, "--dry-run", server=notices_server)
    sent = synadmin(*command, "--yes", server=notices_server)

    recipients = [json.loads(line)["user_id"] for line in sent.stdout.splitlines()]
    planned = [json.loads(line)["user_id"] for line in dry_run.stdout.splitlines()]
    assert (dry_run.code, sent.code) == (0, 0), sent.stderr
    assert recipients == planned
    assert alice.user_id in recipients
    assert not {bot.user_id, locked.user_id} & set(recipients)
    assert "accounts will get it. Left out: 1 bot, 1 locked." in sent.stderr
    assert received_notices(notices_server, alice) == ["Back at 10:00."]
    assert received_notices(notices_server, bot) == received_notices(notices_server, locked) == []


def test_notice_with_a_transaction_id_is_sent_once(notices_server: Homeserver, newcomer: Newcomer) -> None:
    alice = newcomer("alice", server=notices_server)
    notices = notices_server.admin.synapse.notices

    once = [
        notices.send_once(alice.user_id, {"msgtype": "m.text", "body": "once"}, txn_id="a/b+c=%2F")
        for _ in range(2)
    ]
    twice = [notices.send(alice.user_id, {"msgtype": "m.text", "body": "twice"}) for _ in range(2)]

    assert once[0] == once[1]
    assert twice[0] != twice[1]
    assert received_notices(notices_server, alice) == ["once", "twice", "twice"]
    with pytest.raises(NotFoundError):
        notices.send(UserId("@nobody:notices.example"), {})


def test_repeated_command_sends_a_notice_once(
    notices_server: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    alice, bob = newcomer("alice", server=notices_server), newcomer("bob", server=notices_server)

    first = synadmin("notice", "send", alice.user_id, server=notices_server, stdin="Down at 10.\nSorry.\n")
    txn_id = first.stderr.partition("Transaction id: ")[2].split()[0]
    again = synadmin(
        *("notice", "send", alice.user_id, bob.user_id, "--transaction-id", txn_id, "--yes", "-o", "ndjson"),
        server=notices_server,
        stdin="Down at 10.\nSorry.\n",
    )

    assert first.code == again.code == 0, again.stderr
    assert [json.loads(line)["transaction_id"] for line in again.stdout.splitlines()] == [txn_id, txn_id]
    assert (
        received_notices(notices_server, alice)
        == received_notices(notices_server, bob)
        == ["Down at 10.\nSorry."]
    )


def test_command_sends_any_content_and_repeats_without_a_transaction_id(
    notices_server: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    alice = newcomer("alice", server=notices_server)
    content = json.dumps({"msgtype": "m.notice", "body": "<b>"})

    answers = [
        synadmin(
            *("notice", "send", alice.user_id, "--content", content, "--no-transaction"),
            *("--type", "m.room.message", "-o", "json"),
            server=notices_server,
        )
        for _ in range(2)
    ]

    events = [json.loads(answer.stdout)[0]["event_id"] for answer in answers]
    assert received_notices(notices_server, alice) == ["<b>", "<b>"]
    assert len(set(events)) == 2


def test_reused_transaction_id_is_detected(
    notices_server: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    alice = newcomer("alice", server=notices_server)
    command = ("notice", "send", alice.user_id, "--transaction-id", f"of-{alice.user_id}", "--message")

    first = synadmin(*command, "one", server=notices_server)
    second = synadmin(*command, "two", server=notices_server)

    assert (first.code, second.code) == (0, 1)
    assert "used before" in second.stderr
    assert received_notices(notices_server, alice) == ["one"]


def test_notice_is_not_sent_in_a_dry_run_without_a_yes_or_to_remote_users(
    notices_server: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    alice, bob = newcomer("alice", server=notices_server), newcomer("bob", server=notices_server)
    people = (alice.user_id, bob.user_id)

    dry_run = synadmin("notice", "send", *people, "-m", "x", "--dry-run", "-o", "json", server=notices_server)
    unconfirmed = synadmin("notice", "send", *people, "-m", "x", server=notices_server)
    elsewhere = synadmin(
        "notice", "send", alice.user_id, "@bob:other.example", "-m", "x", server=notices_server
    )
    empty = synadmin("notice", "send", alice.user_id, server=notices_server)

    assert [line["body"]["content"]["body"] for line in json.loads(dry_run.stdout)] == ["x", "x"]
    assert (dry_run.code, unconfirmed.code, elsewhere.code, empty.code) == (0, 2, 2, 2)
    assert received_notices(notices_server, alice) == received_notices(notices_server, bob) == []
