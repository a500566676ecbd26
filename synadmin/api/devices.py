"""The devices of local users. Each is a session that a user has signed in to.

Source: Synapse, ``docs/admin_api/user_admin_api.md`` and ``synapse/rest/admin/devices.py``.
"""

from collections.abc import Sequence

from msgspec import UNSET, UnsetType

from synadmin.http.endpoint import Empty, Endpoint, Record
from synadmin.http.group import ResourceGroup
from synadmin.ids import UserId


class Device(Record, frozen=True, kw_only=True):
    """A device. ``last_seen_ts`` is in milliseconds since the epoch, and a few minutes late.

    ``dehydrated`` is there only in a list, and only where the user has a dehydrated device.
    """

    device_id: str
    user_id: UserId
    display_name: str | None = None
    last_seen_ts: int | None = None
    last_seen_ip: str | None = None
    last_seen_user_agent: str | None = None
    dehydrated: bool | None = None


class DeviceList(Record, frozen=True, kw_only=True):
    """All devices of a user."""

    devices: tuple[Device, ...]
    total: int


LIST = Endpoint("GET", "/_synapse/admin/v2/users/{user_id}/devices", DeviceList)
GET = Endpoint("GET", "/_synapse/admin/v2/users/{user_id}/devices/{device_id}", Device)
CREATE = Endpoint("POST", "/_synapse/admin/v2/users/{user_id}/devices", Empty, idempotent=True)
MODIFY = Endpoint("PUT", "/_synapse/admin/v2/users/{user_id}/devices/{device_id}", Empty)
DELETE = Endpoint("DELETE", "/_synapse/admin/v2/users/{user_id}/devices/{device_id}", Empty, absent=GET)
DELETE_MANY = Endpoint("POST", "/_synapse/admin/v2/users/{user_id}/delete_devices", Empty, idempotent=True)


class Devices(ResourceGroup):
    """Devices: ``synapse.devices``. Each method raises NotFoundError for a user who does not exist."""

    def list(self, user_id: str) -> DeviceList:
        """Return all devices of a user in one answer.

        Source: ``DevicesRestServlet``.
        """
        return self._send(LIST, user_id=user_id)

    def get(self, user_id: str, device_id: str) -> Device:
        """Return one device.

        Raises:
            NotFoundError: the user has no such device.

        Source: ``DeviceRestServlet``.
        """
        return self._send(GET, user_id=user_id, device_id=device_id)

    def create(self, user_id: str, device_id: str) -> Empty:
        """Make a device without a session; nothing happens where it exists already.

        Source: ``DevicesRestServlet``.
        """
        return self._send(CREATE, body={"device_id": device_id}, user_id=user_id)

    def modify(self, user_id: str, device_id: str, *, display_name: str | UnsetType = UNSET) -> Empty:
        """Change a device.

        Args:
            user_id: the user.
            device_id: the device.
            display_name: its new name.

        Raises:
            NotFoundError: the user has no such device.

        Source: ``DeviceRestServlet``.
        """
        body = {"display_name": display_name}
        return self._send(MODIFY, body=body, user_id=user_id, device_id=device_id)

    def delete(self, user_id: str, device_id: str) -> Empty:
        """Delete a device, which ends its session. A device that does not exist is not an error.

        Source: ``DeviceRestServlet``.
        """
        return self._send(DELETE, user_id=user_id, device_id=device_id)

    def delete_many(self, user_id: str, devices: Sequence[str]) -> Empty:
        """Delete several devices of one user, which ends their sessions.

        Source: ``DeleteDevicesRestServlet``.
        """
        return self._send(DELETE_MANY, body={"devices": [*devices]}, user_id=user_id)
