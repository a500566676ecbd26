from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from synadmin.audit.findings import Finding, Severity, Subject
from synadmin.audit.notify import message, post
from synadmin.audit.report import Report, Reported
from synadmin.client import Synapse
from synadmin.errors import NotPermittedError
from synadmin.ids import RoomId
from tests.unit.audit.report.sample import HOSTILE
from tests.unit.stub import ADMIN, WHOAMI, json_reply, refused

if TYPE_CHECKING:
    from tests.unit.stub import Stub


def _report(*names: str, new: bool = True, solved: tuple[str, ...] = ()) -> Report:
    def finding(number: int, name: str) -> Finding:
        return Finding(
            rule="no-local-control",
            severity=Severity.ERROR,
            subject=Subject("room", f"!{number}:example.org", name),
            message=f"Nobody controls {name}.",
            fix=f"synadmin room make-admin '!{number}:example.org'",
        )

    return Report(
        server_name="example.org",
        started_at=0,
        finished_at=1,
        checked={"rooms": 3},
        findings=[Reported(finding(number, name), new) for number, name in enumerate(names)],
        solved=[finding(99, name) for name in solved],
    )


def test_no_message_without_new_findings() -> None:
    assert message(_report()) is None
    assert message(_report("Chess", new=False)) is None


def test_message_is_a_notice_with_plain_and_html_text() -> None:
    content = message(_report("Chess", solved=("Board",)))
    assert content is not None
    assert content["msgtype"] == "m.notice"
    assert content["m.mentions"] == {}
    assert content["body"] == (
        "Audit of example.org: 1 error, 1 solved; checked 3 rooms\n\n"
        "error: no-local-control: Chess (!0:example.org)\n"
        "Nobody controls Chess.\n"
        "synadmin room make-admin '!0:example.org'\n\n"
        "solved: no-local-control: Board (!99:example.org)"
    )
    assert "<code>synadmin room make-admin &#x27;!0:example.org&#x27;</code>" in content["formatted_body"]


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes += attrs


def test_names_in_the_message_are_escaped() -> None:
    content = message(_report(*HOSTILE))
    assert content is not None
    tags = _Tags()
    tags.feed(content["formatted_body"])
    assert tags.seen == {"p", "strong", "ul", "li", "br", "code"}
    assert tags.attributes == []
    assert "\x1b" not in content["body"] + content["formatted_body"]


@pytest.mark.parametrize("name", ["Chess", "\N{SNOWMAN}" * 200, '"\\' * 200, "<&>" * 200])
def test_message_fits_an_event_and_counts_the_rest(name: str) -> None:
    content = message(_report(*(f"{name} {number}" for number in range(1000))))
    assert content is not None
    assert 30_000 < len(json.dumps(content, ensure_ascii=False).encode()) < 60_000
    listed = content["body"].count("Nobody controls")
    assert content["body"].endswith(f"… and {1000 - listed} more")
    assert f"<li>… and {1000 - listed} more</li></ul>" in content["formatted_body"]


def test_message_is_posted_once_by_the_owner_of_the_token(stub: Stub) -> None:
    stub.on(WHOAMI, json_reply({"user_id": ADMIN, "device_id": "D"}))
    stub.on("*", json_reply({"event_id": "$sent"}))
    with Synapse(stub.url, token="syt_token") as synapse:
        assert post(synapse, RoomId("!ops:example.org"), _report("Chess")) == "$sent"
        assert post(synapse, RoomId("!ops:example.org"), _report()) is None
    [sent] = stub.targets
    assert sent.startswith("PUT /_matrix/client/v3/rooms/%21ops%3Aexample.org/send/m.room.message/synadmin-")


def test_room_without_permission_to_post_is_reported(stub: Stub) -> None:
    stub.on("*", refused(403, "M_FORBIDDEN", "User not in room"))
    with (
        Synapse(stub.url, token="syt_token") as synapse,
        pytest.raises(NotPermittedError, match="not in room"),
    ):
        post(synapse, RoomId("!ops:example.org"), _report("Chess"))
