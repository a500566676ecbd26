"""``synadmin audit`` as cron meets it, on a stand-in for a server and on servers that fail."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from synadmin.audit.rules import RULES, everyone_controls
from tests.standin import running
from tests.unit.stub import Reply, Stub, json_reply, nobody_there, refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from synadmin.audit.facts import RoomFacts
    from tests.unit.cli.conftest import Synadmin

LOST = 2  # of a hundred rooms of the stand-in


@pytest.fixture(scope="module")
def standin() -> Iterator[str]:
    with running("--rooms", "100", "--users", "10") as url:
        yield url


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Point synadmin at a server."""

    def point(url: str) -> None:
        monkeypatch.setenv("SYNADMIN_HOMESERVER", url)
        monkeypatch.setenv("SYNADMIN_ACCESS_TOKEN", "syt_token")

    return point


def _report(stdout: str) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(stdout)
    return report


def test_audit_without_findings_prints_nothing(
    synadmin: Synadmin, at: Callable[[str], None], standin: str
) -> None:
    at(standin)
    answer = synadmin("audit", "--skip", "no-local-control", "--skip", "departed-power")
    assert (answer.code, answer.stdout, answer.stderr) == (0, "", "")


def test_ndjson_findings_are_streamed(synadmin: Synadmin, at: Callable[[str], None], standin: str) -> None:
    at(standin)
    answer = synadmin("audit", "rooms", "-o", "ndjson")
    found = [json.loads(line) for line in answer.stdout.splitlines()]
    rooms = [finding["subject"]["id"] for finding in found]
    assert rooms == sorted(rooms, key=lambda room: int(room[1:].partition(":")[0]))
    assert len({finding["rule"] for finding in found}) > 1
    # The report has the same findings, the gravest first.
    of_report = _report(synadmin("audit", "rooms", "-o", "json").stdout)["findings"]
    assert of_report != found
    assert sorted(of_report, key=str) == sorted(found, key=str)
    columns = synadmin("audit", "rooms", "-o", "ndjson", "--columns", "rule,subject.id")
    assert [json.loads(line) for line in columns.stdout.splitlines()] == [
        {"rule": finding["rule"], "subject.id": finding["subject"]["id"]} for finding in found
    ]
    baseline = ("--baseline", "known.json")
    assert synadmin("audit", "rooms", *baseline, "--update-baseline", "-o", "ndjson").stdout == answer.stdout
    assert synadmin("audit", "rooms", *baseline, "-o", "ndjson").stdout == ""
    nothing = synadmin("audit", "--rule", "everyone-controls", "-o", "ndjson", "--columns", "nothing")
    nothing.assert_is_one_clear_line(code=2)


def test_findings_exit_10_and_print_their_fix(
    synadmin: Synadmin, at: Callable[[str], None], standin: str
) -> None:
    at(standin)
    answer = synadmin("audit", "--rule", "no-local-control")
    assert (answer.code, answer.stderr) == (10, "")
    assert answer.stdout == (
        "error: no-local-control: Room 0 (!0:big.example)\n"
        "    No local user controls the room; it has 2 local members. --allow impersonate regains it.\n"
        "    synadmin room make-admin '!0:big.example' --allow impersonate\n"
        "\n"
        "error: no-local-control: Room 50 (!50:big.example)\n"
        "    No local user controls the room; it has 2 local members. --allow impersonate regains it.\n"
        "    synadmin room make-admin '!50:big.example' --allow impersonate\n"
        "\n"
        "big.example: 2 errors; checked 100 rooms, 10 users\n"
    )


@pytest.mark.parametrize(
    ("fail_on", "code"), [("info", 10), ("warning", 0), ("error", 0), ("never", 0)], ids=str
)
def test_findings_below_fail_on_are_printed_and_exit_0(
    synadmin: Synadmin, at: Callable[[str], None], standin: str, fail_on: str, code: int
) -> None:
    at(standin)
    answer = synadmin("audit", "--rule", "departed-power", "--fail-on", fail_on)
    assert answer.code == code
    assert "info: departed-power: Room 0" in answer.stdout


