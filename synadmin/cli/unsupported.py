"""Find out why a server answers ``M_UNRECOGNIZED``."""

import contextlib
import re
from typing import TYPE_CHECKING

from synadmin.errors import MatrixError, NotSupportedError, SynadminError

if TYPE_CHECKING:
    from synadmin.cli.invocation import Invocation
    from synadmin.cli.operations import Operation
    from synadmin.client import Synapse

_OLDEST_KNOWN = "1.98"  # operations without a version are in this version
_DECODED = "a proxy in front of Synapse decodes or refuses %2F, the slash within an id"
_KEEP_ENCODED = (
    "nginx: write proxy_pass without a path (http://127.0.0.1:8008); Apache: AllowEncodedSlashes NoDecode, "
    "and the option nocanon of ProxyPass"
)
# Parts of a path, and the equivalent command of the Matrix Authentication Service.
_IN_MAS = {
    "/reset_password/": "mas-cli manage set-password USERNAME PASSWORD",
    "/registration_tokens": "mas-cli manage issue-user-registration-token",
    "}/admin": "mas-cli manage promote-admin USERNAME, and demote-admin",
    "}/login": "mas-cli manage issue-compatibility-token USERNAME",
    "v1/register": "mas-cli manage register-user",
}


def explain_unsupported(invocation: "Invocation", error: NotSupportedError) -> tuple[str, str | None]:
    """Return the message and the hint for an operation that the server does not have."""
    from synadmin.cli.operations import MAS_ADMIN, operation_of

    message = str(error)
    method, _, path = error.operation.partition(" ")
    if not path:
        return message, None
    if path.startswith(MAS_ADMIN):
        return message, _not_in_mas(method, path)
    if error.errcode != "M_UNRECOGNIZED":
        with contextlib.suppress(SynadminError), invocation.synapse(anonymous=True) as synapse:
            if "{" in path and _changes_encoded_slashes(synapse):
                return f"{method} {path}: {_DECODED} (HTTP {error.status})", _KEEP_ENCODED
        return message, "a proxy answered, not Synapse: it must pass /_matrix and /_synapse/admin on"
    operation = operation_of(method, path)
    with contextlib.suppress(SynadminError), invocation.synapse(anonymous=True) as synapse:
        why, hint = _reason(synapse, operation, path)
        return f"{method} {path}: {why} ({error.errcode}, HTTP {error.status})", hint
    return message, "this Synapse may be too old for it, or a worker has answered"


def _not_in_mas(method: str, path: str) -> str:
    """Return the hint where the Matrix Authentication Service has no such operation."""
    from synadmin.cli.operations import operation_of

    operation = operation_of(method, path)
    if operation is None:
        return "`synadmin api --list` shows the operations that there are"
    return (
        f"it came with MAS {operation.since or '0.10.0'}: `synadmin mas show` shows the version, and whether "
        "the admin API is served"
    )


def _reason(synapse: "Synapse", operation: "Operation | None", path: str) -> tuple[str, str | None]:
    if operation is not None and not operation.mas and synapse.mas_manages_accounts:
        why = (
            "the Matrix Authentication Service (MAS) manages this server's accounts, so Synapse does "
            "not have it"
        )
        return why, _in_mas(operation)
    version = _version(synapse)
    if version is None:
        return _not_the_main_process(synapse)
    if operation is None:
        why = f"Synapse {version} has no such operation"
        return why, "`synadmin api --list` shows those that there are" if path.startswith(
            "/_synapse"
        ) else None
    if _numbers(version) < _numbers(operation.since or _OLDEST_KNOWN):
        least = operation.since or f"{_OLDEST_KNOWN} or newer"
        return f"Synapse {version} is too old for it", f"it needs Synapse {least}"
    return _not_arrived(synapse, version, path)


def _not_arrived(synapse: "Synapse", version: str, path: str) -> tuple[str, str | None]:
    """Return why an operation that this Synapse has was not found."""
    if "/media" in path or "_media" in path:
        return (
            f"Synapse {version} has it, but not the process that answered",
            "the proxy must send media requests to the process with the media repository",
        )
    if "{" in path and _changes_encoded_slashes(synapse):
        return _DECODED, _KEEP_ENCODED
    return (
        f"Synapse {version} has it, but a worker answered, which does not have it",
        "a worker serves only requests for a single room or user: send /_synapse/admin to the main process",
    )


def _version(synapse: "Synapse") -> str | None:
    """Return Synapse's version; None where Synapse's main process does not answer."""
    try:
        return synapse.server.version().server_version
    except NotSupportedError:
        return None


def _not_the_main_process(synapse: "Synapse") -> tuple[str, str]:
    software = _software(synapse)
    if software is not None and not software.startswith("Synapse "):
        why = f"this homeserver is {software}, not Synapse"
        return why, "synadmin works with Synapse: other homeservers do not have its Admin API"
    return (
        "what answers here is not Synapse's main process",
        "a worker serves little of the Admin API: --homeserver must lead to the main process",
    )


def _changes_encoded_slashes(synapse: "Synapse") -> bool:
    """Whether Synapse recognizes a path only without an encoded slash in its id."""
    return _is_recognized(synapse, "%21a") and not _is_recognized(synapse, "%21a%2Fb")


def _is_recognized(synapse: "Synapse", encoded_room: str) -> bool:
    from synadmin.http.endpoint import Endpoint

    try:
        synapse.transport.send(Endpoint("GET", f"/_synapse/admin/v1/rooms/{encoded_room}", dict))
    except MatrixError as error:
        # Without a token, Synapse answers with a Matrix error; a proxy does not.
        return error.errcode not in {"M_UNRECOGNIZED", "M_UNKNOWN"}
    return True


def _software(synapse: "Synapse") -> str | None:
    """Return the name and version that the homeserver tells other servers; None where it does not."""
    from synadmin.http.endpoint import Endpoint

    endpoint = Endpoint("GET", "/_matrix/federation/v1/version", dict)
    server = None
    with contextlib.suppress(SynadminError):
        server = synapse.transport.send(endpoint).get("server")
    if not isinstance(server, dict) or not server.get("name"):
        return None
    return f"{server['name']} {server.get('version') or ''}".strip()


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2])


def _in_mas(operation: "Operation") -> str:
    commands = (command for part, command in _IN_MAS.items() if part in operation.path)
    command = next(commands, None)
    if "/account_validity/" in operation.path:
        return "in MAS accounts do not expire: `synadmin user lock USER` locks one"
    return f"on the machine of that service: {command}" if command else "MAS has no such operation"
