"""The report as a page: one file that loads nothing.

Everything from the server is escaped by Jinja2. If that ever fails, the page's Content-Security-Policy
still runs only its own script, and loads nothing.
"""

import base64
import hashlib
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from typing import Final, TextIO

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from synadmin.audit.findings import Severity, Subject
from synadmin.audit.report import ControlledRoom, Report, Reported, ServerReport
from synadmin.audit.rules import RULES, summary
from synadmin.columns import time_of
from synadmin.ids import UserId
from synadmin.text import safe_text

_SEVERITIES: Final = tuple(reversed(Severity))
_ORDER: Final = {rule.ID: place for place, rule in enumerate(RULES)}
_LOST: Final = "no-local-control"
_REGAIN: Final = ["synadmin", "room", "make-admin"]
_ALLOW: Final = {"": 0, "impersonate": 1, "reactivate": 2}
_USERS_SHOWN: Final = 15
_SQUARES: Final = 60  # rooms of a user that the map shows, at most
_RUNS_SHOWN: Final = 60
_RUNS_HEIGHT: Final = 120  # pixels of the tallest column


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment of a bar; ``start`` and ``size`` in percent of the width, or pixels of the height."""

    kind: str
    start: float
    size: float
    count: int


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of a chart: its length in full, its length beside a number, and the number."""

    label: str
    shown: str
    total: int
    segments: Sequence[Segment]


@dataclass(frozen=True, slots=True)
class SubjectFindings:
    """All findings about one subject, the most severe first."""

    subject: Subject
    items: Sequence[Reported]

    @property
    def severity(self) -> Severity:
        """The highest severity."""
        return self.items[0].finding.severity

    @property
    def is_new(self) -> bool:
        """Whether one of them is new."""
        return any(item.new for item in self.items)

    @property
    def rules(self) -> list[str]:
        """The rules that found something."""
        return list(dict.fromkeys(item.finding.rule for item in self.items))

    @property
    def fixes(self) -> list[str]:
        """The commands, each once."""
        return list(dict.fromkeys(item.finding.fix for item in self.items if item.finding.fix))


@dataclass(frozen=True, slots=True)
class Controller:
    """A local user with the rooms that they control: first those that no other local user controls."""

    user: UserId
    rooms: Sequence[ControlledRoom]

    @property
    def alone(self) -> list[Subject]:
        """The rooms that no other local user controls."""
        return [room.room for room in self.rooms if room.alone]


@dataclass(frozen=True, slots=True)
class ServerRow:
    """A server in a report of several: its number of findings by severity and of new ones, its report."""

    server: ServerReport
    counts: Sequence[int]
    section: Markup | None


def write(report: Report, out: TextIO) -> None:
    """Write the page."""
    environment = _environment()
    _write_page(environment, report.server_name, _section(environment, report), out)


def write_all(servers: Sequence[ServerReport], out: TextIO) -> None:
    """Write one page of several servers: a table of them, and a section for each."""
    environment = _environment()
    rows = [_row(environment, number, server) for number, server in enumerate(servers, start=1)]
    template = environment.from_string(_resource("html_all.jinja"))
    # This is a rendered template: all text from the server is escaped.
    content = Markup(template.render(rows=rows, severities=_SEVERITIES))  # noqa: S704
    _write_page(environment, f"{len(servers)} servers", content, out)


def _row(environment: Environment, number: int, server: ServerReport) -> ServerRow:
    if server.report is None:
        return ServerRow(server, [], None)
    findings = server.report.findings
    counts = Counter(item.finding.severity for item in findings)
    return ServerRow(
        server,
        [*(counts[severity] for severity in _SEVERITIES), sum(item.new for item in findings)],
        _section(environment, server.report, prefix=f"server{number}-", part="div"),
    )


def _write_page(environment: Environment, title: str, content: Markup, out: TextIO) -> None:
    # Style and script are our own, and not escaped: the policy allows only them, by their hashes.
    style, script = (Markup(_resource(name)) for name in ("html.css", "html.js"))  # noqa: S704
    page = environment.from_string(_resource("html_page.jinja")).render(
        title=title,
        style=style,
        script=script,
        style_hash=_hash(style),
        script_hash=_hash(script),
        content=content,
    )
    out.write(page)


def _section(environment: Environment, report: Report, *, prefix: str = "", part: str = "main") -> Markup:
    """Return the report of a server as a part of the page."""
    findings = sorted(report.findings, key=_place)
    counts = Counter(item.finding.severity for item in findings)
    found = {item.finding.rule for item in findings}
    text = environment.from_string(_resource("html.jinja")).render(
        report=report,
        prefix=prefix,
        part=part,
        groups=_groups(findings),
        headline=_headline(findings),
        regain=_regain(findings),
        total=len(findings),
        new=sum(item.new for item in findings),
        counts=[(severity, counts[severity]) for severity in _SEVERITIES],
        by_rule=_by_rule(findings),
        people=_people(report.controllers),
        people_left=max(0, len(report.controllers) - _USERS_SHOWN),
        squares=_SQUARES,
        runs=_runs(report, counts),
        runs_height=_RUNS_HEIGHT,
        rules=[(rule.ID, summary(rule)) for rule in RULES if rule.ID in found],
    )
    # This is a rendered template: all text from the server is escaped.
    return Markup(text)  # noqa: S704


