"""Where the server may listen: this machine only, unless the traffic is protected by TLS here or at a proxy."""

from __future__ import annotations

from pathlib import Path

from countersign.domain.errors import UsageError


def is_loopback(host: str) -> bool:
    """Whether connections to `host` can only come from this machine."""
    return host in ("::1", "localhost") or (host.startswith("127.") and host.count(".") == 3)


def check_bind(host: str, tls_cert: str = "", tls_key: str = "", behind_proxy: bool = False) -> None:
    """Raises `UsageError` (`bind_refused`, `tls_incomplete`, `tls_unreadable`) before anything listens."""
    if bool(tls_cert) != bool(tls_key):
        raise UsageError(
            "TLS needs a certificate and its key",
            code="tls_incomplete",
            hint="Give both --tls-cert and --tls-key.",
        )
    for path in filter(None, (tls_cert, tls_key)):
        if not Path(path).is_file():
            raise UsageError(
                f"there is no file {path}", code="tls_unreadable", hint="Check --tls-cert and --tls-key."
            )
    if not (is_loopback(host) or tls_cert or behind_proxy):
        raise UsageError(
            f"{host or 'every address'} can be reached from other machines, and the traffic would not be encrypted",
            code="bind_refused",
            hint="Give --tls-cert and --tls-key, or --behind-proxy when a proxy on this machine terminates TLS.",
        )
