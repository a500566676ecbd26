"""The configuration, the keys and the certificate of a sandbox's Synapse.

Source: Synapse's configuration manual. JSON is YAML, so no YAML library is needed to write it.
"""

import base64
import datetime as dt
import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_UNLIMITED = {"per_second": 10_000, "burst_count": 10_000}
# The default limits of Synapse that a person or a test would reach.
RAISED_RATE_LIMITS: dict[str, Any] = {
    "rc_message": _UNLIMITED,
    "rc_registration": _UNLIMITED,
    "rc_registration_token_validity": _UNLIMITED,
    "rc_login": {"address": _UNLIMITED, "account": _UNLIMITED, "failed_attempts": _UNLIMITED},
    "rc_admin_redaction": _UNLIMITED,
    "rc_joins": {"local": _UNLIMITED, "remote": _UNLIMITED},
    "rc_joins_per_room": _UNLIMITED,
    "rc_invites": {"per_room": _UNLIMITED, "per_user": _UNLIMITED, "per_issuer": _UNLIMITED},
    "rc_third_party_invite": _UNLIMITED,
    "rc_media_create": _UNLIMITED,
    "rc_presence": {"per_user": _UNLIMITED},
    "rc_key_requests": _UNLIMITED,
    "rc_3pid_validation": _UNLIMITED,
    "rc_delayed_event_mgmt": _UNLIMITED,
    "rc_room_creation": _UNLIMITED,
    "rc_reports": _UNLIMITED,
    "rc_user_directory": _UNLIMITED,
    "rc_profile": _UNLIMITED,
    "rc_federation": {"sleep_limit": 10_000, "reject_limit": 10_000, "concurrent": 100},
}
_CERTIFICATE_DAYS = 3650


def merged(base: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``base`` with the values of ``extra``: objects are merged, other values are replaced."""
    both = dict(base)
    for key, value in extra.items():
        under = both.get(key)
        both[key] = (
            merged(under, value) if isinstance(under, Mapping) and isinstance(value, Mapping) else value
        )
    return both


def write(
    directory: Path,
    *,
    server_name: str,
    port: int,
    federation_port: int | None,
    registration_shared_secret: str,
    default_rate_limits: bool,
    extra: Mapping[str, Any],
) -> Path:
    """Write the configuration into the directory and return its path.

    Args:
        directory: the directory of this server.
        server_name: the part of its user ids after the colon.
        port: for clients, plain HTTP on 127.0.0.1.
        federation_port: for other servers, TLS on 127.0.0.1; None: the server does not federate.
        registration_shared_secret: the secret of the registration endpoint for administrators.
        default_rate_limits: keep Synapse's default limits.
        extra: values that replace all others.
    """
    _write_private(directory / "log.config", json.dumps(_logging(directory / "homeserver.log"), indent=1))
    config: dict[str, Any] = {
        "server_name": server_name,
        "public_baseurl": f"http://127.0.0.1:{port}/",
        "listeners": listeners(port, federation_port),
        "database": {"name": "sqlite3", "args": {"database": str(directory / "homeserver.db")}},
        "log_config": str(directory / "log.config"),
        "media_store_path": str(directory / "media"),
        "signing_key_path": str(directory / "signing.key"),
        "registration_shared_secret": registration_shared_secret,
        "macaroon_secret_key": secrets.token_hex(),
        "form_secret": secrets.token_hex(),
        "report_stats": False,
        "trusted_key_servers": [],
        "suppress_key_server_warning": True,
        "presence": {"enabled": False},
        "bcrypt_rounds": 4,
        "enable_room_list_search": True,
        "server_notices": {"system_mxid_localpart": "notices", "auto_join": True},
        "room_list_publication_rules": [{"action": "allow"}],
        "background_updates": {"sleep_enabled": False},
        "no_proxy_hosts": ["localhost", "127.0.0.1"],
    }
    if federation_port is None:
        # A sandbox must not send anything to real servers.
        config["federation_domain_whitelist"] = []
    else:
        config |= _federation(directory)
    if not default_rate_limits:
        config |= RAISED_RATE_LIMITS
    path = directory / "homeserver.yaml"
    _write_private(path, json.dumps(merged(config, extra), indent=1))
    return path


def _federation(directory: Path) -> dict[str, Any]:
    certificate, key = _certificate(directory)
    return {
        "tls_certificate_path": str(certificate),
        "tls_private_key_path": str(key),
        "federation_verify_certificates": False,
        "ip_range_blacklist": [],
        "allow_public_rooms_over_federation": True,
        # The other server may start later: try again soon, not after ten minutes.
        "federation": {
            "destination_min_retry_interval": 100,  # milliseconds
            "destination_max_retry_interval": "1s",
            "max_short_retries": 1,
            "max_long_retries": 1,
        },
    }


def make_signing_key(directory: Path) -> str:
    """Make the server's signing key if it has none, and return its id (``ed25519:a_…``).

    The id is random, so it identifies this server: another one may answer on the same port.
    """
    path = directory / "signing.key"
    if not path.exists():
        seed = base64.b64encode(secrets.token_bytes(32)).decode().rstrip("=")
        _write_private(path, f"ed25519 a_{secrets.token_hex(4)} {seed}\n")
    algorithm, version, _ = path.read_text("ascii").split()
    return f"{algorithm}:{version}"


def listeners(port: int, federation_port: int | None) -> list[dict[str, Any]]:
    """Return the listeners on 127.0.0.1 for Synapse's configuration.

    Args:
        port: for clients, plain HTTP.
        federation_port: for other servers, TLS; None: no such listener.
    """
    result = [listener(port, "client", "keys")]
    if federation_port is not None:
        result.append(listener(federation_port, "federation", "keys", tls=True))
    return result


def listener(port: int, *resources: str, tls: bool = False) -> dict[str, Any]:
    """Return one listener on 127.0.0.1 for these resources (``client``, ``federation``, ``replication``)."""
    return {
        "port": port,
        "type": "http",
        "tls": tls,
        "bind_addresses": ["127.0.0.1"],
        "resources": [{"names": list(resources)}],
    }


def _logging(log: Path) -> dict[str, Any]:
    """Return a logging configuration: warnings, and one line for each request, which tests count."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
        "handlers": {
            "file": {
                "class": "logging.FileHandler",
                "formatter": "line",
                "filename": str(log),
                "encoding": "utf-8",
            }
        },
        "root": {"level": "WARNING", "handlers": ["file"]},
        "loggers": {"synapse.access": {"level": "INFO"}},
    }


def _certificate(directory: Path) -> tuple[Path, Path]:
    """Make a self-signed certificate for ``localhost`` if there is none; return it and its key."""
    # A dependency of matrix-synapse, so every sandbox has it. Imported here because it is slow to import.
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    certificate, key_file = directory / "tls.crt", directory / "tls.key"
    if not certificate.exists():
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
        now = dt.datetime.now(dt.UTC)
        signed = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=_CERTIFICATE_DAYS))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
            .sign(key, hashes.SHA256())
        )
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        _write_private(key_file, pem.decode())
        _write_private(certificate, signed.public_bytes(serialization.Encoding.PEM).decode())
    return certificate, key_file


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text, "utf-8")
