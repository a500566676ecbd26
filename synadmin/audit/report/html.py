"""The report as a page: one file that asks nobody for anything.

Everything from the server is escaped by Jinja2. Should that ever fail, the page's Content-Security-Policy
lets no script run but its own, and fetches nothing.
"""

import base64
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Final, TextIO

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from synadmin.audit.findings import Severity
from synadmin.audit.report import Report, Reported
from synadmin.audit.rules import RULES, summary
from synadmin.columns import time_of
from synadmin.ids import UserId
from synadmin.text import safe_text

_SEVERITIES: Final = tuple(reversed(Severity))
_ORDER: Final = {rule.ID: place for place, rule in enumerate(RULES)}
_USERS_SHOWN: Final = 15
_LABEL_LENGTH: Final = 34  # characters that fit beside a number on a phone
_RUNS_SHOWN: Final = 60
_RUNS_HEIGHT: Final = 120  # pixels of the tallest column


@dataclass(frozen=True, slots=True)
class Segment:
    """A coloured piece of a bar; ``start`` and ``size`` in percent of the width, or pixels of the height."""

    kind: str
    start: float
    size: float
    count: int


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar with a name, as long as it is and as it fits beside a number, and the number."""

    label: str
    shown: str
    total: int
    segments: Sequence[Segment]


def write(report: Report, out: TextIO) -> None:
    """Write the page."""
    environment = _environment()

    # Our own, and as they are: the policy lets only them run, and knows them by their hashes.
    style, script = (Markup(_resource(name)) for name in ("html.css", "html.js"))  # noqa: S704
    findings = sorted(report.findings, key=_place)
    counts = Counter(item.finding.severity for item in findings)
    found = {item.finding.rule for item in findings}
    page = environment.from_string(_resource("html.jinja")).render(
        report=report,
        style=style,
        script=script,
        style_hash=_hash(style),
        script_hash=_hash(script),
        findings=findings,
        new=sum(item.new for item in findings),
        counts=[(severity, counts[severity]) for severity in _SEVERITIES],
        by_rule=_by_rule(findings),
        by_user=_by_user(report.controllers),
        users_left=max(0, len(report.controllers) - _USERS_SHOWN),
        runs=_runs(report, counts),
        runs_height=_RUNS_HEIGHT,
        rules=[(rule.ID, summary(rule)) for rule in RULES if rule.ID in found],
    )
    out.write(page)


def _environment() -> Environment:
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        # What reorders or hides text is spelled out here as everywhere; what is markup is our own.
        finalize=lambda value: safe_text(value) if type(value) is str else value,
    )
    environment.filters["time"] = lambda at: time_of(at) or "-"
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


def _by_user(controllers: Mapping[UserId, int]) -> list[Bar]:
    ranked = sorted(controllers.items(), key=lambda item: (-item[1], item[0]))[:_USERS_SHOWN]
    most = max((rooms for _, rooms in ranked), default=1)
    return [
        Bar(user, _fitting(user), rooms, [Segment("user", 0, round(100 * rooms / most, 3), rooms)])
        for user, rooms in ranked
    ]


def _fitting(text: str) -> str:
    text = safe_text(text)
    return text if len(text) <= _LABEL_LENGTH else f"{text[: _LABEL_LENGTH - 1]}…"


def _runs(report: Report, counts: Mapping[Severity, int]) -> list[Bar]:
    """Return a column for each run, this one last; none where there is nothing to compare it with."""
    if not report.history:
        return []
    runs = [*((run.at, run.counts) for run in report.history), (report.finished_at, counts)][-_RUNS_SHOWN:]
    most = max(sum(found.values()) for _, found in runs) or 1
    return [
        Bar(
            time_of(at) or "-",
            (time_of(at) or "-")[:10],
            sum(found.values()),
            _stacked(found, _RUNS_HEIGHT / most),
        )
        for at, found in runs
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
