"""Profiles for tests with several servers."""

from __future__ import annotations

from synadmin import settings
from synadmin.settings.places import write_profile

TOKEN = "syt_c2VjcmV0_donotshowthis"


def write_profiles(**homeservers: str) -> None:
    """Write a profile for each homeserver."""
    for name, url in homeservers.items():
        write_profile(name, {settings.HOMESERVER: url, settings.TOKEN: TOKEN})
