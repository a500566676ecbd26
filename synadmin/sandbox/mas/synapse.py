"""The requests of MAS to its homeserver, under ``/_synapse/mas/``."""

import contextlib
import http.client
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlsplit

_TIMEOUT = 60  # seconds
_TAKEN = {"M_INVALID_USERNAME", "M_USER_IN_USE", "M_EXCLUSIVE"}


class SynapseError(Exception):
    """Synapse refused a request of MAS.

    Attributes:
        errcode: Synapse's error code; empty where it gave none.
    """

    def __init__(self, message: str, errcode: str = "") -> None:
        super().__init__(message)
        self.errcode = errcode


class Provisioner:
    """A client that sends the requests of MAS to Synapse.

    Attributes:
        asked: the requests that were sent, ``(operation, body)``, for tests.
    """

    def __init__(self, url: Callable[[], str], secret: str) -> None:
        """Set the Synapse.

        Args:
            url: returns its base URL, which may be known only later.
            secret: the shared secret of MAS and Synapse.
        """
        self._url = url
        self.secret = secret
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def post(self, operation: str, **body: Any) -> None:  # noqa: ANN401 - any JSON
        """Send a request.

        Raises:
            SynapseError: Synapse refused the request.
        """
        self.asked.append((operation, body))
        self._send("POST", operation, json.dumps(body))

    def is_available(self, localpart: str) -> bool:
        """Whether a localpart is free at the homeserver.

        Raises:
            SynapseError: Synapse did not answer the question.
        """
        self.asked.append(("is_localpart_available", {"localpart": localpart}))
        try:
            self._send("GET", f"is_localpart_available?localpart={quote(localpart)}")
        except SynapseError as error:
            if error.errcode in _TAKEN:
                return False
            raise
        return True

    def _send(self, method: str, operation: str, body: str | None = None) -> None:
        target = urlsplit(self._url())
        connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=_TIMEOUT)
        headers = {"Authorization": f"Bearer {self.secret}", "Content-Type": "application/json"}
        with contextlib.closing(connection):
            try:
                connection.request(method, f"/_synapse/mas/{operation}", body, headers)
                answer = connection.getresponse()
                content = answer.read()
            except (OSError, http.client.HTTPException) as error:
                raise SynapseError(str(error)) from error
        if answer.status >= http.HTTPStatus.BAD_REQUEST:
            try:
                errcode = str(json.loads(content).get("errcode", ""))
            except ValueError:
                errcode = ""
            raise SynapseError(f"{operation}: HTTP {answer.status} {errcode}", errcode)
