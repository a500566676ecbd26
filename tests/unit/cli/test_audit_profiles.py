"""``synadmin audit --profiles``: three servers, one of them down."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from synadmin.cli.invocation import Invocation
from synadmin.columns import REPORT_FORMATS
from tests.standin import running
from tests.unit.cli.several import write_profiles
from tests.unit.stub import ADMIN, json_reply, nobody_there, refused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.unit.cli.conftest import Synadmin
    from tests.unit.stub import Stub

ONLY = ("--rule", "no-local-control")
LOST = {"large": 2, "small": 1}  # rooms without control


@pytest.fixture(scope="module")
def urls() -> Iterator[dict[str, str]]:
    with (
        running("--rooms", "60", "--users", "10") as large,
        running("--rooms", "20", "--users", "5") as small,
    ):
        yield {"large": large, "small": small, "down": nobody_there()}


@pytest.fixture
def fleet(work: Path, urls: dict[str, str]) -> dict[str, str]:
    """Profiles of three servers."""
    del work
    write_profiles(**urls)
    return urls


def _servers(stdout: str) -> dict[str, dict[str, Any]]:
    return {server["profile"]: server for server in json.loads(stdout)["servers"]}


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize("output_format", REPORT_FORMATS)
def test_unreachable_server_is_an_entry_and_others_are_audited(
    synadmin: Synadmin, output_format: str
) -> None:
    result = synadmin("audit", *ONLY, "--profiles", "all", "-o", output_format)
    assert result.code == 1
    assert result.stderr == "synadmin: 3 servers: 2 audited, 1 not audited (down).\n"
    for name in ("large", "small", "down"):
        assert name in result.stdout
    if output_format == "prometheus":
        assert 'synadmin_audit_up{server="down"} 0' in result.stdout
    else:
        assert "refuses the connection" in result.stdout
        assert "Room 50" in result.stdout


def test_json_has_a_section_for_each_server(synadmin: Synadmin, fleet: dict[str, str]) -> None:
    servers = _servers(synadmin("audit", *ONLY, "--profiles", "small,down,large", "-o", "json").stdout)
    assert list(servers) == ["small", "down", "large"]
    assert {name: server["homeserver"] for name, server in servers.items()} == fleet
    assert {name: len(servers[name]["report"]["findings"]) for name in LOST} == LOST
    assert servers["down"]["report"] is None
    for name in LOST:
        for finding in servers[name]["report"]["findings"]:
            assert finding["fix"].endswith(f" --profile {name}")


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--profiles", "large,small"], 10),
        (["--profiles", "large,small", "--fail-on", "never"], 0),
        (["--profiles", "large,small", "--rule", "everyone-controls"], 0),
        (["--profiles", "large,down", "--fail-on", "never"], 1),
        (["--profiles", "down"], 1),
    ],
)
def test_exit_code_of_several_audits(synadmin: Synadmin, words: list[str], code: int) -> None:
    only = () if "--rule" in words else ONLY
    assert synadmin("audit", *only, *words).code == code


@pytest.mark.usefixtures("fleet")
def test_each_server_has_its_own_baseline(synadmin: Synadmin, work: Path) -> None:
    baseline = ("--profiles", "all", "--baseline", "audit.json")
    assert synadmin("audit", *ONLY, *baseline, "--update-baseline").code == 1
    kept = {path.name: json.loads(path.read_text("utf-8")) for path in work.glob("*.json")}
    assert set(kept) == {"audit.large.json", "audit.small.json"}
    assert len(kept["audit.large.json"]["findings"]) == LOST["large"]
    # A baseline has commands without --profile, so an audit of one server can use it, too.
    assert "--profile" not in kept["audit.large.json"]["findings"][0]["fix"]
    again = synadmin("audit", *ONLY, "--profiles", "large,small", "--baseline", "audit.json")
    assert (again.code, again.stdout, again.stderr) == (0, "", "")
    # A finding that is known on one server is new on another server.
    (work / "audit.small.json").unlink()
    once_more = ("audit", *ONLY, "--profiles", "large,small", "--baseline", "audit.json", "--update-baseline")
    after_removal = synadmin(*once_more)
    assert after_removal.code == 10
    assert "profile small" in after_removal.stdout
    assert "profile large" not in after_removal.stdout
    assert synadmin("audit", *ONLY, "--profile", "small", "--baseline", "audit.small.json").stdout == ""


@pytest.mark.usefixtures("fleet")
def test_missing_baseline_is_a_problem_of_its_server(synadmin: Synadmin) -> None:
    result = synadmin("audit", *ONLY, "--profiles", "large,small", "--baseline", "audit.json", "-o", "json")
    assert result.code == 2, "all servers fail with the same error"
    assert {server["error"] for server in _servers(result.stdout).values()} == {
        "there is no baseline audit.large.json",
        "there is no baseline audit.small.json",
    }


@pytest.mark.usefixtures("fleet")
def test_server_may_have_its_own_configuration(synadmin: Synadmin, work: Path) -> None:
    (work / "audit.toml").write_text('[audit]\nskip = ["departed-power"]\n', "utf-8")
    large_config = (
        '[[audit.ignore]]\nrule = "no-local-control"\nsubject = "!50:big.example"\nreason = "an archive"\n'
    )
    (work / "audit.large.toml").write_text(large_config, "utf-8")
    result = synadmin("audit", "rooms", "--profiles", "large,small", "--config", "audit.toml", "-o", "ndjson")
    findings = [json.loads(line) for line in result.stdout.splitlines()]
    assert {(finding["profile"], finding["rule"], finding["subject"]["id"]) for finding in findings} == {
        ("large", "no-local-control", "!0:big.example"),
        ("large", "departed-power", "!0:big.example"),
        ("large", "departed-power", "!50:big.example"),
        ("small", "no-local-control", "!0:big.example"),
    }


def test_homeserver_is_audited_once_with_its_first_profile(
    synadmin: Synadmin, fleet: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_profiles(again=fleet["small"])
    result = synadmin("audit", *ONLY, "--profiles", "small,again", "-o", "json")
    assert (result.code, result.stderr) == (10, "")
    assert list(_servers(result.stdout)) == ["small"]
    assert _servers(result.stdout)["small"]["complete"]
    monkeypatch.setattr(Invocation, "is_watched", property(lambda _: True))
    on_terminal = synadmin("audit", *ONLY, "--profiles", "again,small,large")
    assert "small has the same homeserver as again: it is audited once" in on_terminal.stderr
    assert "profile small" not in on_terminal.stdout


ROOM = "!night:watch.example"
MEMBER = f"/_matrix/client/v3/rooms/{quote(ROOM, safe='')}/state/m.room.member/{quote(ADMIN, safe='')}"


@pytest.mark.usefixtures("fleet")
def test_first_profile_in_the_room_posts_one_message(synadmin: Synadmin, stub: Stub) -> None:
    write_profiles(watch=stub.url)
    stub.on(MEMBER, json_reply({"membership": "join"}))
    stub.on("/_synapse/admin/v1/rooms", refused(500, "M_UNKNOWN"))
    sent = f"/_matrix/client/v3/rooms/{quote(ROOM, safe='')}/send/m.room.message"
    stub.on(sent, json_reply({"event_id": "$news"}))
    result = synadmin("audit", "rooms", *ONLY, "--profiles", "down,small,watch", "--notify", ROOM)
    assert result.code == 1
    (posted,) = (request for request in stub.requests if request.method in {"PUT", "POST"})
    headline, down, small, finding, watch = posted.json["body"].split("\n\n")
    assert headline == "Audit of 3 servers: 1 audited, 2 not audited (down, watch)."
    assert down.startswith("http://127.0.0.1:")
    assert "(profile down): not audited: " in down
    assert small == "big.example (profile small): 1 error; checked 20 rooms, 5 users"
    assert finding.startswith("error: no-local-control: Room 0 (!0:big.example)\n")
    assert finding.endswith(" --profile small")
    assert "(profile watch): not audited: " in watch


@pytest.mark.usefixtures("fleet")
def test_nothing_is_audited_where_no_profile_is_in_the_room(
    synadmin: Synadmin, work: Path, stub: Stub
) -> None:
    write_profiles(watch=stub.url)
    stub.on(MEMBER, refused(404, "M_NOT_FOUND"))
    baseline = ("--baseline", "audit.json", "--update-baseline")
    result = synadmin("audit", *ONLY, "--profiles", "down,watch", "--notify", ROOM, *baseline)
    assert (result.code, result.stdout) == (5, "")
    assert f"--notify: no profile can post to {ROOM} (down: " in result.stderr
    assert f"; watch: {ADMIN} is not in {ROOM})" in result.stderr
    assert not list(work.glob("audit*"))
    synadmin("audit", "--profiles", "small", "--notify", "night").assert_one_line_error(code=2)
    synadmin("audit", "--profiles", "down", "--notify", ROOM).assert_one_line_error(code=1)


@pytest.mark.usefixtures("fleet")
def test_columns_and_output_file_work_with_several_servers(synadmin: Synadmin, work: Path) -> None:
    columns = ("--columns", "profile,rule,error", "-o", "csv", "--output-file", "report.csv")
    result = synadmin("audit", *ONLY, "--profiles", "small,down", *columns)
    assert (result.code, result.stdout) == (1, "")
    heading, finding, down = (work / "report.csv").read_text("utf-8").splitlines()
    assert (heading, finding) == ("profile,rule,error", "small,no-local-control,")
    assert down.startswith("down,,not audited: ")


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize("words", [["rooms", "--without", "alice"], ["--control", "control.toml"]])
def test_options_for_one_server_are_refused(synadmin: Synadmin, words: list[str]) -> None:
    result = synadmin("audit", *words, "--profiles", "all")
    result.assert_one_line_error(code=2)
    assert "is about one server: it does not go with --profiles" in result.stderr


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--rule", "nothing"], "there is no rule"),
        (["--config", "missing.toml"], "missing.toml"),
        (["--config", "audit.toml"], "audit.small.toml"),
        (["cellar"], "'cellar' is not one of rooms, users, server"),
    ],
)
def test_invalid_input_is_one_line_for_all_servers(
    synadmin: Synadmin, work: Path, words: list[str], message: str
) -> None:
    (work / "audit.toml").write_text("[audit]\n", "utf-8")
    (work / "audit.small.toml").write_text("[adit]\n", "utf-8")
    result = synadmin("audit", *words, "--profiles", "all")
    result.assert_one_line_error(code=2)
    assert message in result.stderr


@pytest.mark.usefixtures("fleet")
def test_cron_lines_name_the_profiles(synadmin: Synadmin) -> None:
    result = synadmin("audit", "print-cron", "--profiles", "large,small")
    assert (result.code, result.stderr) == (0, "")
    assert " audit --profiles large,small --baseline " in result.stdout
    synadmin("audit", "print-cron", "--profiles", "nowhere").assert_one_line_error(code=2)
