"""The service itself: its version, and what it lets users do.

Source: the OpenAPI document of MAS 1.22.0, ``/api/admin/v1/site-config`` and ``/version``.
"""

from synadmin.http.endpoint import Endpoint, Record
from synadmin.http.group import ResourceGroup


class SiteConfig(Record, frozen=True, kw_only=True):
    """What users may do, and the name of the homeserver. ``minimum_password_complexity`` is 0 to 4."""

    server_name: str
    password_login_enabled: bool = False
    password_registration_enabled: bool = False
    password_registration_email_required: bool = False
    password_registration_token_required: bool = False
    registration_token_required: bool = False
    email_change_allowed: bool = False
    displayname_change_allowed: bool = False
    password_change_allowed: bool = False
    account_recovery_allowed: bool = False
    account_deactivation_allowed: bool = False
    captcha_enabled: bool = False
    minimum_password_complexity: int = 0


class Version(Record, frozen=True, kw_only=True):
    """The version, as ``v1.22.0``; a development build may have a longer one."""

    version: str


SITE_CONFIG = Endpoint("GET", "/api/admin/v1/site-config", SiteConfig, since="1.3.0", dialect="mas")
VERSION = Endpoint("GET", "/api/admin/v1/version", Version, since="1.4.0", dialect="mas")


class Site(ResourceGroup):
    """The service itself."""

    def site_config(self) -> SiteConfig:
        """Return what users may do, and the name of the homeserver."""
        return self._send(SITE_CONFIG)

    def version(self) -> Version:
        """Return the version."""
        return self._send(VERSION)
