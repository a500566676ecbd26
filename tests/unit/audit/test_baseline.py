from __future__ import annotations

from pathlib import Path

import pytest

from synadmin.audit.baseline import Baseline, read
from synadmin.audit.findings import Finding, Severity, Subject
from synadmin.audit.report import PastRun
from synadmin.errors import SettingsError, UsageError


def _finding(rule: str, room: str, part: str = "", severity: Severity = Severity.WARNING) -> Finding:
    return Finding(
        rule=rule,
        severity=severity,
        subject=Subject("room", room, "Chess \x1b[2J"),
        message="something \u202e is so",
        fix="synadmin room show",
        details={"number": 3, "users": ["@a:example.org"]},
        part=part,
    )


def _after(baseline: Baseline, *found: Finding, ran: tuple[str, ...] = ("lost",), at: int = 1000) -> Baseline:
    return baseline.after(
        server_name="example.org", found=found, ran=ran, at=at, update_running="populate_stats"
    )


def test_baseline_round_trips(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    written = _after(Baseline(), _finding("lost", "!a"), _finding("lost", "!a", part="@b:example.org"))
    written.write(path)
    assert read(path, may_be_missing=False) == written
    assert path.stat().st_mode & 0o777 == 0o600
    assert "\x1b" not in path.read_text("utf-8")


def test_findings_of_rules_that_did_not_run_are_kept() -> None:
    before = _after(Baseline(), _finding("lost", "!a"), _finding("ghost", "!b"), ran=("lost", "ghost"))
    after = _after(before, _finding("lost", "!c"), ran=("lost",))
    assert {finding.subject.id for finding in after.findings.values()} == {"!b", "!c"}


def test_baseline_keeps_a_bounded_history_of_runs() -> None:
    baseline = Baseline()
    for night in range(500):
        baseline = _after(baseline, _finding("lost", "!a", severity=Severity.ERROR), at=night)
    assert len(baseline.history) == 400
    assert baseline.history[-1] == PastRun(
        at=499, counts={Severity.ERROR: 1, Severity.WARNING: 0, Severity.INFO: 0}
    )


def test_missing_baseline_is_empty_where_it_will_be_written(tmp_path: Path) -> None:
    assert read(tmp_path / "none", may_be_missing=True) == Baseline()
    with pytest.raises(UsageError, match="there is no baseline") as caught:
        read(tmp_path / "none", may_be_missing=False)
    assert caught.value.hint == "--update-baseline makes it"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"version": 1}',
        b'{"version": 1, "server_name": 7}',
        b"\xff\xfe",
        b'{"version": 1, "server_name": "x", "nested": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        b'{"version": 1, "server_name": "x", "findings": [{}]}',
    ],
)
def test_invalid_baseline_is_reported(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "baseline.json"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=r"baseline\.json is not a baseline"):
        read(path, may_be_missing=True)


def test_baseline_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    path.write_text('{"version": 2, "everything": "else"}', "utf-8")
    with pytest.raises(SettingsError, match="another version of synadmin"):
        read(path, may_be_missing=True)


def test_unreadable_baseline_is_reported(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
        read(tmp_path, may_be_missing=True)


def test_endless_baseline_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synadmin.audit.baseline._LARGEST", 1024 * 1024)
    with pytest.raises(SettingsError, match="larger than 1 MiB"):
        read(Path("/dev/zero"), may_be_missing=False)
