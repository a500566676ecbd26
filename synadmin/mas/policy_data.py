"""Data for the policy that decides who may register and who may have which scopes.

Source: the OpenAPI document of MAS 1.22.0, ``/api/admin/v1/policy-data``.
"""

from collections.abc import Mapping
from typing import Any

from synadmin.http.endpoint import Record
from synadmin.mas.records import MasGroup, Resource, one


class PolicyData(Record, frozen=True, kw_only=True):
    """Data that is merged over ``policy.data`` of the configuration file, which MAS does not show."""

    created_at: str
    data: Any


SET = one("POST", "policy-data", PolicyData, since="0.15.0")
LATEST = one("GET", "policy-data/latest", PolicyData, since="0.15.0")
GET = one("GET", "policy-data/{id}", PolicyData, since="0.15.0")


class AllPolicyData(MasGroup):
    """Data for the policy."""

    def set(self, data: Mapping[str, Any]) -> Resource[PolicyData]:
        """Set the data."""
        return self._one(SET, body={"data": data})

    def latest(self) -> Resource[PolicyData]:
        """Return the data in force.

        Raises:
            NotFoundError: no data was ever set.
        """
        return self._one(LATEST)

    def get(self, id: str) -> Resource[PolicyData]:  # noqa: A002  the API's name
        """Return data that was set, by its ULID."""
        return self._one(GET, id=id)
