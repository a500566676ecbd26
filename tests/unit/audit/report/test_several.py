"""One report about several servers, in every format."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from markdown_it import MarkdownIt
from prometheus_client.parser import text_string_to_metric_families

from synadmin.audit.report import Report, ServerReport, render, with_profile
from synadmin.audit.report.table import summary_of_all
from synadmin.columns import REPORT_FORMATS
from tests.unit.audit.report.browser import CHROMIUM, Browser
from tests.unit.audit.report.sample import HOSTILE, report
from tests.unit.audit.rules.case import NOW

if TYPE_CHECKING:
    from pathlib import Path

PROMTOOL = shutil.which("promtool")
DOWN = "matrix.down.example does not answer"


def servers(names: tuple[str, ...] = ("Chess", "Board")) -> list[ServerReport]:
    """Return the reports of four servers: with findings, incomplete, without findings, and down."""
    return [
        ServerReport(profile="club", homeserver="https://m.club.example", report=report(names=names)),
        ServerReport(
            profile="partly",
            homeserver="https://m.partly.example",
            report=with_profile(report(names=names, baseline=False), "partly"),
            error="1 could not be checked",
        ),
        ServerReport(
            profile="sound",
            homeserver="https://m.sound.example",
            report=Report(server_name="sound.example", started_at=NOW, finished_at=NOW),
        ),
        ServerReport(profile="down", homeserver="https://matrix.down.example", error=DOWN),
    ]


def rendered(output_format: str, reports: list[ServerReport]) -> str:
    out = io.StringIO()
    render(output_format, reports, out)
    return out.getvalue()


@pytest.mark.parametrize("output_format", REPORT_FORMATS)
def test_unreachable_server_is_an_entry_in_every_format(output_format: str) -> None:
    text = rendered(output_format, servers())
    assert "down" in text
    assert DOWN in text or output_format == "prometheus"
    assert "Board" in text or output_format == "prometheus"


def test_json_has_the_report_of_each_server() -> None:
    combined = json.loads(rendered("json", servers()))
    assert combined["version"] == 1
    assert [
        (server["profile"], server["homeserver"], server["complete"], server["error"])
        for server in combined["servers"]
    ] == [
        ("club", "https://m.club.example", True, None),
        ("partly", "https://m.partly.example", False, "1 could not be checked"),
        ("sound", "https://m.sound.example", True, None),
        ("down", "https://matrix.down.example", False, DOWN),
    ]
    single = io.StringIO()
    render("json", report(names=("Chess", "Board")), single)
    assert combined["servers"][0]["report"] == json.loads(single.getvalue())
    assert combined["servers"][3]["report"] is None


@pytest.mark.parametrize("output_format", ["ndjson", "csv"])
def test_each_line_names_its_server(output_format: str) -> None:
    text = rendered(output_format, servers())
    lines = (
        [json.loads(line) for line in text.splitlines()]
        if output_format == "ndjson"
        else list(csv.DictReader(io.StringIO(text)))
    )
    assert {(line["profile"], line["server_name"] or None) for line in lines} == {
        ("club", "example.org"),
        ("partly", "example.org"),
        ("down", None),
    }
    assert [(line["profile"], line["rule"] or None, line["error"]) for line in lines if line["error"]] == [
        ("partly", None, "not complete: 1 could not be checked"),
        ("down", None, f"not audited: {DOWN}"),
    ]
    assert len({tuple(line) for line in lines}) == 1, "every line has the same fields"


def test_table_has_a_section_for_each_server_with_new_findings() -> None:
    text = rendered("table", servers())
    assert text.startswith("example.org (profile club)\n\nerror: no-local-control: ")
    assert f"https://matrix.down.example (profile down)\n\nnot audited: {DOWN}\n" in text
    assert "sound" not in text
    assert summary_of_all(servers()) == (
        "4 servers: 2 audited, 1 not complete (partly), 1 not audited (down)."
    )
    assert rendered("table", servers()[2:3]) == ""


def test_commands_name_the_profile_of_their_server() -> None:
    text = rendered("table", servers()[1:2])
    assert "make-admin '!room0:example.org' --allow impersonate --profile partly\n" in text
    page = rendered("html", servers()[1:2])
    assert "--allow impersonate --profile partly</code>" in page
    assert re.search(r"make-admin &#39;!\S+ &#39;!\S+ --allow impersonate --profile partly</code>", page)


def test_markdown_has_one_title_and_a_heading_for_each_server() -> None:
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(rendered("markdown", servers(HOSTILE)))
    titles = [
        (opening.tag, inline.content)
        for opening, inline in itertools.pairwise(tokens)
        if opening.type == "heading_open"
    ]
    assert [title for tag, title in titles if tag == "h1"] == ["Audit of 4 servers"]
    assert [title for tag, title in titles if tag == "h2"] == [
        "Audit of example.org",
        "Audit of example.org",
        "Audit of sound.example",
    ]


def test_metrics_have_a_label_for_each_server() -> None:
    text = rendered("prometheus", servers())
    assert len(re.findall(r"^# TYPE synadmin_audit_findings gauge$", text, re.MULTILINE)) == 1
    families = {family.name: family for family in text_string_to_metric_families(text)}
    up = {sample.labels["server"]: sample.value for sample in families["synadmin_audit_up"].samples}
    assert up == {"club": 1, "partly": 1, "sound": 1, "down": 0}
    solved = families["synadmin_audit_solved_findings"].samples
    assert {(sample.labels["server"], sample.labels["server_name"]): sample.value for sample in solved} == {
        ("club", "example.org"): 1,
        ("partly", "example.org"): 0,
        ("sound", "sound.example"): 0,
    }


@pytest.mark.skipif(PROMTOOL is None, reason="needs promtool (Debian's package prometheus)")
@pytest.mark.parametrize("reports", [servers(HOSTILE), servers()[3:]], ids=["all", "down"])
def test_promtool_accepts_the_metrics(reports: list[ServerReport]) -> None:
    assert PROMTOOL is not None
    text = rendered("prometheus", reports)
    checked = subprocess.run(
        [PROMTOOL, "check", "metrics"], input=text, text=True, capture_output=True, check=False
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_name_makes_no_markup(name: str) -> None:
    tags = re.compile(r"<[^>]*>")
    harmless = tags.findall(rendered("html", servers(("Chess",))))
    hostile = [
        *servers((name,))[:3],
        ServerReport(profile="down", homeserver=name, error=f"{DOWN}: {name}"),
    ]
    assert tags.findall(rendered("html", hostile)) == [
        tag.replace("Chess", name) if "Chess" in tag else tag for tag in harmless
    ]


def test_html_ids_are_unique_and_linked() -> None:
    page = rendered("html", servers())
    ids = re.findall(r'\bid="([^"]*)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]*)"', page)) <= set(ids)
    assert page.count("<script") == page.count("<main") == 1


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium (Debian's package chromium)")
def test_filters_of_one_server_do_not_change_the_others(tmp_path: Path) -> None:
    assert CHROMIUM is not None
    path = tmp_path / "audit.html"
    path.write_text(rendered("html", servers(HOSTILE)), "utf-8")
    shown = "[...document.querySelectorAll('#server{} article')].filter(r => r.offsetHeight > 0).length"
    with Browser(CHROMIUM) as browser:
        browser.screen(width=360)
        browser.open(path)
        assert browser.run("document.documentElement.scrollWidth") <= 360
        first, second = (browser.run(shown.format(number)) for number in (1, 2))
        browser.run("document.querySelector('#server2-controls input[value=error]').click()")
        assert browser.run(shown.format(1)) == first
        assert 0 < browser.run(shown.format(2)) < second
        assert browser.errors == []
        assert browser.requests == [path.as_uri()]