def _environment() -> Environment:
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        # Characters that reorder or hide text are written out, as everywhere; only our own markup stays.
        finalize=lambda value: safe_text(value) if type(value) is str else value,
    )
    environment.filters["time"] = lambda at: time_of(at) or "-"
    environment.filters["day"] = _day
    return environment


def _resource(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _place(item: Reported) -> tuple[int, int, str, str]:
    finding = item.finding
    rule = _ORDER.get(finding.rule, len(_ORDER))
    return -finding.severity.rank, rule, finding.subject.name or "", finding.subject.id


def _by_rule(findings: Sequence[Reported]) -> list[Bar]:
    counted: dict[str, Counter[Severity]] = {}
    for item in findings:
        counted.setdefault(item.finding.rule, Counter())[item.finding.severity] += 1
    most = max((counts.total() for counts in counted.values()), default=1)
    return [Bar(rule, rule, counts.total(), _stacked(counts, 100 / most)) for rule, counts in counted.items()]


def _day(at: int) -> str:
    """Return a time as people write it: ``28 November 2026, 00:54 UTC``."""
    moment = datetime.fromtimestamp(at / 1000, UTC)
    return f"{moment.day} {moment:%B %Y, %H:%M} UTC"


def _groups(findings: Sequence[Reported]) -> list[SubjectFindings]:
    grouped: dict[tuple[str, str], list[Reported]] = {}
    for item in findings:
        grouped.setdefault((item.finding.subject.type, item.finding.subject.id), []).append(item)
    return [SubjectFindings(items[0].finding.subject, items) for items in grouped.values()]


def _lost(findings: Sequence[Reported]) -> list[Reported]:
    return [item for item in findings if item.finding.rule == _LOST]


def _headline(findings: Sequence[Reported]) -> str:
    """Return the result in one sentence."""
    lost = _lost(findings)
    if not lost:
        sentence = "No room was found that no local user controls."
        return sentence if findings else f"Nothing was found. {sentence}"
    rooms = len({item.finding.subject.id for item in lost})
    possible = len({item.finding.subject.id for item in lost if item.finding.fix})
    can = {0: "none of them can", rooms: "all of them can"}.get(possible, f"{possible} of them can")
    if rooms == 1:
        return f"1 room has no admin on this server; it can{'' if possible else 'not'} be regained."
    return f"{rooms} rooms have no admin on this server; {can} be regained."


def _regain(findings: Sequence[Reported]) -> tuple[int, str] | None:
    """Return how many rooms one command regains, and the command; None where there are fewer than two."""
    rooms: list[str] = []
    allow = ""
    profile: list[str] = []
    for item in _lost(findings):
        words = shlex.split(item.finding.fix or "")
        if words[-2:-1] == ["--profile"]:
            words, profile = words[:-2], words[-2:]
        if words[:3] == _REGAIN and len(words) in {4, 6} and words[3] not in rooms:
            rooms.append(words[3])
            allow = max(allow, words[5] if len(words) == 6 else "", key=lambda value: _ALLOW.get(value, 0))  # noqa: PLR2004
    if len(rooms) <= 1:
        return None
    command = shlex.join([*_REGAIN, *rooms, *(("--allow", allow) if allow else ()), *profile])
    return len(rooms), command


def _people(controllers: Mapping[UserId, Sequence[ControlledRoom]]) -> list[Controller]:
    """Return the users on whom most rooms depend."""
    people = [
        Controller(user, sorted(rooms, key=lambda room: (not room.alone, room.room.name or room.room.id)))
        for user, rooms in controllers.items()
    ]
    return sorted(people, key=lambda row: (-len(row.alone), -len(row.rooms), row.user))[:_USERS_SHOWN]


def _runs(report: Report, counts: Mapping[Severity, int]) -> list[Bar]:
    """Return a column for each run, this one last; none if there is no earlier run."""
    if not report.history:
        return []
    runs = [*((run.at, run.counts) for run in report.history), (report.finished_at, counts)][-_RUNS_SHOWN:]
    most = max(sum(of_run.values()) for _, of_run in runs) or 1
    return [
        Bar(
            time_of(at) or "-",
            (time_of(at) or "-")[:10],
            sum(of_run.values()),
            _stacked(of_run, _RUNS_HEIGHT / most),
        )
        for at, of_run in runs
    ]


def _stacked(counts: Mapping[Severity, int], scale: float) -> list[Segment]:
    segments = []
    start = 0.0
    for severity in _SEVERITIES:
        count = counts.get(severity, 0)
        if count:
            segments.append(Segment(severity, round(start, 3), round(count * scale, 3), count))
            start += count * scale
    return segments
