"""Long tasks of the server: wait, failure, interruption, and the command that follows the task again."""

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
from tests.unit.stub import SILENT, json_reply

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


def poll_returning(*records: Record) -> Callable[[], Record]:
    iterator = iter(records)
    return lambda: next(iterator)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Replace the clock with one that only sleep advances, and return the list of sleeps in seconds."""
    slept: list[float] = []
    monkeypatch.setattr("synadmin.cli.server_task.time.sleep", slept.append)
    monkeypatch.setattr("synadmin.cli.server_task.time.monotonic", lambda: sum(slept))
    return slept


def test_final_status_is_returned(clock: list[float]) -> None:
    poll = poll_returning(Record("scheduled"), Record("active"), Record("active"), Record("complete"))

    task = wait_for_task(Invocation(), poll, what="purging", again="synadmin again")

    assert task == Record("complete")
    assert len(clock) == 3


def test_polling_interval_grows_to_a_limit(clock: list[float]) -> None:
    wait_for_task(
        Invocation(), poll_returning(*[Record("active")] * 40, Record("complete")), what="purging", again="x"
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
def test_incomplete_task_is_failed(record: Record, words: str) -> None:
    with pytest.raises(TaskFailedError) as failed:
        wait_for_task(Invocation(), poll_returning(record), what="purging", again="x")

    assert str(failed.value) == words


def test_unreachable_server_leaves_the_task_open_with_a_command() -> None:
    def poll() -> Record:
        message = "example.org cannot be reached"
        raise ConnectError(message)

    with pytest.raises(StillUnderWayError) as caught:
        wait_for_task(Invocation(), poll, what="purging", again="synadmin room purge-status 7 --wait")

    assert caught.value.hint is not None
    assert "synadmin room purge-status 7 --wait" in caught.value.hint


def test_progress_without_a_terminal_is_a_line_a_minute(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    poll = poll_returning(*[Record("active")] * 60, Record("complete"))

    wait_for_task(Invocation(), poll, what="purging !a\x1b[0m", again="x")

    lines = capsys.readouterr().err.splitlines()
    assert sum(clock) == pytest.approx(180, abs=40)
    assert len(lines) in {2, 3}
    assert lines[0].startswith("purging !a\\x1b[0m: active, 1 min")


def test_quiet_prints_no_progress(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    poll = poll_returning(*[Record("active")] * 60, Record("complete"))

    wait_for_task(Invocation(quiet=True), poll, what="purging", again="x")

    assert sum(clock) > 60
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (59.9, "59 s"), (185, "3 min 5 s"), (8040, "2 h 14 min")]
)
def test_duration_is_formatted_for_people(seconds: float, words: str) -> None:
    assert elapsed(seconds) == words


def set_deletion(stub: Stub, status: str) -> None:
    stub.on(ROOM, json_reply({"room_id": "!spam:example.org"}))
    stub.on(DELETE, json_reply({"delete_id": "D1"}))
    stub.on(STATUS, json_reply({"delete_id": "D1", "room_id": "!spam:example.org", "status": status}))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_says_that_the_task_continues(signed_in: Stub, work: Path, number: signal.Signals) -> None:
    set_deletion(signed_in, "active")
    command = [sys.executable, "-m", "synadmin", "room", "delete", "!spam:example.org", "--yes"]

    with subprocess.Popen(
        command, cwd=work, env=os.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + 60
        while f"GET {STATUS}" not in signed_in.targets:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=60)

    assert process.returncode == 130
    assert stdout == ""
    again = "Follow it again with `synadmin room delete-status D1 --wait`."
    *lines, changes = [line for line in stderr.splitlines() if line]
    assert lines == [f"The server continues deleting !spam:example.org. {again}", "synadmin: interrupted"]
    assert changes.startswith("hint: 1 change of this run may have been made: `synadmin journal show ")


def test_open_task_in_a_bulk_is_pending(
    signed_in: Stub, synadmin: Synadmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNADMIN_TIMEOUT", "0.2")
    set_deletion(signed_in, "active")
    signed_in.on(STATUS, SILENT)

    result = synadmin("room", "delete", "!spam:example.org", "!ham:example.org", "--yes", "-o", "json")

    spam, ham = json.loads(result.stdout)
    assert result.code == 1
    assert (spam["outcome"], ham["outcome"]) == ("pending", "failed")
    assert "the server may continue deleting !spam:example.org" in spam["message"]


def test_occasional_failures_are_retried(clock: list[float]) -> None:
    failure = ServerError(status=502, errcode="M_UNKNOWN", reason="Bad gateway")
    poll_results: Iterator[ServerError | Record] = iter(
        [failure, Record("active"), failure, failure, Record("complete")]
    )

    def poll() -> Record:
        result = next(poll_results)
        if isinstance(result, ServerError):
            raise result
        return result

    assert wait_for_task(Invocation(), poll, what="purging", again="synadmin again") == Record("complete")
    assert len(clock) == 4


def test_task_with_repeated_server_errors_is_pending(clock: list[float]) -> None:
    def poll() -> Record:
        raise ServerError(status=500, errcode="M_UNKNOWN", reason="Internal server error")

    with pytest.raises(StillUnderWayError) as caught:
        wait_for_task(Invocation(), poll, what="purging", again="synadmin again")

    assert "synadmin again" in str(caught.value.hint)
    assert 0 < len(clock) < 10
