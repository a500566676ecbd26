"""``unknown_fields``, which the live tests use, finds the fields that a model lacks."""

from __future__ import annotations

from typing import Any

import pytest

from synadmin.api.background_updates import BackgroundUpdateStatus
from synadmin.api.media import MediaAnswer, RoomMedia, UserMedia
from synadmin.api.reports import EventReportDetails
from tests.live.api.unknown_fields import unknown_fields

REPORT = {"id": 1, "received_ts": 2, "room_id": "!a", "event_id": "$b", "user_id": "@c:d"}


@pytest.mark.parametrize(
    ("answer", "model", "unknown"),
    [
        ({"media_info": {"media_id": "a"}}, MediaAnswer, []),
        ({"media_info": {"media_id": "a", "mood": 1}, "more": {}}, MediaAnswer, ["media_info.mood", "more"]),
        ([{"media_id": "a"}, {"mood": 1}, {"mood": 2}], list[UserMedia], ["[].mood"]),
        ({"local": ["mxc://a/b"], "remote": []}, RoomMedia, []),
        ({"current_updates": {"main": {"mood": 1}}}, BackgroundUpdateStatus, ["current_updates.main.mood"]),
        (REPORT | {"event_json": {"anything": {"at": "all"}}}, EventReportDetails, []),
        (None, MediaAnswer | None, []),
        ({"mood": 1}, MediaAnswer | None, ["mood"]),
    ],
)
def test_unknown_fields_are_found(answer: object, model: Any, unknown: list[str]) -> None:  # noqa: ANN401
    assert unknown_fields(answer, model) == unknown