def test_json_report_has_the_shape_of_the_contract(
    synadmin: Synadmin, at: Callable[[str], None], standin: str
) -> None:
    at(standin)
    report = _report(synadmin("audit", "-o", "json").stdout)
    assert report["version"] == 1
    assert report["server_name"] == "big.example"
    assert report["started_at"] <= report["finished_at"]
    assert report["checked"] == {"rooms": 100, "users": 10, "server": 1}
    assert report["skipped"] == []
    finding = report["findings"][0]
    assert set(finding) == {"rule", "severity", "subject", "message", "fix", "details", "new"}
    assert finding["subject"] == {"type": "room", "id": "!0:big.example", "name": "Room 0"}
    assert finding["new"] is True


def test_each_finding_is_a_line_of_ndjson_or_csv(
    synadmin: Synadmin, at: Callable[[str], None], standin: str
) -> None:
    at(standin)
    lines = synadmin("audit", "--rule", "no-local-control", "-o", "ndjson").stdout.splitlines()
    assert [json.loads(line)["subject"]["id"] for line in lines] == ["!0:big.example", "!50:big.example"]
    lines = synadmin("audit", "--rule", "no-local-control", "-o", "csv").stdout.splitlines()
    assert lines[0] == "severity,rule,subject.type,subject.id,subject.name,message,fix,details,new"
    assert len(lines) == 1 + LOST
    answer = synadmin("audit", "--rule", "no-local-control", "--columns", "rule,subject.id", "-o", "csv")
    assert answer.stdout.splitlines() == [
        "rule,subject.id",
        "no-local-control,!0:big.example",
        "no-local-control,!50:big.example",
    ]


def test_baseline_prints_new_findings_and_solved_ones_once(
    synadmin: Synadmin, at: Callable[[str], None], work: Path
) -> None:
    baseline = ("--baseline", str(work / "baseline.json"))
    only = ("--rule", "no-local-control")
    with running("--rooms", "40", "--users", "10") as url:
        at(url)
        assert synadmin("audit", *only, *baseline, "--update-baseline").code == 10
        again = synadmin("audit", *only, *baseline, "--update-baseline")
        assert (again.code, again.stdout, again.stderr) == (0, "", "")
    with running("--rooms", "100", "--users", "10") as url:
        at(url)
        # Not written without being asked to: news stays news.
        for _ in range(2):
            answer = synadmin("audit", *only, *baseline)
            assert answer.code == 10
            assert "Room 50" in answer.stdout
            assert "Room 0 " not in answer.stdout
            assert "1 error, 1 known before" in answer.stdout
        assert synadmin("audit", *only, *baseline, "--update-baseline").code == 10
    with running("--rooms", "40", "--users", "10") as url:
        at(url)
        solved = synadmin("audit", *only, *baseline, "--update-baseline")
        assert (solved.code, solved.stderr) == (0, "")
        assert solved.stdout.splitlines()[0] == "solved: no-local-control: Room 50 (!50:big.example)"
        assert synadmin("audit", *only, *baseline, "--update-baseline").stdout == ""


def test_findings_of_other_rules_stay_in_the_baseline(
    synadmin: Synadmin, at: Callable[[str], None], standin: str, work: Path
) -> None:
    at(standin)
    baseline = ("--baseline", str(work / "baseline.json"))
    assert synadmin("audit", "rooms", *baseline, "--update-baseline").code == 10
    assert synadmin("audit", "--rule", "weak-control", *baseline, "--update-baseline").stdout == ""
    assert synadmin("audit", "rooms", *baseline).stdout == ""


def test_baseline_of_another_server_is_refused(
    synadmin: Synadmin, at: Callable[[str], None], standin: str, work: Path
) -> None:
    at(standin)
    path = work / "baseline.json"
    path.write_text('{"version": 1, "server_name": "other.example"}', "utf-8")
    answer = synadmin("audit", "--baseline", str(path))
    answer.assert_is_one_clear_line(code=2)
    assert "the baseline is of other.example, and this is big.example" in answer.stderr


