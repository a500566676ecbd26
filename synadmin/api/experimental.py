"""Experimental features of Synapse that are switched on for single users.

Source: Synapse, ``docs/admin_api/experimental_features.md`` and
``synapse/rest/admin/experimental_features.py``.
"""

from collections.abc import Mapping

from synadmin.http.endpoint import Empty, Endpoint, Record
from synadmin.http.group import ResourceGroup


class Features(Record, frozen=True, kw_only=True):
    """The experimental features that can be set for a user, each on or off: ``msc3881``, for example."""

    features: Mapping[str, bool]


GET = Endpoint("GET", "/_synapse/admin/v1/experimental_features/{user_id}", Features)
SET = Endpoint("PUT", "/_synapse/admin/v1/experimental_features/{user_id}", Empty)


class Experimental(ResourceGroup):
    """Experimental features: ``synapse.experimental``."""

    def get(self, user_id: str) -> Features:
        """Return which features are on for a local user; features that are on for all users are left out.

        Source: ``ExperimentalFeaturesRestServlet``.
        """
        return self._send(GET, user_id=user_id)

    def set(self, user_id: str, features: Mapping[str, bool]) -> Empty:
        """Switch features on or off for a local user; features that are not named stay as they are.

        Raises:
            MatrixError: this Synapse knows no such feature, or none is named (400).

        Source: ``ExperimentalFeaturesRestServlet``.
        """
        return self._send(SET, body={"features": dict(features)}, user_id=user_id)
