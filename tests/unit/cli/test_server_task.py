"""Long work at the server: waited for, told apart from failure, left and taken up again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from synadmin.cli.invocation import Invocation
from synadmin.cli.outcomes import StillUnderWayError
from synadmin.cli.server_task import TaskFailedError, elapsed, wait_for_task
from synadmin.errors import ConnectError, ServerError
from tests.unit.stub import SILENT, told

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.unit.cli.conftest import Synadmin
    from tests.unit.stub import Stub

DELETE = "/_synapse/admin/v2/rooms/%21spam%3Aexample.org"
ROOM = "/_synapse/admin/v1/rooms/%21spam%3Aexample.org"
STATUS = "/_synapse/admin/v2/rooms/delete_status/D1"


@dataclass(frozen=True)
class Record:
    status: str
    error: str | None = None


def answers(*records: Record) -> Callable[[], Record]:
    iterator = iter(records)
    return lambda: next(iterator)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Time that passes when somebody sleeps; what is in the list is how long each slept."""
    slept: list[float] = []
    monkeypatch.setattr("synadmin.cli.server_task.time.sleep", slept.append)
    monkeypatch.setattr("synadmin.cli.server_task.time.monotonic", lambda: sum(slept))
    return slept


def test_what_the_server_says_in_the_end_is_returned(clock: list[float]) -> None:
    poll = answers(Record("scheduled"), Record("active"), Record("active"), Record("complete"))

    task = wait_for_task(Invocation(), poll, what="purging", again="synadmin again")

    assert task == Record("complete")
    assert len(clock) == 3


def test_the_server_is_asked_ever_more_rarely_but_not_too_rarely(clock: list[float]) -> None:
    wait_for_task(
        Invocation(), answers(*[Record("active")] * 40, Record("complete")), what="purging", again="x"
    )

    assert clock == sorted(clock)
    assert clock[0] == pytest.approx(0.1)
    assert clock[-1] == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (Record("failed", "no such room"), "purging: failed, no such room"),
        (Record("failed"), "purging: failed"),
        (Record("cancelled"), "purging: cancelled"),
        (Record("something new"), "purging: something new"),
    ],
)
def test_whatever_is_not_complete_in_the_end_is_a_failure(record: Record, words: str) -> None:
    with pytest.raises(TaskFailedError) as failed:
        wait_for_task(Invocation(), answers(record), what="purging", again="x")

    assert str(failed.value) == words


def test_a_server_that_goes_away_leaves_it_open_and_the_way_back_is_told() -> None:
    def poll() -> Record:
        message = "example.org cannot be reached"
        raise ConnectError(message)

    with pytest.raises(StillUnderWayError) as left:
        wait_for_task(Invocation(), poll, what="purging", again="synadmin room purge-status 7 --wait")

    assert left.value.hint is not None
    assert "synadmin room purge-status 7 --wait" in left.value.hint


def test_without_a_terminal_there_is_a_line_a_minute(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    poll = answers(*[Record("active")] * 60, Record("complete"))

    wait_for_task(Invocation(), poll, what="purging !a\x1b[0m", again="x")

    lines = capsys.readouterr().err.splitlines()
    assert sum(clock) == pytest.approx(180, abs=40)
    assert len(lines) in {2, 3}
    assert lines[0].startswith("purging !a\\x1b[0m: active, 1 min")


def test_quietly_there_is_none(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    poll = answers(*[Record("active")] * 60, Record("complete"))

    wait_for_task(Invocation(quiet=True), poll, what="purging", again="x")

    assert sum(clock) > 60
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (59.9, "59 s"), (185, "3 min 5 s"), (8040, "2 h 14 min")]
)
def test_a_length_of_time_is_said_as_people_say_it(seconds: float, words: str) -> None:
    assert elapsed(seconds) == words


def deleting(stub: Stub, status: str) -> None:
    stub.on(ROOM, told({"room_id": "!spam:example.org"}))
    stub.on(DELETE, told({"delete_id": "D1"}))
    stub.on(STATUS, told({"delete_id": "D1", "room_id": "!spam:example.org", "status": status}))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_leaves_is_told_that_it_goes_on_and_how_to_take_it_up_again(
    signed_in: Stub, work: Path, number: signal.Signals
) -> None:
    deleting(signed_in, "active")
    command = [sys.executable, "-m", "synadmin", "room", "delete", "!spam:example.org", "--yes"]

    with subprocess.Popen(
        command, cwd=work, env=os.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        until = time.monotonic() + 60
        while f"GET {STATUS}" not in signed_in.targets:
            assert time.monotonic() < until
            time.sleep(0.02)
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=60)

    assert process.returncode == 130
    assert stdout == ""
    again = "Follow it again with `synadmin room delete-status D1 --wait`."
    *lines, changes = [line for line in stderr.splitlines() if line]
    assert lines == [f"The server continues deleting !spam:example.org. {again}", "synadmin: interrupted"]
    assert changes.startswith("hint: 1 change of this run may have been made: `synadmin journal show ")


def test_one_that_is_left_open_in_a_bulk_is_pending_and_the_others_go_on(
    signed_in: Stub, synadmin: Synadmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNADMIN_TIMEOUT", "0.2")
    deleting(signed_in, "active")
    signed_in.on(STATUS, SILENT)

    answer = synadmin("room", "delete", "!spam:example.org", "!ham:example.org", "--yes", "-o", "json")

    spam, ham = json.loads(answer.stdout)
    assert answer.code == 1
    assert (spam["outcome"], ham["outcome"]) == ("pending", "failed")
    assert "the server may continue deleting !spam:example.org" in spam["message"]


def test_a_server_that_fails_now_and_then_is_asked_again(clock: list[float]) -> None:
    failure = ServerError(status=502, errcode="M_UNKNOWN", reason="Bad gateway")
    answered: Iterator[ServerError | Record] = iter(
        [failure, Record("active"), failure, failure, Record("complete")]
    )

    def poll() -> Record:
        answer = next(answered)
        if isinstance(answer, ServerError):
            raise answer
        return answer

    assert wait_for_task(Invocation(), poll, what="purging", again="synadmin again") == Record("complete")
    assert len(clock) == 4


def test_work_that_the_server_cannot_tell_of_any_more_is_pending(clock: list[float]) -> None:
    def poll() -> Record:
        raise ServerError(status=500, errcode="M_UNKNOWN", reason="Internal server error")

    with pytest.raises(StillUnderWayError) as caught:
        wait_for_task(Invocation(), poll, what="purging", again="synadmin again")

    assert "synadmin again" in str(caught.value.hint)
    assert 0 < len(clock) < 10