def test_report_file_is_replaced_and_nothing_is_printed(
    synadmin: Synadmin, at: Callable[[str], None], standin: str, work: Path
) -> None:
    at(standin)
    path = work / "synadmin.prom"
    path.write_text("old", "utf-8")
    answer = synadmin("audit", "-o", "prometheus", "--output-file", str(path))
    assert (answer.code, answer.stdout, answer.stderr) == (10, "", "")
    assert "synadmin_audit" in path.read_text("utf-8")


def test_room_that_vanishes_meanwhile_is_skipped_and_listed(
    synadmin: Synadmin, at: Callable[[str], None], work: Path
) -> None:
    baseline = work / "baseline.json"
    with running("--rooms", "100", "--users", "10", "--gone", "7") as url:
        at(url)
        answer = synadmin("audit", "-o", "json", "--baseline", str(baseline), "--update-baseline")
    assert answer.code == 10
    report = _report(answer.stdout)
    assert report["checked"]["rooms"] == 99
    assert report["skipped"] == [
        {
            "subject": {"type": "room", "id": "!7:big.example", "name": "Room 7"},
            "reason": "it was deleted while the audit ran",
        }
    ]
    assert baseline.exists()


def test_unreadable_room_makes_the_audit_incomplete(
    synadmin: Synadmin, at: Callable[[str], None], work: Path
) -> None:
    baseline = work / "baseline.json"
    with running("--rooms", "100", "--users", "10", "--broken", "7") as url:
        at(url)
        answer = synadmin("audit", "-o", "json", "--baseline", str(baseline), "--update-baseline")
    assert answer.code == 1
    assert answer.stderr == (
        "synadmin: the audit is not complete: 1 could not be checked "
        "(the first: Internal server error (M_UNKNOWN, HTTP 500))\n"
    )
    assert len(_report(answer.stdout)["findings"]) > 0
    assert not baseline.exists()


def test_unchecked_finding_is_not_solved(synadmin: Synadmin, at: Callable[[str], None], work: Path) -> None:
    kept = ("--rule", "no-local-control", "--baseline", str(work / "baseline.json"), "-o", "json")
    with running("--rooms", "100", "--users", "10") as url:
        at(url)
        known = _report(synadmin("audit", *kept, "--update-baseline").stdout)["findings"]
    lost = known[0]["subject"]["id"].removeprefix("!").partition(":")[0]
    with running("--rooms", "100", "--users", "10", "--broken", lost) as url:
        at(url)
        answer = synadmin("audit", *kept)
    assert (answer.code, _report(answer.stdout)["solved"]) == (1, [])


def test_time_limit_reports_what_was_checked(
    synadmin: Synadmin, at: Callable[[str], None], work: Path
) -> None:
    baseline = work / "baseline.json"
    kept = ("--baseline", str(baseline), "--update-baseline")
    with running("--rooms", "3000", "--users", "10", "--delay", "0.1") as url:
        at(url)
        answer = synadmin("audit", "-o", "json", "--time-limit", "6s", *kept)
    report = _report(answer.stdout)
    seen = report["checked"]["rooms"]
    assert (answer.code, 0 < seen < 3000) == (1, True)
    assert "the time limit was reached" in answer.stderr
    *begun, rest = [
        one for one in report["skipped"] if "before" not in one["reason"] or "rooms" in one["reason"]
    ]
    assert {one["reason"] for one in begun} <= {"the time limit was reached"}
    assert (
        rest["reason"]
        == f"the time limit was reached before {3000 - seen - len(begun)} more rooms were begun"
    )
    assert not baseline.exists()


def test_silent_server_ends_at_the_time_limit(synadmin: Synadmin, at: Callable[[str], None]) -> None:
    with running("--rooms", "10", "--users", "10", "--delay", "600") as url:
        at(url)
        started = time.monotonic()
        answer = synadmin("audit", "--time-limit", "500ms")
        # Less than the 30 seconds for which one request may wait.
        assert time.monotonic() - started < 25
    assert answer.code == 1


