"""Server notices, through the library and through the command, on a real Synapse that has them."""

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
def noticing() -> Iterator[Homeserver]:
    """A Synapse that has server notices."""
    configuration = {"server_notices": {"system_mxid_localpart": "notices", "auto_join": True}}
    with Homeserver(server_name="notices.example", extra_config=configuration) as server:
        yield server


def received(server: Homeserver, person: Person) -> list[str]:
    """What the server has said to somebody."""
    rooms = server.admin.synapse.users.memberships(person.user_id).memberships
    return [
        str(event.content["body"])
        for room_id in rooms
        for event in server.admin.synapse.events.messages(
            RoomId(room_id), filter={"types": ["m.room.message"]}
        )
    ]


def test_notice_to_all_reaches_each_active_account_once(
    noticing: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    alice, bot, locked = (newcomer(name, server=noticing) for name in ("alice", "bot", "locked"))
    users = noticing.admin.synapse.users
    users.modify(bot.user_id, user_type="bot")
    users.modify(locked.user_id, locked=True)
    command = ("notice", "send", "--all", "-m", "Back at 10:00.", "-o", "ndjson")

    rehearsed = synadmin(*command, "--dry-run", server=noticing)
    sent = synadmin(*command, "--yes", server=noticing)

    recipients = [json.loads(line)["user_id"] for line in sent.stdout.splitlines()]
    planned = [json.loads(line)["user_id"] for line in rehearsed.stdout.splitlines()]
    assert (rehearsed.code, sent.code) == (0, 0), sent.stderr
    assert recipients == planned
    assert alice.user_id in recipients
    assert not {bot.user_id, locked.user_id} & set(recipients)
    assert "accounts will get it. Left out: 1 bot, 1 locked." in sent.stderr
    assert received(noticing, alice) == ["Back at 10:00."]
    assert received(noticing, bot) == received(noticing, locked) == []


def test_notice_with_a_transaction_id_is_sent_once(noticing: Homeserver, newcomer: Newcomer) -> None:
    alice = newcomer("alice", server=noticing)
    notices = noticing.admin.synapse.notices

    once = [
        notices.send_once(alice.user_id, {"msgtype": "m.text", "body": "once"}, txn_id="a/b+c=%2F")
        for _ in range(2)
    ]
    twice = [notices.send(alice.user_id, {"msgtype": "m.text", "body": "twice"}) for _ in range(2)]

    assert once[0] == once[1]
    assert twice[0] != twice[1]
    assert received(noticing, alice) == ["once", "twice", "twice"]
    with pytest.raises(NotFoundError):
        notices.send(UserId("@nobody:notices.example"), {})


def test_repeated_command_sends_a_notice_once(
    noticing: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    alice, bob = newcomer("alice", server=noticing), newcomer("bob", server=noticing)

    first = synadmin("notice", "send", alice.user_id, server=noticing, stdin="Down at 10.\nSorry.\n")
    run = first.stderr.partition("Transaction id: ")[2].split()[0]
    again = synadmin(
        *("notice", "send", alice.user_id, bob.user_id, "--transaction-id", run, "--yes", "-o", "ndjson"),
        server=noticing,
        stdin="Down at 10.\nSorry.\n",
    )

    assert first.code == again.code == 0, again.stderr
    assert [json.loads(line)["transaction_id"] for line in again.stdout.splitlines()] == [run, run]
    assert received(noticing, alice) == received(noticing, bob) == ["Down at 10.\nSorry."]


def test_command_sends_any_content_and_repeats_without_a_transaction_id(
    noticing: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    alice = newcomer("alice", server=noticing)
    content = json.dumps({"msgtype": "m.notice", "body": "<b>"})

    answers = [
        synadmin(
            *("notice", "send", alice.user_id, "--content", content, "--no-transaction"),
            *("--type", "m.room.message", "-o", "json"),
            server=noticing,
        )
        for _ in range(2)
    ]

    events = [json.loads(answer.stdout)[0]["event_id"] for answer in answers]
    assert received(noticing, alice) == ["<b>", "<b>"]
    assert len(set(events)) == 2


def test_reused_transaction_id_is_detected(
    noticing: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    alice = newcomer("alice", server=noticing)
    command = ("notice", "send", alice.user_id, "--transaction-id", f"of-{alice.user_id}", "--message")

    first = synadmin(*command, "one", server=noticing)
    second = synadmin(*command, "two", server=noticing)

    assert (first.code, second.code) == (0, 1)
    assert "used before" in second.stderr
    assert received(noticing, alice) == ["one"]


def test_notice_is_not_sent_in_a_dry_run_without_a_yes_or_to_remote_users(
    noticing: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    alice, bob = newcomer("alice", server=noticing), newcomer("bob", server=noticing)
    people = (alice.user_id, bob.user_id)

    rehearsed = synadmin("notice", "send", *people, "-m", "x", "--dry-run", "-o", "json", server=noticing)
    unasked = synadmin("notice", "send", *people, "-m", "x", server=noticing)
    elsewhere = synadmin("notice", "send", alice.user_id, "@bob:other.example", "-m", "x", server=noticing)
    empty = synadmin("notice", "send", alice.user_id, server=noticing)

    assert [line["body"]["content"]["body"] for line in json.loads(rehearsed.stdout)] == ["x", "x"]
    assert (rehearsed.code, unasked.code, elsewhere.code, empty.code) == (0, 2, 2, 2)
    assert received(noticing, alice) == received(noticing, bob) == []
