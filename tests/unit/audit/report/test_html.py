"""The HTML report: one file, safe with hostile names, and readable in a browser."""

from __future__ import annotations

import dataclasses
import html
import io
import re
from typing import TYPE_CHECKING

import pytest

from synadmin.audit.findings import Finding, Severity
from synadmin.audit.report import Report, Reported, render
from tests.unit.audit.report.browser import CHROMIUM, Browser
from tests.unit.audit.report.sample import HOSTILE, finding, report
from tests.unit.audit.rules.case import NOW

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium (Debian's package chromium)")


def page(audit_report: Report) -> str:
    out = io.StringIO()
    render("html", audit_report, out)
    return out.getvalue()


def empty() -> Report:
    return Report(server_name="example.org", started_at=NOW, finished_at=NOW)


def test_html_report_loads_nothing_from_a_server() -> None:
    text = page(report())
    assert not re.findall(r"<(?:link|img|iframe|object|embed|base|form)\b", text)
    assert not re.findall(r"<[^>]*\b(?:src|href|action|data)=(?!\"#)[^>]*>", text)
    assert "@import" not in text
    assert "url(" not in text


def test_content_security_policy_knows_every_script_and_style() -> None:
    text = page(report())
    assert len(re.findall(r"<script\b", text)) == 1
    assert len(re.findall(r"<style\b", text)) == 1
    assert not re.search(r"<[^>]*\s(?:style|on[a-z]+)=", text)
    [policy] = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_name_makes_no_markup(name: str) -> None:
    tags = re.compile(r"<[^>]*>")
    harmless = page(report(names=("Chess",)))
    assert tags.findall(page(report(names=(name,)))) == [
        tag.replace("Chess", name) if "Chess" in tag else tag for tag in tags.findall(harmless)
    ]


def test_bidi_and_invisible_characters_are_escaped() -> None:
    text = page(report())
    assert "\u202e" not in text
    assert "\x1b" not in text
    assert "\\u202e" in text


def test_empty_report_says_that_nothing_was_found() -> None:
    text = page(empty())
    assert "Nothing was found." in text
    assert "<article" not in text
    assert "<svg" not in text


def test_partial_report_says_this_at_the_top() -> None:
    assert "Not everything was checked" in page(report())
    assert "Not everything was checked" not in page(report(baseline=False))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    assert CHROMIUM is not None
    with Browser(CHROMIUM) as running:
        yield running


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pages")


def open_report(browser: Browser, directory: Path, audit_report: Report) -> Path:
    path = directory / "audit.html"
    path.write_text(page(audit_report), "utf-8")
    browser.screen()
    browser.open(path)
    return path


SHOWN = "[...document.querySelectorAll('#findings article')].filter(r => r.offsetHeight > 0).length"


def test_html_report_begins_with_the_result_in_a_sentence() -> None:
    headline = re.search(r'<p class="headline">(.*?)</p>', page(report(names=("Chess", "Board"))))
    assert headline is not None
    assert headline[1] == "2 rooms have no admin on this server; all of them can be regained."
    assert "Nothing was found. No room was found that no local user controls." in page(empty())


@pytest.mark.parametrize(
    ("possible", "sentence"),
    [
        ([True], "1 room has no admin on this server; it can be regained."),
        ([False], "1 room has no admin on this server; it cannot be regained."),
        ([True, False, True], "3 rooms have no admin on this server; 2 of them can be regained."),
        ([False, False], "2 rooms have no admin on this server; none of them can be regained."),
    ],
)
def test_result_counts_the_rooms_that_can_be_regained(possible: list[bool], sentence: str) -> None:
    findings = [
        Reported(
            finding("no-local-control", Severity.ERROR, None, number, fix="x" if can else None), new=True
        )
        for number, can in enumerate(possible)
    ]
    assert f'<p class="headline">{sentence}</p>' in page(dataclasses.replace(empty(), findings=findings))


def test_one_command_regains_all_regainable_rooms() -> None:
    text = html.unescape(page(report(names=("Chess", "Board"))))
    rooms = "'!room1:example.org' '!room0:example.org'"
    assert f'<code tabindex="0">synadmin room make-admin {rooms} --allow impersonate</code>' in text
    assert "Regain 2 rooms with one command" in text
    assert "with one command" not in page(report(names=("Chess",)))


def test_findings_of_one_room_are_grouped() -> None:
    audit_report = report(names=("Chess",), baseline=False)
    subject = audit_report.findings[0].finding.subject
    again = Finding(rule="inactive-controller", severity=Severity.WARNING, subject=subject, message="Gone.")
    text = page(
        dataclasses.replace(audit_report, findings=[*audit_report.findings, Reported(again, new=True)])
    )
    articles = re.findall(r"<article.*?</article>", text, re.DOTALL)
    assert len(articles) == len(audit_report.findings)
    assert 'data-rules="no-local-control inactive-controller"' in articles[0]
    assert [rule in articles[0] for rule in ("#no-local-control", "#inactive-controller")] == [True, True]


def test_map_names_the_rooms_that_would_be_lost() -> None:
    text = page(report(names=("Chess",)))
    controllers = re.findall(r"<details class=\"person\">.*?</details>", text, re.DOTALL)
    assert len(controllers) == 15
    assert "99 rooms, <b>66</b> would be lost" in controllers[0]
    # Controllers of the most such rooms come first.
    lost = [int(controller.partition("<b>")[2].partition("</b>")[0]) for controller in controllers]
    assert lost == sorted(lost, reverse=True)
    assert "and 4 more users" in text


@needs_chromium
def test_browser_shows_the_report_without_errors(browser: Browser, directory: Path) -> None:
    path = open_report(browser, directory, report())
    assert browser.run("document.title") == "Audit of example.org"
    assert browser.run("document.querySelectorAll('#findings article').length") == len(HOSTILE) + 5
    assert browser.run("document.querySelectorAll('figure svg').length") == 2
    assert browser.run("document.querySelectorAll('details svg').length") == 15
    assert browser.run("document.querySelectorAll('svg rect.error').length") > 10
    assert browser.errors == []
    assert browser.requests == [path.as_uri()]


@needs_chromium
def test_hostile_names_are_shown_and_not_executed(browser: Browser, directory: Path) -> None:
    open_report(browser, directory, report())
    browser.run(
        "document.querySelectorAll('#findings li').forEach(c => c.dispatchEvent(new MouseEvent('mouseover')))"
    )
    assert browser.run("document.title") == "Audit of example.org"
    assert browser.run("document.images.length") == 0
    assert browser.run("document.scripts.length") == 1
    assert browser.dialogs == []
    assert browser.errors == []
    shown = browser.run("document.querySelector('#findings').textContent")
    assert all(name in shown for name in HOSTILE[:8])


@needs_chromium
def test_policy_blocks_scripts_where_escaping_fails(browser: Browser, directory: Path) -> None:
    path = directory / "unescaped.html"
    injected = "<script>document.title = 'owned'</script><img src=x onerror=\"document.title = 'owned'\">"
    path.write_text(page(report(names=("MARK",))).replace("MARK", injected), "utf-8")
    browser.open(path)
    assert browser.run("document.images.length") > 0
    assert browser.run("document.title") == "Audit of example.org"


@needs_chromium
def test_report_is_complete_without_scripts(browser: Browser, directory: Path) -> None:
    path = directory / "plain.html"
    path.write_text(re.sub(r"<script>.*</script>", "", page(report()), flags=re.DOTALL), "utf-8")
    browser.open(path)
    assert browser.run(SHOWN) == len(HOSTILE) + 5
    assert browser.run("document.querySelector('#controls').offsetHeight") == 0
    browser.click("details.person summary")
    assert browser.run("document.querySelector('details.person ul').offsetHeight") > 0


@needs_chromium
def test_rule_filter_shows_its_explanation(browser: Browser, directory: Path) -> None:
    open_report(browser, directory, report(names=("Garden",), baseline=False))
    browser.run(
        "(() => { const rule = document.querySelector('#rule'); rule.value = 'departed-power';"
        " rule.dispatchEvent(new Event('input', {bubbles: true})); })()"
    )
    assert browser.run(SHOWN) == 2
    missing = "[...document.querySelectorAll('#findings a')].filter(a => !document.querySelector(a.hash))"
    assert browser.run(f"{missing}.length") == 0


@needs_chromium
def test_known_findings_are_shown_on_request(browser: Browser, directory: Path) -> None:
    open_report(browser, directory, report())
    everything = len(HOSTILE) + 5
    new = sum(item.new for item in report().findings)
    assert browser.run(SHOWN) == new
    assert browser.run("document.querySelector('#shown').textContent") == f"{new} of {everything} shown"
    browser.click("#known")
    assert browser.run(SHOWN) == everything


@needs_chromium
def test_report_filters_by_severity_and_text(browser: Browser, directory: Path) -> None:
    open_report(browser, directory, report(names=("Garden",), baseline=False))
    browser.click("input[value=error]")
    assert browser.run(SHOWN) == 5
    browser.click("#search")
    browser.send("Input.insertText", text="ARCHIVE 9")
    assert browser.run(SHOWN) == 1


@needs_chromium
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [360, 768, 1280])
def test_report_fits_the_screen(browser: Browser, directory: Path, width: int, dark: bool) -> None:
    longest = "wide" * 60
    open_report(browser, directory, report(names=(longest, *HOSTILE)))
    browser.screen(width=width, dark=dark)
    assert browser.run("document.documentElement.scrollWidth") <= width
    overlapping = browser.run(
        "[...document.querySelectorAll('svg g')].map(g => [...g.querySelectorAll('text')])"
        ".filter(t => t.length == 2 && t[0].getBBox().x + t[0].getBBox().width > t[1].getBBox().x)"
        ".map(t => t[0].textContent)"
    )
    assert overlapping == []
    # WCAG requires a contrast of 4.5 between each text and its background.
    low_contrast = browser.run(
        """(() => {
          const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
          const light = ([r, g, b]) => {
            const [x, y, z] = [r, g, b].map((c) => c / 255)
              .map((c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
            return 0.2126 * x + 0.7152 * y + 0.0722 * z;
          };
          const ground = (element) => {
            for (let e = element; e; e = e.parentElement) {
              const colour = numbers(getComputedStyle(e).backgroundColor);
              if (colour.length === 3 || colour[3] === 1) return colour;
            }
            return numbers(getComputedStyle(document.body).backgroundColor);
          };
          const poor = [];
          for (const e of document.querySelectorAll("body *")) {
            const says = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
            if (!says || !e.getClientRects().length || e.closest("script, title")) continue;
            const style = getComputedStyle(e);
            const ink = numbers(e.closest("svg") ? style.fill : style.color);
            const [a, b] = [light(ink), light(ground(e))].sort((x, y) => y - x);
            if ((a + 0.05) / (b + 0.05) < 4.5) poor.push(`${e.tagName}.${e.className} ${ink} ${ground(e)}`);
          }
          return [...new Set(poor)];
        })()"""
    )
    assert low_contrast == []
    small_text = browser.run(
        "[...document.querySelectorAll('body *, svg text')].filter(e => e.getClientRects().length"
        " && parseFloat(getComputedStyle(e).fontSize) < 11).map(e => e.tagName)"
    )
    assert small_text == []
