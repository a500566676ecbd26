"""Post the new findings of an audit to a Matrix room."""

import html
import json
import secrets
from collections.abc import Iterator
from typing import Any

from synadmin.audit.findings import Finding
from synadmin.audit.report import Report
from synadmin.audit.report.table import named, summary
from synadmin.client import Synapse
from synadmin.ids import EventId, RoomId
from synadmin.text import safe_text

_LARGEST = 48_000  # bytes of content: an event has 65,536, and servers add fields to it


def post(synapse: Synapse, room_id: RoomId, report: Report) -> EventId | None:
    """Post what is new, and what was solved, as the token's owner; nothing where there is neither.

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


def message(report: Report) -> dict[str, Any] | None:
    """Return the content of the message: as many findings as an event holds, the most severe first."""
    new = [item.finding for item in report.findings if item.new]
    if not new and not report.solved:
        return None
    headline = safe_text(f"Audit of {report.server_name}: {summary(report, new)}")
    body, formatted = [headline], [f"<p><strong>{html.escape(headline)}</strong></p><ul>"]
    size = _size(body) + _size(formatted)
    items = [
        *(_finding_item(finding) for finding in new),
        *(_solved_item(finding) for finding in report.solved),
    ]
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
        # It names users, but mentions none of them.
        "m.mentions": {},
    }


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
