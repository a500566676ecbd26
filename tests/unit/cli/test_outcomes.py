"""Bulk changes report what was done, also after an error or Ctrl-C."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from synadmin.cli.invocation import Invocation
from synadmin.cli.outcomes import BulkChange, carry_out
from synadmin.cli.output import Output
from synadmin.cli.targets import ROOMS, Targets
from synadmin.client import Synapse
from synadmin.columns import Column
from synadmin.errors import JournalError
from tests.unit.stub import json_reply, refused

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.unit.cli.conftest import Synadmin
    from tests.unit.stub import Stub

SUSPEND = "/_synapse/admin/v1/suspend/%40{}%3Aexample.org"


def change_rooms(output_format: str, error: BaseException | None, columns: Sequence[Column] = ()) -> None:
    """Change three rooms; the second change raises the error."""

    def act(_: Synapse, room: str) -> Mapping[str, Any]:
        if room == "b" and error is not None:
            raise error
        return {}

    work = BulkChange(ROOMS, Targets(["a", "b", "c"]), act, columns=columns)
    synapse = Synapse("http://127.0.0.1:9", token="t")
    carry_out(Invocation(), synapse, work, dry_run=False, yes=True, output=Output(output_format, None))


@pytest.mark.parametrize("output_format", ["table", "json", "ndjson", "csv"])
def test_ctrl_c_in_a_bulk_reports_what_is_done(
    output_format: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(KeyboardInterrupt):
        change_rooms(output_format, KeyboardInterrupt())

    captured = capsys.readouterr()
    assert captured.err == "3 rooms: 1 done, 1 unknown, 1 not started.\n"
    if output_format == "json":
        outcomes = [(record["room_id"], record["outcome"]) for record in json.loads(captured.out)]
        assert outcomes == [("a", "done"), ("b", "unknown")]
    else:
        assert "done" in captured.out
        assert "interrupted at this point" in captured.out


def test_refusal_is_printed_once(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Invocation, "on_terminal", property(lambda _: True))

    def refuse(_: Synapse, room: str) -> Mapping[str, Any]:
        return {"outcome": "refused", "message": f"{room} is needed"}

    work = BulkChange(ROOMS, Targets(["a"]), refuse, question=lambda _: "Remove it?")
    synapse = Synapse("http://127.0.0.1:9", token="t")
    carry_out(Invocation(), synapse, work, dry_run=False, yes=False, output=Output("table", None))

    captured = capsys.readouterr()
    assert captured.err == "1 room: 1 refused.\n"
    assert captured.out.count("a is needed") == 1


@pytest.mark.parametrize("output_format", ["table", "csv"])
def test_ctrl_c_during_printing_reports_what_is_done(
    output_format: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(record: Mapping[str, Any]) -> object:
        if record["room_id"] == "b":
            raise KeyboardInterrupt
        return None

    with pytest.raises(KeyboardInterrupt):
        change_rooms(output_format, None, [Column("blocked", value=interrupted)])

    assert capsys.readouterr().err == "3 rooms: 2 done, 1 not started.\n"


def test_full_disk_in_a_bulk_reports_what_is_done(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(JournalError, match="disk is full"):
        change_rooms("json", JournalError("the disk is full"))

    captured = capsys.readouterr()
    outcomes = [
        (record["room_id"], record["outcome"], record["message"]) for record in json.loads(captured.out)
    ]
    assert outcomes == [("a", "done", None), ("b", "failed", "the disk is full")]
    assert captured.err == "3 rooms: 1 done, 1 failed, 1 not started.\n"


@pytest.mark.parametrize(
    ("output_format", "heading"),
    [("table", ["room", "outcome", "message"]), ("csv", ["room_id,outcome,method,path,body,message"])],
)
def test_dry_run_has_no_empty_columns(
    output_format: str, heading: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    def plan(_: Synapse, room: str) -> Mapping[str, Any]:
        return {"outcome": "planned", "message": f"{room} will be handed over"}

    work = BulkChange(ROOMS, Targets(["a"]), plan)
    synapse = Synapse("http://127.0.0.1:9", token="t")
    carry_out(Invocation(), synapse, work, dry_run=True, yes=False, output=Output(output_format, None))

    assert capsys.readouterr().out.splitlines()[0].split() == heading


def test_expired_token_in_a_bulk_reports_what_is_done(signed_in: Stub, synadmin: Synadmin) -> None:
    accounts = [json_reply({"name": "@a", "suspended": suspended}) for suspended in (False, True)]
    signed_in.on(SUSPEND.format("a"), json_reply({}))
    signed_in.on("/_synapse/admin/v2/users/%40a%3Aexample.org", *accounts)
    signed_in.on("*", refused(401, "M_UNKNOWN_TOKEN", "Invalid access token passed."))

    result = synadmin("user", "suspend", "a", "b", "c", "--yes", "-o", "ndjson")

    assert result.code == 3
    outcomes = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(record["user_id"], record["outcome"]) for record in outcomes] == [
        ("@a:example.org", "done"),
        ("@b:example.org", "failed"),
    ]
    assert "3 users: 1 done, 1 failed, 1 not started." in result.stderr
    assert "M_UNKNOWN_TOKEN" in result.stderr


def test_invalid_token_is_one_line(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on("*", refused(401, "M_UNKNOWN_TOKEN", "Invalid access token passed."))

    synadmin("user", "suspend", "a", "b", "--yes").assert_one_line_error(code=3)
