"""The questions before media is quarantined or deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.cli.terminal import Terminal
from tests.unit.stub import json_reply, refused

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.stub import Stub

ADMIN = "/_synapse/admin/v1"
ITEM = {"media_id": "AbCd", "media_type": "image/png", "media_length": 1234, "user_id": "@bob:example.org"}
MEDIA = {
    "media": [{"media_id": "AbCd", "media_length": 10}, {"media_id": "EfGh", "media_length": 5}],
    "total": 2,
}


@pytest.fixture(autouse=True)
def _media(signed_in: Stub) -> None:
    signed_in.on(f"{ADMIN}/media/example.org/AbCd", json_reply({"media_info": ITEM}))
    signed_in.on(f"{ADMIN}/media/example.org/MnOp", json_reply({"media_info": {**ITEM, "media_id": "MnOp"}}))
    signed_in.on(f"{ADMIN}/media/example.org/EfGh", refused(404, "M_NOT_FOUND", "Unknown media"))
    signed_in.on(f"{ADMIN}/users/%40bob%3Aexample.org/media", json_reply(MEDIA))
    uris = ["mxc://example.org/AbCd", "mxc://example.org/AbCd", "mxc://example.org/EfGh"]
    room_media = {"local": uris, "remote": ["mxc://elsewhere.example/IjKl"]}
    signed_in.on(f"{ADMIN}/room/%21a%3Aexample.org/media", json_reply(room_media))
    signed_in.on(f"{ADMIN}/rooms/%21a%3Aexample.org", json_reply({"room_id": "!a:example.org"}))


@pytest.mark.parametrize(
    ("arguments", "question"),
    [
        (
            ("quarantine", "AbCd"),
            "(image/png, 1234 bytes, uploaded by @bob:example.org) will be quarantined. Users cannot open",
        ),
        (("quarantine", "AbCd", "MnOp"), "2 items of media will be quarantined."),
        (("quarantine", "AbCd", "EfGh"), "Plan: 1 to quarantine, 1 failed."),
        (("quarantine", "EfGh", "AbCd"), "mxc://example.org/EfGh: failed: Unknown media"),
        (
            ("quarantine", "--user", "bob"),
            "2 items of media that @bob:example.org uploaded will be quarantined.",
        ),
        (
            ("quarantine", "--room", "!a:example.org"),
            "3 items of media (2 uploaded here, 1 elsewhere) that events in !a:example.org point to will be",
        ),
        (
            ("delete", "AbCd"),
            "Delete mxc://example.org/AbCd (image/png, 1234 bytes, uploaded by @bob:example.org) permanently",
        ),
        (("delete", "AbCd", "MnOp"), "Delete 2 items of media permanently?"),
        (
            ("delete", "--user", "bob"),
            "Permanently delete the 2 items of media (15 bytes) that @bob:example.org uploaded?",
        ),
        (
            ("delete", "--before", "2026-01-31", "--larger-than", "10MB"),
            "since 2026-01-31 00:00 UTC and larger than 10000000 bytes will be deleted permanently. Avatars ",
        ),
        (("delete", "--before", "2026-01-31", "--avatars-too"), "Avatars are deleted too."),
        (("purge-remote", "--before", "2026-01-31"), "All cached copies of other servers' media"),
    ],
)
def test_question_names_the_effect_and_answer_no_changes_nothing(
    signed_in: Stub, work: Path, arguments: tuple[str, ...], question: str
) -> None:
    with Terminal("-m", "synadmin", "media", *arguments, cwd=work) as terminal:
        terminal.see("[y/N]")
        terminal.type("n\n")
        code = terminal.end()

    assert question in " ".join(terminal.shown.split())
    assert code == 2
    assert [target for target in signed_in.targets if not target.startswith("GET ")] == []
