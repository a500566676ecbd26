"""Reports, with the library and with commands, on a real Synapse."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING

import pytest

from synadmin.errors import NotFoundError
from synadmin.ids import encoded

if TYPE_CHECKING:
    from synadmin.ids import EventId, RoomId
    from synadmin.sandbox.accounts import Person
    from synadmin.sandbox.homeserver import Homeserver
    from tests.live.conftest import Newcomer, Synadmin

_transactions = itertools.count(1)


def say(person: Person, room_id: RoomId, body: str) -> EventId:
    path = f"/_matrix/client/v3/rooms/{encoded(room_id)}/send/m.room.message/report-{next(_transactions)}"
    event_id: EventId = person.call("PUT", path, {"msgtype": "m.text", "body": body})["event_id"]
    return event_id


def report_event(person: Person, room_id: RoomId, event_id: EventId, reason: str) -> None:
    path = f"/_matrix/client/v3/rooms/{encoded(room_id)}/report/{encoded(event_id)}"
    person.call("POST", path, {"reason": reason, "score": -50})


def report_user(person: Person, target: Person, reason: str) -> None:
    person.call("POST", f"/_matrix/client/v3/users/{encoded(target.user_id)}/report", {"reason": reason})


def test_event_reports_are_listed_shown_and_dismissed(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    alice, mallory = newcomer("alice"), newcomer("mallory")
    room_id = alice.make_room("Quarrel", members=[mallory], alias=alice.user_id[1:].partition(":")[0])
    event_id = say(mallory, room_id, "a foul word")
    for reason in ("foul \x1b[31mlanguage", "=HYPERLINK()", "once more"):
        report_event(alice, room_id, event_id, reason)
    reports = homeserver.admin.synapse.reports

    found = list(reports.events(room_id=room_id, page_size=1))
    oldest = next(iter(reports.events(user_id=alice.user_id, oldest_first=True)))
    details = reports.event(oldest.id)
    filters = ("--room", room_id, "--about", mallory.user_id, "--by", "alice")
    lines = synadmin("report", "list", *filters, "-o", "ndjson").stdout.splitlines()
    table = synadmin("report", "list", *filters, "--oldest-first")
    shown = synadmin("report", "show", str(oldest.id), "-o", "json")
    reports.delete_event(oldest.id)
    rest = [str(report.id) for report in found if report.id != oldest.id]
    deleted = synadmin("report", "dismiss", str(oldest.id), "--yes")
    mixed = synadmin("report", "dismiss", *rest, str(oldest.id), "--yes", "-o", "ndjson")

    assert [report.reason for report in found] == ["once more", "=HYPERLINK()", "foul \x1b[31mlanguage"]
    assert (oldest.score, oldest.sender, oldest.user_id) == (-50, mallory.user_id, alice.user_id)
    assert (oldest.name, oldest.canonical_alias) == ("Quarrel", details.canonical_alias)
    assert details.event_json["content"]["body"] == "a foul word"
    assert [json.loads(line)["id"] for line in lines] == [report.id for report in found]
    assert "foul \\x1b[31mlanguage" in table.stdout
    assert "\x1b" not in table.stdout
    assert json.loads(shown.stdout)["event_json"]["sender"] == mallory.user_id
    assert deleted.code == 4
    assert [json.loads(line)["outcome"] for line in mixed.stdout.splitlines()] == ["done", "done", "failed"]
    assert mixed.code == 6
    assert list(reports.events(room_id=room_id)) == []


def test_user_reports_are_listed_shown_and_dismissed(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    alice, mallory = newcomer("alice"), newcomer("mallory")
    for reason in ("spam", "more spam"):
        report_user(alice, mallory, reason)
    reports = homeserver.admin.synapse.reports

    found = list(reports.users(target_user_id=mallory.user_id, page_size=1))
    oldest = next(iter(reports.users(user_id=alice.user_id, oldest_first=True)))
    user_report = reports.user(oldest.id)
    lines = synadmin("report", "list", "--users", "--about", mallory.user_id, "-o", "ndjson").stdout
    shown = synadmin("report", "show", "--users", str(oldest.id))
    planned = synadmin("report", "dismiss", "--users", str(found[0].id), "--dry-run", "-o", "json")
    reports.delete_user(oldest.id)
    dismissed = synadmin("report", "dismiss", "--users", str(found[0].id), "--yes", "-o", "json")

    assert [report.reason for report in found] == ["more spam", "spam"]
    assert (user_report.target_user_id, user_report.user_id) == (mallory.user_id, alice.user_id)
    assert [json.loads(line)["reason"] for line in lines.splitlines()] == ["more spam", "spam"]
    assert "spam" in shown.stdout
    assert json.loads(planned.stdout)[0]["outcome"] == "planned"
    assert json.loads(dismissed.stdout)[0]["outcome"] == "done"
    for report in found:
        with pytest.raises(NotFoundError):
            reports.user(report.id)


@pytest.mark.parametrize(
    "arguments",
    [
        ("report", "show", "-1"),
        ("report", "show", "9223372036854775808"),
        ("report", "dismiss", "twelve", "--yes"),
        ("report", "dismiss", "--yes"),
        ("report", "list", "--users", "--room", "!a:b.example"),
        ("report", "list", "--about", "@not a user"),
    ],
)
def test_invalid_report_id_is_refused(arguments: tuple[str, ...], synadmin: Synadmin) -> None:
    answer = synadmin(*arguments)

    assert (answer.code, answer.stdout) == (2, "")
    assert len(answer.stderr.splitlines()) <= 2