def test_crashed_rule_is_reported_and_others_run(
    synadmin: Synadmin, at: Callable[[str], None], standin: str, monkeypatch: pytest.MonkeyPatch, work: Path
) -> None:
    def crash(facts: RoomFacts, options: object) -> Iterator[object]:
        del options
        if facts.name == "Room 3":
            yield 1 // 0

    monkeypatch.setattr(everyone_controls, "check", crash)
    at(standin)
    baseline = work / "baseline.json"
    answer = synadmin("audit", "-o", "json", "--baseline", str(baseline), "--update-baseline")
    report = _report(answer.stdout)
    assert answer.code == 1
    assert answer.stderr == "synadmin: the audit is not complete: a rule crashed: everyone-controls\n"
    assert report["errors"] == [
        {
            "rule": "everyone-controls",
            "subject": {"type": "room", "id": "!3:big.example", "name": "Room 3"},
            "error": "ZeroDivisionError: integer division or modulo by zero",
        }
    ]
    assert {one["rule"] for one in report["findings"]} == {"no-local-control", "departed-power"}
    assert not baseline.exists()
    assert "crashed: everyone-controls: Room 3" in synadmin("audit", "rooms").stdout


def test_second_simultaneous_audit_ends_or_waits(synadmin: Synadmin, at: Callable[[str], None]) -> None:
    with running("--rooms", "600", "--users", "10", "--delay", "0.05") as url:
        at(url)
        command = [sys.executable, "-m", "synadmin", "audit", "--fail-on", "never"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as first:
            _until_asked(url, 150)  # the first hundred requests are sent before it takes its lock
            first.send_signal(signal.SIGSTOP)  # it is under way for as long as this takes
            second = synadmin("audit", "--rule", "failed-task")
            first.send_signal(signal.SIGCONT)
            second.assert_is_one_clear_line(code=1)
            assert "another audit is running" in second.stderr
            third = synadmin("audit", "--rule", "failed-task", "--wait")
            assert (third.code, third.stdout) == (0, "")
            assert first.wait(60) == 0


def _until_asked(url: str, times: int = 10) -> None:
    while json.load(urllib.request.urlopen(f"{url}/standin"))["requests"] < times:  # noqa: S310
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_audit_ends_at_once(at: Callable[[str], None], number: signal.Signals) -> None:
    with running("--rooms", "3000", "--users", "10", "--delay", "0.2") as url:
        at(url)
        command = [sys.executable, "-m", "synadmin", "audit"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
            _until_asked(url)
            run.send_signal(number)
            stdout, stderr = run.communicate(timeout=60)
    assert (run.returncode, stdout) == (130, b"")
    assert stderr.strip() == b"synadmin: interrupted"


def test_killed_audit_leaves_a_whole_baseline(
    at: Callable[[str], None], work: Path, synadmin: Synadmin
) -> None:
    path = work / "baseline.json"
    command = [sys.executable, "-m", "synadmin", "audit", "--rule", "departed-power"]
    command += ["--rule", "no-local-control", "--baseline", str(path), "--update-baseline"]
    killed = 0
    with running("--rooms", "4000", "--users", "10") as url:
        at(url)
        for writes in range(4):
            # In the middle of a write, as near as one can get from outside: as soon as the draft appears.
            path.write_text('{"version": 1, "server_name": "big.example", "history": [], "findings": []}')
            old = path.read_bytes()
            before = set(work.iterdir())
            with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
                while run.poll() is None and set(work.iterdir()) == before:
                    pass
                time.sleep(writes * 0.001)
                run.kill()
            killed += run.returncode == -signal.SIGKILL
            content = path.read_bytes()
            assert content == old or json.loads(content)["history"][0]["at"] > 0
        assert killed, "each run had ended before it was killed"
        # Nothing that is left behind is in the next one's way.
        answer = synadmin("audit", "--rule", "failed-task", "--baseline", str(path), "--update-baseline")
        assert answer.code == 0, answer.stderr


def test_unreachable_server_is_an_error(
    synadmin: Synadmin, at: Callable[[str], None], naps: list[float]
) -> None:
    at(nobody_there())
    synadmin("audit").assert_is_one_clear_line(code=1)
    assert naps


def test_token_of_a_normal_user_exits_3(synadmin: Synadmin, at: Callable[[str], None]) -> None:
    with Stub() as stub:
        stub.on("*", refused(403, "M_FORBIDDEN", "You are not a server admin"))
        at(stub.url)
        answer = synadmin("audit")
    # The stub speaks up, too, when the requests that were under way are interrupted.
    assert (answer.code, answer.stdout) == (3, "")
    assert "synadmin: You are not a server admin (M_FORBIDDEN, HTTP 403)\n" in answer.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nonsense",), "'nonsense' is not one of rooms, users, server, rules"),
        (("--rule", "no-local-contrl"), 'no rule "no-local-contrl"; did you mean no-local-control?'),
        (("rules", "ghost"), 'no rule "ghost"'),
        (("--update-baseline",), "--update-baseline needs --baseline FILE"),
        (("--baseline", "none.json"), "there is no baseline none.json"),
        (("--config", "none.toml"), "none.toml"),
        (("users", "--rule", "ghost-power"), "these options leave no rule to run"),
        (("-o", "html", "--columns", "rule"), "--columns goes with table, json, ndjson, csv"),
        (("--rule", "failed-task", "--columns", "colour"), "there is no column 'colour'"),
    ],
)
def test_invalid_options_are_reported(
    synadmin: Synadmin, at: Callable[[str], None], standin: str, arguments: tuple[str, ...], words: str
) -> None:
    at(standin)
    answer = synadmin("audit", *arguments)
    answer.assert_is_one_clear_line(code=2)
    assert words in answer.stderr


