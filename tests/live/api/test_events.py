"""Events, with the library and with commands, on a real Synapse."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from synadmin.errors import NotFoundError
from synadmin.ids import EventId, RoomId, encoded

if TYPE_CHECKING:
    from synadmin.sandbox.accounts import Person
    from synadmin.sandbox.homeserver import Homeserver
    from tests.live.conftest import Newcomer, Synadmin


def send_message(person: Person, room_id: RoomId, text: str, number: int) -> EventId:
    path = f"/_matrix/client/v3/rooms/{encoded(room_id)}/send/m.room.message/{number}"
    return EventId(person.call("PUT", path, {"msgtype": "m.text", "body": text})["event_id"])


def redact(person: Person, room_id: RoomId, event_id: EventId) -> None:
    path = f"/_matrix/client/v3/rooms/{encoded(room_id)}/redact/{encoded(event_id)}/take-back"
    person.call("PUT", path, {"reason": "rude"})


class ChatRoom:
    """A private room with messages. The server admin is not a member."""

    def __init__(self, person: Person, other: Person) -> None:
        self.person = person
        self.room_id = person.make_room("Chess", members=[other])
        self.messages = [send_message(person, self.room_id, f"move {number}", number) for number in range(5)]
        self.insult = send_message(other, self.room_id, "you \x1b[31mcheat", 9)


@pytest.fixture
def chat(newcomer: Newcomer) -> ChatRoom:
    return ChatRoom(newcomer("alice"), newcomer("bob"))


def bodies(events: Any) -> list[str]:  # noqa: ANN401  any JSON
    return [event["content"]["body"] for event in events if "body" in event["content"]]


def test_messages_are_paged_in_both_directions(homeserver: Homeserver, chat: ChatRoom) -> None:
    events = homeserver.admin.synapse.events

    forwards = list(events.messages(chat.room_id, page_size=3))
    backwards = list(events.messages(chat.room_id, page_size=3, backwards=True))

    assert [event.event_id for event in forwards] == [event.event_id for event in reversed(backwards)]
    assert forwards[0].type == "m.room.create"
    assert [event.event_id for event in forwards[-6:]] == [*chat.messages, chat.insult]


def test_filter_and_token_select_messages(homeserver: Homeserver, chat: ChatRoom) -> None:
    events = homeserver.admin.synapse.events
    middle = events.context(chat.room_id, chat.messages[2], limit=0)

    after = events.messages(
        chat.room_id, start=middle.end, filter={"senders": [chat.person.user_id], "types": ["m.room.message"]}
    )

    assert [event.content["body"] for event in after] == ["move 3", "move 4"]


def test_raw_messages_have_the_federation_format(homeserver: Homeserver, chat: ChatRoom) -> None:
    newest = next(iter(homeserver.admin.synapse.events.messages(chat.room_id, backwards=True, raw=True)))

    assert newest.event_id == chat.insult
    assert newest.signatures is not None
    assert list(newest.signatures) == [homeserver.server_name]
    assert newest.prev_events == (chat.messages[-1],)


def test_context_of_an_event_has_events_before_and_after(homeserver: Homeserver, chat: ChatRoom) -> None:
    context = homeserver.admin.synapse.events.context(chat.room_id, chat.messages[2], limit=4)

    assert context.event.event_id == chat.messages[2]
    assert [event.event_id for event in context.events_before] == [chat.messages[1], chat.messages[0]]
    assert [event.event_id for event in context.events_after] == [chat.messages[3], chat.messages[4]]
    assert {event.type for event in context.state} >= {"m.room.create", "m.room.power_levels"}


def test_event_at_a_time_is_the_nearest_in_the_given_direction(
    homeserver: Homeserver, chat: ChatRoom
) -> None:
    events = homeserver.admin.synapse.events
    when = events.fetch(chat.messages[1]).event.origin_server_ts

    assert events.at_time(chat.room_id, when).event_id == chat.messages[1]
    assert events.at_time(chat.room_id, when - 1, backwards=True).event_id == chat.messages[0]
    with pytest.raises(NotFoundError):
        events.at_time(chat.room_id, int(time.time() * 1000) + 60_000)


def test_redacted_event_is_fetched_with_its_content(homeserver: Homeserver, chat: ChatRoom) -> None:
    redact(chat.person, chat.room_id, chat.insult)

    event = homeserver.admin.synapse.events.fetch(chat.insult).event

    assert event.content["body"] == "you \x1b[31mcheat"
    assert event.room_id == chat.room_id
    with pytest.raises(NotFoundError):
        homeserver.admin.synapse.events.fetch(EventId("$not+there/at=all%2F"))


def test_command_lists_the_newest_messages_without_membership(synadmin: Synadmin, chat: ChatRoom) -> None:
    redact(chat.person, chat.room_id, chat.messages[4])

    answer = synadmin(
        "room", "messages", chat.room_id, "-n", "3", "--type", "m.room.message", "--columns", "sender,content"
    )

    lines = answer.stdout.splitlines()
    assert answer.code == 0
    assert len(lines) == 5
    assert lines[2].endswith("you \\x1b[31mcheat")
    assert lines[3].endswith("(redacted)")
    assert lines[4].endswith("move 3")


def test_command_lists_all_messages_of_a_sender_as_ndjson(synadmin: Synadmin, chat: ChatRoom) -> None:
    localpart = chat.person.user_id[1:].partition(":")[0]

    answer = synadmin(
        "room", "messages", chat.room_id, "--all", "--oldest-first", "--sender", localpart, "-o", "ndjson"
    )

    events = [json.loads(line) for line in answer.stdout.splitlines()]
    assert {event["sender"] for event in events} == {chat.person.user_id}
    assert bodies(events) == [f"move {number}" for number in range(5)]


def test_command_shows_the_context_in_order_and_marks_the_event(synadmin: Synadmin, chat: ChatRoom) -> None:
    table = synadmin("room", "context", chat.room_id, chat.messages[2], "-n", "2")
    whole = json.loads(synadmin("room", "context", chat.room_id, chat.messages[2], "-o", "json").stdout)
    rows = synadmin("room", "context", chat.room_id, chat.messages[2], "-n", "2", "-o", "ndjson").stdout

    marked = [line.startswith("event ") for line in table.stdout.splitlines()[2:]]
    assert marked == [False, True, False]
    assert [json.loads(row)["position"] for row in rows.splitlines()] == ["before", "event", "after"]
    assert whole["event"]["event_id"] == chat.messages[2]
    assert whole["state"]
    assert whole["start"]


def test_command_finds_the_event_at_a_time(synadmin: Synadmin, chat: ChatRoom) -> None:
    before = synadmin("room", "event-at", chat.room_id, "2001-09-10", "-o", "json")
    last = synadmin("room", "event-at", chat.room_id, "0s", "--before", "-o", "json")
    no_event = synadmin("room", "event-at", chat.room_id, "2001-09-10", "--before")

    assert json.loads(before.stdout)["origin_server_ts"] > 0
    assert json.loads(last.stdout)["event_id"] == chat.insult
    assert (no_event.code, no_event.stdout) == (4, "")


def test_command_shows_an_event_of_any_room(synadmin: Synadmin, chat: ChatRoom) -> None:
    redact(chat.person, chat.room_id, chat.insult)

    shown = synadmin("event", "show", chat.insult)
    whole = synadmin("event", "show", chat.insult, "-o", "json")
    unknown = synadmin("event", "show", "$nothing")

    assert chat.room_id in shown.stdout
    assert "\x1b" not in shown.stdout + whole.stdout
    assert json.loads(whole.stdout)["content"]["body"] == "you \x1b[31mcheat"
    assert set(json.loads(whole.stdout)) >= {"hashes", "signatures", "auth_events"}
    assert unknown.code == 4
