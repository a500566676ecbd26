"""Post the new findings of an audit to a Matrix room."""

import html
import json
import secrets
from collections.abc import Iterator, Sequence
from typing import Any

from synadmin.audit.findings import Finding
from synadmin.audit.report import Report, ServerReport
from synadmin.audit.report.table import named, summary, summary_of_all
from synadmin.client import Synapse
from synadmin.ids import EventId, RoomId
from synadmin.text import safe_text

_LARGEST = 48_000  # bytes of content: an event has 65,536, and servers add fields to it


def post(synapse: Synapse, room_id: RoomId, report: Report | Sequence[ServerReport]) -> EventId | None:
    """Post new and solved findings as the owner of the token; without findings, post nothing.

    The report of several servers is one message, which also has the servers that were not audited.

    Raises:
        NotPermittedError: the token's owner is not in the room, or may not write there.
    """
    content = message(report)
    if content is None:
        return None
    api = synapse.client_server
    if api.whoami().device_id is None:
        return api.send_event_anew(room_id, "m.room.message", content).event_id
    transaction_id = f"synadmin-audit-{secrets.token_hex(8)}"
    return api.send_event(room_id, "m.room.message", content, txn_id=transaction_id).event_id


def message(report: Report | Sequence[ServerReport]) -> dict[str, Any] | None:
    """Return the content of the message: as many findings as an event holds, the gravest first."""
    if isinstance(report, Report):
        items = _report_items(report)
        headline = f"Audit of {report.server_name}: {summary(report, _new(report))}"
    else:
        items = [item for server in report for item in _server_items(server)]
        headline = f"Audit of {summary_of_all(report)}"
    if not items:
        return None
    headline = safe_text(headline)
    body, formatted = [headline], [f"<p><strong>{html.escape(headline)}</strong></p><ul>"]
    size = _size(body) + _size(formatted)
    for number, (text, markup) in enumerate(items):
        size += _size([text]) + _size([markup])
        if size > _LARGEST:
            more = f"… and {len(items) - number} more"
            body.append(more)
            formatted.append(f"<li>{more}</li>")
            break
        body.append(text)
        formatted.append(markup)
    formatted.append("</ul>")
    return {
        "msgtype": "m.notice",
        "body": "\n\n".join(body),
        "format": "org.matrix.custom.html",
        "formatted_body": "".join(formatted),
        # The message names users, but must not notify them.
        "m.mentions": {},
    }


def _new(report: Report) -> list[Finding]:
    return [item.finding for item in report.findings if item.new]


def _report_items(report: Report) -> list[tuple[str, str]]:
    """Return the new and the solved findings, each as text and as HTML."""
    return [*map(_finding_item, _new(report)), *map(_solved_item, report.solved)]


def _server_items(server: ServerReport) -> list[tuple[str, str]]:
    """Return the findings of one of several servers, after a line about it; nothing if none are new."""
    items = [] if server.report is None else _report_items(server.report)
    about = [f"{server.name} (profile {server.profile})"]
    if items and server.report is not None:
        about.append(summary(server.report, _new(server.report)))
    if server.problem is not None:
        about.append(server.problem)
    heading = safe_text(": ".join(about))
    is_news = items or server.problem is not None
    return [(heading, f"<li><strong>{html.escape(heading)}</strong></li>"), *items] if is_news else []


def _finding_item(finding: Finding) -> tuple[str, str]:
    lines = [safe_text(line) for line in _lines(finding)]
    markup = (
        f"<strong>{html.escape(str(finding.severity))}</strong>: "
        f"{html.escape(finding.rule)}: {html.escape(safe_text(named(finding.subject)))}"
        f"<br>{html.escape(safe_text(finding.message))}"
    )
    if finding.fix is not None:
        markup += f"<br><code>{html.escape(safe_text(finding.fix))}</code>"
    return "\n".join(lines), f"<li>{markup}</li>"


def _lines(finding: Finding) -> Iterator[str]:
    yield f"{finding.severity}: {finding.rule}: {named(finding.subject)}"
    yield finding.message
    if finding.fix is not None:
        yield finding.fix


def _solved_item(finding: Finding) -> tuple[str, str]:
    text = safe_text(f"solved: {finding.rule}: {named(finding.subject)}")
    return text, f"<li>{html.escape(text)}</li>"


def _size(texts: list[str]) -> int:
    """Return the bytes that texts take in an event: in JSON a quote or a line break takes two."""
    return sum(len(json.dumps(text, ensure_ascii=False).encode()) for text in texts)
