"""What MAS asks of its homeserver, under ``/_synapse/mas/``."""

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
    """Sends MAS's requests to Synapse.

    Attributes:
        asked: the requests so far: ``(operation, body)``; for tests.
    """

    def __init__(self, url: Callable[[], str], secret: str) -> None:
        """Choose a Synapse.

        Args:
            url: returns its base URL, which may not be known yet.
            secret: the secret that both have.
        """
        self._url = url
        self.secret = secret
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def post(self, operation: str, **body: Any) -> None:  # noqa: ANN401 - any JSON
        """Send a request.

        Raises:
            SynapseError: it was not done.
        """
        self.asked.append((operation, body))
        self._send("POST", operation, json.dumps(body))

    def is_available(self, localpart: str) -> bool:
        """Whether a localpart is free at the homeserver.

        Raises:
            SynapseError: it did not say.
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
