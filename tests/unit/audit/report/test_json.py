from __future__ import annotations

import io
import json

from synadmin.audit.report import render
from tests.unit.audit.report.sample import HOSTILE, report


def _written(output_format: str, *, baseline: bool = True) -> str:
    out = io.StringIO()
    render(output_format, report(baseline=baseline), out)
    return out.getvalue()


def test_json_has_the_shape_of_the_contract() -> None:
    shown = json.loads(_written("json"))
    assert list(shown) == [
        "version",
        "server_name",
        "started_at",
        "finished_at",
        "checked",
        "skipped",
        "findings",
        "solved",
        "errors",
    ]
    assert (shown["version"], shown["finished_at"]) == (1, "2026-11-21T09:30:00Z")
    assert shown["skipped"][0] == {
        "subject": {"type": "room", "id": "!gone:example.org", "name": HOSTILE[0]},
        "reason": f"vanished {HOSTILE[0]}",
    }


def test_baseline_shows_only_new_findings() -> None:
    full_report = report()
    shown = json.loads(_written("json"))["findings"]
    assert 0 < len(shown) < len(full_report.findings)
    assert all(shown_finding["new"] for shown_finding in shown)
    assert len(json.loads(_written("json", baseline=False))["findings"]) == len(full_report.findings)


def test_ndjson_has_a_line_for_each_finding() -> None:
    lines = _written("ndjson").splitlines()
    assert [json.loads(line) for line in lines] == json.loads(_written("json"))["findings"]


def test_csv_has_a_row_for_each_finding_and_no_formulas() -> None:
    rows = _written("csv").splitlines()
    assert rows[0] == "severity,rule,subject.type,subject.id,subject.name,message,fix,details,new"
    assert len(rows) == 1 + len(_written("ndjson").splitlines())


def test_names_are_unchanged_in_json_and_escaped_on_a_terminal() -> None:
    for output_format in ("json", "ndjson", "csv"):
        text = _written(output_format, baseline=False)
        assert not any(character in text for character in "\x1b\x00\u202e\r")
    names = {
        shown_finding["subject"]["name"]
        for shown_finding in json.loads(_written("json", baseline=False))["findings"]
    }
    assert set(HOSTILE) <= names
