"""``synadmin audit`` as cron runs it, on a stand-in server and on servers that fail."""

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

LOST = 2  # rooms without control, of 100 rooms of the stand-in


@pytest.fixture(scope="module")
def standin() -> Iterator[str]:
    with running("--rooms", "100", "--users", "10") as url:
        yield url


@pytest.fixture
def use_server(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return a function that configures the server."""

    def point(url: str) -> None:
        monkeypatch.setenv("SYNADMIN_HOMESERVER", url)
        monkeypatch.setenv("SYNADMIN_ACCESS_TOKEN", "syt_token")

    return point


def _report(stdout: str) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(stdout)
    return report


def test_audit_without_findings_prints_nothing(
    synadmin: Synadmin, use_server: Callable[[str], None], standin: str
) -> None:
    use_server(standin)
    result = synadmin("audit", "--skip", "no-local-control", "--skip", "departed-power")
    assert (result.code, result.stdout, result.stderr) == (0, "", "")


def test_ndjson_findings_are_streamed(
    synadmin: Synadmin, use_server: Callable[[str], None], standin: str
) -> None:
    use_server(standin)
    result = synadmin("audit", "rooms", "-o", "ndjson")
    findings = [json.loads(line) for line in result.stdout.splitlines()]
    rooms = [finding["subject"]["id"] for finding in findings]
    assert rooms == sorted(rooms, key=lambda room: int(room[1:].partition(":")[0]))
    assert len({finding["rule"] for finding in findings}) > 1
    # The report has the same findings, sorted by severity.
    report_findings = _report(synadmin("audit", "rooms", "-o", "json").stdout)["findings"]
    assert report_findings != findings
    assert sorted(report_findings, key=str) == sorted(findings, key=str)
    columns = synadmin("audit", "rooms", "-o", "ndjson", "--columns", "rule,subject.id")
    assert [json.loads(line) for line in columns.stdout.splitlines()] == [
        {"rule": finding["rule"], "subject.id": finding["subject"]["id"]} for finding in findings
    ]
    baseline = ("--baseline", "known.json")
    assert synadmin("audit", "rooms", *baseline, "--update-baseline", "-o", "ndjson").stdout == result.stdout
    assert synadmin("audit", "rooms", *baseline, "-o", "ndjson").stdout == ""
    nothing = synadmin("audit", "--rule", "everyone-controls", "-o", "ndjson", "--columns", "nothing")
    nothing.assert_one_line_error(code=2)


def test_findings_exit_10_and_print_their_fix(
    synadmin: Synadmin, use_server: Callable[[str], None], standin: str
) -> None:
    use_server(standin)
    result = synadmin("audit", "--rule", "no-local-control")
    assert (result.code, result.stderr) == (10, "")
    assert result.stdout == (
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
    synadmin: Synadmin, use_server: Callable[[str], None], standin: str, fail_on: str, code: int
) -> None:
    use_server(standin)
    result = synadmin("audit", "--rule", "departed-power", "--fail-on", fail_on)
    assert result.code == code
    assert "info: departed-power: Room 0" in result.stdout


def test_json_report_has_the_shape_of_the_contract(
    synadmin: Synadmin, use_server: Callable[[str], None], standin: str
) -> None:
    use_server(standin)
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
    synadmin: Synadmin, use_server: Callable[[str], None], standin: str
) -> None:
    use_server(standin)
    lines = synadmin("audit", "--rule", "no-local-control", "-o", "ndjson").stdout.splitlines()
    assert [json.loads(line)["subject"]["id"] for line in lines] == ["!0:big.example", "!50:big.example"]
    lines = synadmin("audit", "--rule", "no-local-control", "-o", "csv").stdout.splitlines()
    assert lines[0] == "severity,rule,subject.type,subject.id,subject.name,message,fix,details,new"
    assert len(lines) == 1 + LOST
    result = synadmin("audit", "--rule", "no-local-control", "--columns", "rule,subject.id", "-o", "csv")
    assert result.stdout.splitlines() == [
        "rule,subject.id",
        "no-local-control,!0:big.example",
        "no-local-control,!50:big.example",
    ]


def test_baseline_prints_new_findings_and_solved_ones_once(
    synadmin: Synadmin, use_server: Callable[[str], None], work: Path
) -> None:
    baseline = ("--baseline", str(work / "baseline.json"))
    only = ("--rule", "no-local-control")
    with running("--rooms", "40", "--users", "10") as url:
        use_server(url)
        assert synadmin("audit", *only, *baseline, "--update-baseline").code == 10
        again = synadmin("audit", *only, *baseline, "--update-baseline")
        assert (again.code, again.stdout, again.stderr) == (0, "", "")
    with running("--rooms", "100", "--users", "10") as url:
        use_server(url)
        # Without --update-baseline, the baseline is unchanged and the finding stays new.
        for _ in range(2):
            result = synadmin("audit", *only, *baseline)
            assert result.code == 10
            assert "Room 50" in result.stdout
            assert "Room 0 " not in result.stdout
            assert "1 error, 1 known before" in result.stdout
        assert synadmin("audit", *only, *baseline, "--update-baseline").code == 10
    with running("--rooms", "40", "--users", "10") as url:
        use_server(url)
        solved = synadmin("audit", *only, *baseline, "--update-baseline")
        assert (solved.code, solved.stderr) == (0, "")
        assert solved.stdout.splitlines()[0] == "solved: no-local-control: Room 50 (!50:big.example)"
        assert synadmin("audit", *only, *baseline, "--update-baseline").stdout == ""


def test_findings_of_other_rules_stay_in_the_baseline(
    synadmin: Synadmin, use_server: Callable[[str], None], standin: str, work: Path
) -> None:
    use_server(standin)
    baseline = ("--baseline", str(work / "baseline.json"))
    assert synadmin("audit", "rooms", *baseline, "--update-baseline").code == 10
    assert synadmin("audit", "--rule", "weak-control", *baseline, "--update-baseline").stdout == ""
    assert synadmin("audit", "rooms", *baseline).stdout == ""


def test_baseline_of_another_server_is_refused(
    synadmin: Synadmin, use_server: Callable[[str], None], standin: str, work: Path
) -> None:
    use_server(standin)
    path = work / "baseline.json"
    path.write_text('{"version": 1, "server_name": "other.example"}', "utf-8")
    result = synadmin("audit", "--baseline", str(path))
    result.assert_one_line_error(code=2)
    assert "the baseline is of other.example, and this is big.example" in result.stderr


def test_report_file_is_replaced_and_nothing_is_printed(
    synadmin: Synadmin, use_server: Callable[[str], None], standin: str, work: Path
) -> None:
    use_server(standin)
    path = work / "synadmin.prom"
    path.write_text("old", "utf-8")
    result = synadmin("audit", "-o", "prometheus", "--output-file", str(path))
    assert (result.code, result.stdout, result.stderr) == (10, "", "")
    assert "synadmin_audit" in path.read_text("utf-8")


def test_room_that_vanishes_meanwhile_is_skipped_and_listed(
    synadmin: Synadmin, use_server: Callable[[str], None], work: Path
) -> None:
    baseline = work / "baseline.json"
    with running("--rooms", "100", "--users", "10", "--gone", "7") as url:
        use_server(url)
        result = synadmin("audit", "-o", "json", "--baseline", str(baseline), "--update-baseline")
    assert result.code == 10
    report = _report(result.stdout)
    assert report["checked"]["rooms"] == 99
    assert report["skipped"] == [
        {
            "subject": {"type": "room", "id": "!7:big.example", "name": "Room 7"},
            "reason": "it was deleted while the audit ran",
        }
    ]
    assert baseline.exists()


def test_unreadable_room_makes_the_audit_incomplete(
    synadmin: Synadmin, use_server: Callable[[str], None], work: Path
) -> None:
    baseline = work / "baseline.json"
    with running("--rooms", "100", "--users", "10", "--broken", "7") as url:
        use_server(url)
        result = synadmin("audit", "-o", "json", "--baseline", str(baseline), "--update-baseline")
    assert result.code == 1
    assert result.stderr == (
        "synadmin: the audit is not complete: 1 could not be checked "
        "(the first: Internal server error (M_UNKNOWN, HTTP 500))\n"
    )
    assert len(_report(result.stdout)["findings"]) > 0
    assert not baseline.exists()


def test_unchecked_finding_is_not_solved(
    synadmin: Synadmin, use_server: Callable[[str], None], work: Path
) -> None:
    kept = ("--rule", "no-local-control", "--baseline", str(work / "baseline.json"), "-o", "json")
    with running("--rooms", "100", "--users", "10") as url:
        use_server(url)
        known = _report(synadmin("audit", *kept, "--update-baseline").stdout)["findings"]
    lost = known[0]["subject"]["id"].removeprefix("!").partition(":")[0]
    with running("--rooms", "100", "--users", "10", "--broken", lost) as url:
        use_server(url)
        result = synadmin("audit", *kept)
    assert (result.code, _report(result.stdout)["solved"]) == (1, [])


def test_time_limit_reports_what_was_checked(
    synadmin: Synadmin, use_server: Callable[[str], None], work: Path
) -> None:
    baseline = work / "baseline.json"
    kept = ("--baseline", str(baseline), "--update-baseline")
    with running("--rooms", "3000", "--users", "10", "--delay", "0.1") as url:
        use_server(url)
        result = synadmin("audit", "-o", "json", "--time-limit", "6s", *kept)
    report = _report(result.stdout)
    seen = report["checked"]["rooms"]
    assert (result.code, 0 < seen < 3000) == (1, True)
    assert "the time limit was reached" in result.stderr
    *started_rooms, rest = [
        item for item in report["skipped"] if "before" not in item["reason"] or "rooms" in item["reason"]
    ]
    assert {item["reason"] for item in started_rooms} <= {"the time limit was reached"}
    assert (
        rest["reason"]
        == f"the time limit was reached before {3000 - seen - len(started_rooms)} more rooms were begun"
    )
    assert not baseline.exists()


def test_silent_server_ends_at_the_time_limit(synadmin: Synadmin, use_server: Callable[[str], None]) -> None:
    with running("--rooms", "10", "--users", "10", "--delay", "600") as url:
        use_server(url)
        started = time.monotonic()
        result = synadmin("audit", "--time-limit", "500ms")
        # One request may wait for 30 seconds; the time limit ends it earlier.
        assert time.monotonic() - started < 25
    assert result.code == 1


def test_crashed_rule_is_reported_and_others_run(
    synadmin: Synadmin,
    use_server: Callable[[str], None],
    standin: str,
    monkeypatch: pytest.MonkeyPatch,
    work: Path,
) -> None:
    def crash(facts: RoomFacts, options: object) -> Iterator[object]:
        del options
        if facts.name == "Room 3":
            yield 1 // 0

    monkeypatch.setattr(everyone_controls, "check", crash)
    use_server(standin)
    baseline = work / "baseline.json"
    result = synadmin("audit", "-o", "json", "--baseline", str(baseline), "--update-baseline")
    report = _report(result.stdout)
    assert result.code == 1
    assert result.stderr == "synadmin: the audit is not complete: a rule crashed: everyone-controls\n"
    assert report["errors"] == [
        {
            "rule": "everyone-controls",
            "subject": {"type": "room", "id": "!3:big.example", "name": "Room 3"},
            "error": "ZeroDivisionError: integer division or modulo by zero",
        }
    ]
    assert {finding["rule"] for finding in report["findings"]} == {"no-local-control", "departed-power"}
    assert not baseline.exists()
    assert "crashed: everyone-controls: Room 3" in synadmin("audit", "rooms").stdout


def test_second_simultaneous_audit_ends_or_waits(
    synadmin: Synadmin, use_server: Callable[[str], None]
) -> None:
    with running("--rooms", "600", "--users", "10", "--delay", "0.05") as url:
        use_server(url)
        command = [sys.executable, "-m", "synadmin", "audit", "--fail-on", "never"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as first:
            _wait_for_requests(url, 150)  # the audit sends about 100 requests before it takes its lock
            first.send_signal(signal.SIGSTOP)  # the first audit holds its lock while it is stopped
            second = synadmin("audit", "--rule", "failed-task")
            first.send_signal(signal.SIGCONT)
            second.assert_one_line_error(code=1)
            assert "another audit is running" in second.stderr
            third = synadmin("audit", "--rule", "failed-task", "--wait")
            assert (third.code, third.stdout) == (0, "")
            assert first.wait(60) == 0


def _wait_for_requests(url: str, times: int = 10) -> None:
    while json.load(urllib.request.urlopen(f"{url}/standin"))["requests"] < times:  # noqa: S310
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_audit_ends_at_once(use_server: Callable[[str], None], number: signal.Signals) -> None:
    with running("--rooms", "3000", "--users", "10", "--delay", "0.2") as url:
        use_server(url)
        command = [sys.executable, "-m", "synadmin", "audit"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
            _wait_for_requests(url)
            run.send_signal(number)
            stdout, stderr = run.communicate(timeout=60)
    assert (run.returncode, stdout) == (130, b"")
    assert stderr.strip() == b"synadmin: interrupted"


def test_killed_audit_leaves_a_complete_baseline(
    use_server: Callable[[str], None], work: Path, synadmin: Synadmin
) -> None:
    path = work / "baseline.json"
    command = [sys.executable, "-m", "synadmin", "audit", "--rule", "departed-power"]
    command += ["--rule", "no-local-control", "--baseline", str(path), "--update-baseline"]
    killed = 0
    with running("--rooms", "4000", "--users", "10") as url:
        use_server(url)
        for writes in range(4):
            # Kill the audit during the write, as soon as its temporary file appears.
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
        # Files that a killed audit leaves do not disturb the next audit.
        result = synadmin("audit", "--rule", "failed-task", "--baseline", str(path), "--update-baseline")
        assert result.code == 0, result.stderr


def test_unreachable_server_is_an_error(
    synadmin: Synadmin, use_server: Callable[[str], None], naps: list[float]
) -> None:
    use_server(nobody_there())
    synadmin("audit").assert_one_line_error(code=1)
    assert naps


def test_token_of_a_normal_user_exits_3(synadmin: Synadmin, use_server: Callable[[str], None]) -> None:
    with Stub() as stub:
        stub.on("*", refused(403, "M_FORBIDDEN", "You are not a server admin"))
        use_server(stub.url)
        result = synadmin("audit")
    # The stub also writes to stderr when requests in flight are interrupted.
    assert (result.code, result.stdout) == (3, "")
    assert "synadmin: You are not a server admin (M_FORBIDDEN, HTTP 403)\n" in result.stderr


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
    synadmin: Synadmin,
    use_server: Callable[[str], None],
    standin: str,
    arguments: tuple[str, ...],
    words: str,
) -> None:
    use_server(standin)
    result = synadmin("audit", *arguments)
    result.assert_one_line_error(code=2)
    assert words in result.stderr


def test_rules_are_listed_and_have_a_page(synadmin: Synadmin) -> None:
    listed = json.loads(synadmin("audit", "rules", "-o", "json").stdout)
    assert [rule["rule"] for rule in listed] == [rule.ID for rule in RULES]
    assert {rule["about"] for rule in listed} == {"rooms", "users", "server", "the audit"}
    page = synadmin("audit", "rules", "single-controller").stdout
    assert page.startswith("## single-controller\n")
    assert "[audit.rules.single-controller]" in page


def test_scope_requests_only_its_facts(
    synadmin: Synadmin, use_server: Callable[[str], None], standin: str
) -> None:
    use_server(standin)
    for scope, checked in (
        ("rooms", {"rooms": 100, "users": 10}),
        ("users", {"users": 0}),
        ("server", {"server": 1}),
    ):
        result = synadmin("audit", scope, "-o", "json", "--fail-on", "never")
        assert _report(result.stdout)["checked"] == checked


def test_audit_imports_only_what_it_needs(standin: str, use_server: Callable[[str], None]) -> None:
    """A nightly audit takes about a second; imports that it does not need would add half a second."""
    use_server(standin)
    code = (
        "import sys\n"
        "from synadmin.cli.app import main\n"
        "try:\n    main(['audit', '--fail-on', 'never', '-o', 'ndjson', *sys.argv[1:]])\n"
        "except SystemExit as ended:\n    print('code', ended.code)\n"
        "print('loaded', *({'requests', 'jinja2', 'tabulate', 'dns', 'cryptography'} & set(sys.modules)))"
    )
    # These rules read more of a lost room, and these requests may fail.
    skipped = ("--skip", "no-local-control", "--skip", "inactive-controller")
    run = subprocess.run([sys.executable, "-c", code, *skipped], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-2:] == ["code 0", "loaded"]


def test_audit_stops_after_a_few_bad_gateway_answers(
    synadmin: Synadmin, use_server: Callable[[str], None], naps: list[float]
) -> None:
    room = {"joined_members": 1, "joined_local_members": 1, "version": "11", "creator": "@a:example.org"}
    rooms = [room | {"room_id": f"!{number}:example.org"} for number in range(120)]
    with Stub() as stub:
        stub.on("*", Reply(502, b"<html>Bad Gateway</html>"))
        stub.on("/_synapse/admin/v1/rooms", json_reply({"rooms": rooms, "total_rooms": 120}))
        stub.on("/_synapse/admin/v3/users", json_reply({"users": [], "total": 0}))
        use_server(stub.url)
        result = synadmin("audit")
    assert (result.code, result.stdout) == (1, "")
    assert "the audit is not complete" in result.stderr
    assert "gave up after 5 failures in a row" in result.stderr
    assert naps
    assert len(stub.requests) < 120
