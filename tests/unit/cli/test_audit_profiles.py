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
    """A profile for each server."""
    del work
    write_profiles(**urls)
    return urls


def _servers(stdout: str) -> dict[str, dict[str, Any]]:
    return {server["profile"]: server for server in json.loads(stdout)["servers"]}


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize("form", REPORT_FORMATS)
def test_unreachable_server_is_an_entry_and_others_are_audited(synadmin: Synadmin, form: str) -> None:
    answer = synadmin("audit", *ONLY, "--profiles", "all", "-o", form)
    assert answer.code == 1
    assert answer.stderr == "synadmin: 3 servers: 2 audited, 1 not audited (down).\n"
    for name in ("large", "small", "down"):
        assert name in answer.stdout
    if form == "prometheus":
        assert 'synadmin_audit_up{server="down"} 0' in answer.stdout
    else:
        assert "refuses the connection" in answer.stdout
        assert "Room 50" in answer.stdout


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
    # A command of a baseline is that of an audit of one server: both find the same.
    assert "--profile" not in kept["audit.large.json"]["findings"][0]["fix"]
    again = synadmin("audit", *ONLY, "--profiles", "large,small", "--baseline", "audit.json")
    assert (again.code, again.stdout, again.stderr) == (0, "", "")
    # What one server knows is news of another.
    (work / "audit.small.json").unlink()
    once_more = ("audit", *ONLY, "--profiles", "large,small", "--baseline", "audit.json", "--update-baseline")
    news = synadmin(*once_more)
    assert news.code == 10
    assert "profile small" in news.stdout
    assert "profile large" not in news.stdout
    assert synadmin("audit", *ONLY, "--profile", "small", "--baseline", "audit.small.json").stdout == ""


@pytest.mark.usefixtures("fleet")
def test_missing_baseline_is_a_problem_of_its_server(synadmin: Synadmin) -> None:
    answer = synadmin("audit", *ONLY, "--profiles", "large,small", "--baseline", "audit.json", "-o", "json")
    assert answer.code == 2, "each of them fails so"
    assert {server["error"] for server in _servers(answer.stdout).values()} == {
        "there is no baseline audit.large.json",
        "there is no baseline audit.small.json",
    }


@pytest.mark.usefixtures("fleet")
def test_server_may_have_its_own_configuration(synadmin: Synadmin, work: Path) -> None:
    (work / "audit.toml").write_text('[audit]\nskip = ["departed-power"]\n', "utf-8")
    own = '[[audit.ignore]]\nrule = "no-local-control"\nsubject = "!50:big.example"\nreason = "an archive"\n'
    (work / "audit.large.toml").write_text(own, "utf-8")
    answer = synadmin("audit", "rooms", "--profiles", "large,small", "--config", "audit.toml", "-o", "ndjson")
    found = [json.loads(line) for line in answer.stdout.splitlines()]
    assert {(one["profile"], one["rule"], one["subject"]["id"]) for one in found} == {
        ("large", "no-local-control", "!0:big.example"),
        ("large", "departed-power", "!0:big.example"),
        ("large", "departed-power", "!50:big.example"),
        ("small", "no-local-control", "!0:big.example"),
    }


def test_homeserver_is_audited_once_with_its_first_profile(
    synadmin: Synadmin, fleet: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_profiles(again=fleet["small"])
    answer = synadmin("audit", *ONLY, "--profiles", "small,again", "-o", "json")
    assert (answer.code, answer.stderr) == (10, "")
    assert list(_servers(answer.stdout)) == ["small"]
    assert _servers(answer.stdout)["small"]["complete"]
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
    answer = synadmin("audit", "rooms", *ONLY, "--profiles", "down,small,watch", "--notify", ROOM)
    assert answer.code == 1
    (news,) = (request for request in stub.requests if request.method in {"PUT", "POST"})
    headline, down, small, finding, watch = news.json["body"].split("\n\n")
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
    answer = synadmin("audit", *ONLY, "--profiles", "down,watch", "--notify", ROOM, *baseline)
    assert (answer.code, answer.stdout) == (5, "")
    assert f"--notify: no profile can post to {ROOM} (down: " in answer.stderr
    assert f"; watch: {ADMIN} is not in {ROOM})" in answer.stderr
    assert not list(work.glob("audit*"))
    synadmin("audit", "--profiles", "small", "--notify", "night").assert_is_one_clear_line(code=2)
    synadmin("audit", "--profiles", "down", "--notify", ROOM).assert_is_one_clear_line(code=1)


@pytest.mark.usefixtures("fleet")
def test_columns_and_output_file_work_with_several_servers(synadmin: Synadmin, work: Path) -> None:
    columns = ("--columns", "profile,rule,error", "-o", "csv", "--output-file", "report.csv")
    answer = synadmin("audit", *ONLY, "--profiles", "small,down", *columns)
    assert (answer.code, answer.stdout) == (1, "")
    heading, finding, down = (work / "report.csv").read_text("utf-8").splitlines()
    assert (heading, finding) == ("profile,rule,error", "small,no-local-control,")
    assert down.startswith("down,,not audited: ")


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize("words", [["rooms", "--without", "alice"], ["--control", "control.toml"]])
def test_options_for_one_server_are_refused(synadmin: Synadmin, words: list[str]) -> None:
    answer = synadmin("audit", *words, "--profiles", "all")
    answer.assert_is_one_clear_line(code=2)
    assert "is about one server: it does not go with --profiles" in answer.stderr


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--rule", "nothing"], "there is no rule"),
        (["--config", "missing.toml"], "missing.toml"),
        (["--config", "audit.toml"], "audit.small.toml"),
        (["cellar"], "'cellar' is not one of rooms, users, server"),
    ],
)
def test_invalid_input_is_one_line_for_all_servers(
    synadmin: Synadmin, work: Path, words: list[str], says: str
) -> None:
    (work / "audit.toml").write_text("[audit]\n", "utf-8")
    (work / "audit.small.toml").write_text("[adit]\n", "utf-8")
    answer = synadmin("audit", *words, "--profiles", "all")
    answer.assert_is_one_clear_line(code=2)
    assert says in answer.stderr


@pytest.mark.usefixtures("fleet")
def test_cron_lines_name_the_profiles(synadmin: Synadmin) -> None:
    answer = synadmin("audit", "print-cron", "--profiles", "large,small")
    assert (answer.code, answer.stderr) == (0, "")
    assert " audit --profiles large,small --baseline " in answer.stdout
    synadmin("audit", "print-cron", "--profiles", "nowhere").assert_is_one_clear_line(code=2)