def test_rules_are_listed_and_have_a_page(synadmin: Synadmin) -> None:
    listed = json.loads(synadmin("audit", "rules", "-o", "json").stdout)
    assert [one["rule"] for one in listed] == [rule.ID for rule in RULES]
    assert {one["about"] for one in listed} == {"rooms", "users", "server", "the audit"}
    page = synadmin("audit", "rules", "single-controller").stdout
    assert page.startswith("## single-controller\n")
    assert "[audit.rules.single-controller]" in page


def test_scope_requests_only_its_facts(synadmin: Synadmin, at: Callable[[str], None], standin: str) -> None:
    at(standin)
    for scope, checked in (
        ("rooms", {"rooms": 100, "users": 10}),
        ("users", {"users": 0}),
        ("server", {"server": 1}),
    ):
        answer = synadmin("audit", scope, "-o", "json", "--fail-on", "never")
        assert _report(answer.stdout)["checked"] == checked


def test_audit_imports_only_what_it_needs(standin: str, at: Callable[[str], None]) -> None:
    """A nightly run of a second should not load libraries for half of one."""
    at(standin)
    code = (
        "import sys\n"
        "from synadmin.cli.app import main\n"
        "try:\n    main(['audit', '--fail-on', 'never', '-o', 'ndjson', *sys.argv[1:]])\n"
        "except SystemExit as ended:\n    print('code', ended.code)\n"
        "print('loaded', *({'requests', 'jinja2', 'tabulate', 'dns', 'cryptography'} & set(sys.modules)))"
    )
    # A room that is lost is looked at closer, and what is found there may be an error.
    skipped = ("--skip", "no-local-control", "--skip", "inactive-controller")
    run = subprocess.run([sys.executable, "-c", code, *skipped], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-2:] == ["code 0", "loaded"]


def test_audit_stops_after_a_few_bad_gateway_answers(
    synadmin: Synadmin, at: Callable[[str], None], naps: list[float]
) -> None:
    room = {"joined_members": 1, "joined_local_members": 1, "version": "11", "creator": "@a:example.org"}
    rooms = [room | {"room_id": f"!{number}:example.org"} for number in range(120)]
    with Stub() as stub:
        stub.on("*", Reply(502, b"<html>Bad Gateway</html>"))
        stub.on("/_synapse/admin/v1/rooms", json_reply({"rooms": rooms, "total_rooms": 120}))
        stub.on("/_synapse/admin/v3/users", json_reply({"users": [], "total": 0}))
        at(stub.url)
        answer = synadmin("audit")
    assert (answer.code, answer.stdout) == (1, "")
    assert "the audit is not complete" in answer.stderr
    assert "gave up after 5 failures in a row" in answer.stderr
    assert naps
    assert len(stub.requests) < 120
