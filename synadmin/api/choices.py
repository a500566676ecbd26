"""The orders of lists, the jobs and the statuses. Does not import msgspec, so that ``--help`` is fast."""

from typing import Literal, get_args

RoomOrder = Literal[
    "name",
    "canonical_alias",
    "joined_members",
    "joined_local_members",
    "version",
    "creator",
    "encryption",
    "federatable",
    "public",
    "join_rules",
    "guest_access",
    "history_visibility",
    "state_events",
]
ROOM_ORDERS: tuple[str, ...] = get_args(RoomOrder)

UserOrder = Literal[
    "name",
    "displayname",
    "avatar_url",
    "user_type",
    "is_guest",
    "admin",
    "deactivated",
    "locked",
    "shadow_banned",
    "creation_ts",
    "last_seen_ts",
]
USER_ORDERS: tuple[str, ...] = get_args(UserOrder)

MediaOrder = Literal[
    "media_id",
    "upload_name",
    "created_ts",
    "last_access_ts",
    "media_length",
    "media_type",
    "quarantined_by",
    "safe_from_quarantine",
]
MEDIA_ORDERS: tuple[str, ...] = get_args(MediaOrder)

DestinationOrder = Literal[
    "destination",
    "retry_last_ts",
    "retry_interval",
    "failure_ts",
    "last_successful_stream_ordering",
]
DESTINATION_ORDERS: tuple[str, ...] = get_args(DestinationOrder)

UserStatisticsOrder = Literal["user_id", "displayname", "media_count", "media_length"]
USER_STATISTICS_ORDERS: tuple[str, ...] = get_args(UserStatisticsOrder)

JOBS = ("populate_stats_process_rooms", "regenerate_directory", "event_resign")

TASK_STATUSES = ("scheduled", "active", "complete", "cancelled", "failed")
