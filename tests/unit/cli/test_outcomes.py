"""Bulk changes: each ending reports what was done."""

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


def changed(form: str, trouble: BaseException | None, columns: Sequence[Column] = ()) -> None:
    """Change three things; the second one does not come to its end where there is trouble."""

    def act(_: Synapse, thing: str) -> Mapping[str, Any]:
        if thing == "b" and trouble is not None:
            raise trouble
        return {}

    work = BulkChange(ROOMS, Targets(["a", "b", "c"]), act, columns=columns)
    synapse = Synapse("http://127.0.0.1:9", token="t")
    carry_out(Invocation(), synapse, work, dry_run=False, yes=True, output=Output(form, None))


@pytest.mark.parametrize("form", ["table", "json", "ndjson", "csv"])
def test_ctrl_c_in_a_bulk_reports_what_is_done(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt):
        changed(form, KeyboardInterrupt())

    captured = capsys.readouterr()
    assert captured.err == "3 rooms: 1 done, 1 unknown, 1 not started.\n"
    if form == "json":
        outcomes = [(one["room_id"], one["outcome"]) for one in json.loads(captured.out)]
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


@pytest.mark.parametrize("form", ["table", "csv"])
def test_ctrl_c_during_printing_reports_what_is_done(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(record: Mapping[str, Any]) -> object:
        if record["room_id"] == "b":
            raise KeyboardInterrupt
        return None

    with pytest.raises(KeyboardInterrupt):
        changed(form, None, [Column("blocked", value=interrupted)])

    assert capsys.readouterr().err == "3 rooms: 2 done, 1 not started.\n"


def test_full_disk_in_a_bulk_reports_what_is_done(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(JournalError, match="disk is full"):
        changed("json", JournalError("the disk is full"))

    captured = capsys.readouterr()
    told_of = [(one["room_id"], one["outcome"], one["message"]) for one in json.loads(captured.out)]
    assert told_of == [("a", "done", None), ("b", "failed", "the disk is full")]
    assert captured.err == "3 rooms: 1 done, 1 failed, 1 not started.\n"


@pytest.mark.parametrize(
    ("form", "heading"),
    [("table", ["room", "outcome", "message"]), ("csv", ["room_id,outcome,method,path,body,message"])],
)
def test_dry_run_has_no_empty_columns(
    form: str, heading: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    def look(_: Synapse, room: str) -> Mapping[str, Any]:
        return {"outcome": "planned", "message": f"{room} will be handed over"}

    work = BulkChange(ROOMS, Targets(["a"]), look)
    synapse = Synapse("http://127.0.0.1:9", token="t")
    carry_out(Invocation(), synapse, work, dry_run=True, yes=False, output=Output(form, None))

    assert capsys.readouterr().out.splitlines()[0].split() == heading


def test_expired_token_in_a_bulk_reports_what_is_done(signed_in: Stub, synadmin: Synadmin) -> None:
    accounts = [json_reply({"name": "@a", "suspended": suspended}) for suspended in (False, True)]
    signed_in.on(SUSPEND.format("a"), json_reply({}))
    signed_in.on("/_synapse/admin/v2/users/%40a%3Aexample.org", *accounts)
    signed_in.on("*", refused(401, "M_UNKNOWN_TOKEN", "Invalid access token passed."))

    answer = synadmin("user", "suspend", "a", "b", "c", "--yes", "-o", "ndjson")

    assert answer.code == 3
    outcomes = [json.loads(line) for line in answer.stdout.splitlines()]
    assert [(one["user_id"], one["outcome"]) for one in outcomes] == [
        ("@a:example.org", "done"),
        ("@b:example.org", "failed"),
    ]
    assert "3 users: 1 done, 1 failed, 1 not started." in answer.stderr
    assert "M_UNKNOWN_TOKEN" in answer.stderr


def test_invalid_token_is_one_line(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on("*", refused(401, "M_UNKNOWN_TOKEN", "Invalid access token passed."))

    synadmin("user", "suspend", "a", "b", "--yes").assert_is_one_clear_line(code=3)
