"""Connections over SSH: only to a server whose key is known, with a password or a private key given by reference."""

from __future__ import annotations

import base64
import hashlib
import io
import socket
import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from countersign.domain.errors import ConfigError, SourceError
from countersign.domain.workspace import Secret
from countersign.sources.extras import load
from countersign.sources.options import Option
from countersign.sources.trees import refused, unreachable

SSH_OPTIONS = (
    Option("user", "text", "Who signs in."),
    Option("password", "secret", "The password, by reference."),
    Option("private_key", "secret", "SSH: the text of an OpenSSH private key, by reference."),
    Option("passphrase", "secret", "SSH: what opens the private key."),
    Option("known_hosts", "text", "SSH: a file of known host keys, relative to the workspace."),
    Option("host_key", "text", "SSH: the server's key, as `SHA256:…` or `TYPE BASE64`."),
    Option("timeout", "duration", "How long the server may stay silent.", "30s"),
)
"""One of `known_hosts` and `host_key` must be said: an unknown server is never trusted at first sight."""


@dataclass(frozen=True, slots=True)
class SshAddress:
    host: str
    port: int = 22
    user: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class SshSettings:
    source: str
    password: Secret | None
    private_key: Secret | None
    passphrase: Secret | None
    known_hosts: Path | None
    host_key: str
    timeout_s: float


def open_transport(address: SshAddress, settings: SshSettings) -> Any:
    """A paramiko `Transport`, signed in. Raises `SourceError`, or `ConfigError` for a key that cannot be used."""
    paramiko = load("paramiko", "SSH")
    expected = _expected(paramiko, address, settings)
    key = _private_key(paramiko, settings)
    with ExitStack() as undo:
        try:
            sock = socket.create_connection((address.host, address.port), timeout=settings.timeout_s)
            undo.callback(sock.close)
            transport = paramiko.Transport(sock)
            undo.callback(transport.close)
            transport.daemon = True
            with ending(transport, settings.timeout_s):
                _check_host(transport, expected, settings)
                _sign_in(paramiko, transport, address, settings, key)
        except paramiko.ssh_exception.IncompatiblePeer as error:  # it has no key of the kind that is known
            raise _unverified(settings.source) from error
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise unreachable(settings.source, error) from error
        undo.pop_all()
    return transport


@contextmanager
def ending(transport: Any, timeout_s: float) -> Generator[None]:
    """Ends the connection when the block is not done in time: some of its waits have no limit of their own."""
    timer = threading.Timer(timeout_s, transport.close)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _check_host(transport: Any, expected: _Expected, settings: SshSettings) -> None:
    """Before anything that is ours is told to it."""
    if expected.kinds:
        transport.get_security_options().key_types = expected.kinds
    transport.start_client(timeout=settings.timeout_s)
    if not expected.is_it(transport.get_remote_server_key()):
        raise _unverified(settings.source)


def _sign_in(paramiko: Any, transport: Any, address: SshAddress, settings: SshSettings, key: Any) -> None:
    try:
        if key is not None:
            transport.auth_publickey(address.user, key)
        elif settings.password is not None:
            transport.auth_password(address.user, settings.password.value)
        else:
            raise refused(settings.source)
    except paramiko.AuthenticationException as error:
        if transport.is_active():
            raise refused(settings.source) from None
        raise unreachable(
            settings.source, error
        ) from None  # a line that broke off meanwhile is told the same way


@dataclass(frozen=True, slots=True)
class _Expected:
    """What the server must show: a fingerprint, or one of some keys."""

    fingerprint: str = ""
    keys: tuple[tuple[str, bytes], ...] = ()

    @property
    def kinds(self) -> list[str]:
        """Key types to ask for, so that the server shows the key that is known and not another of its keys."""
        kinds: list[str] = []
        for kind, _ in self.keys:
            kinds += ["rsa-sha2-512", "rsa-sha2-256"] if kind == "ssh-rsa" else [kind]
        return list(dict.fromkeys(kinds))

    def is_it(self, key: Any) -> bool:
        shown: bytes = key.asbytes()
        if self.fingerprint:
            digest = base64.b64encode(hashlib.sha256(shown).digest()).decode().rstrip("=")
            return self.fingerprint.removeprefix("SHA256:").rstrip("=") == digest
        return any(shown == known for _, known in self.keys)


def _expected(paramiko: Any, address: SshAddress, settings: SshSettings) -> _Expected:
    if settings.host_key.startswith("SHA256:"):
        return _Expected(settings.host_key)
    if settings.host_key:
        kind, _, text = settings.host_key.partition(" ")
        try:
            return _Expected(keys=((kind, base64.b64decode(text.split(" ")[0], validate=True)),))
        except ValueError:
            raise _unverified(settings.source) from None
    if settings.known_hosts is None:
        raise _unverified(settings.source)
    try:
        known = paramiko.HostKeys(str(settings.known_hosts))
    except OSError:
        raise _unverified(settings.source) from None
    name = address.host if address.port == 22 else f"[{address.host}]:{address.port}"
    found = known.lookup(name) or {}
    keys = tuple((kind, bytes(found[kind].asbytes())) for kind in found)
    if not keys:
        raise _unverified(settings.source)
    return _Expected(keys=keys)


def _unverified(source: str) -> SourceError:
    return SourceError(
        f"source {source}: the server's key is not the one that is known",
        code="source_host_unverified",
        hint=f"Ask whoever runs the server for its key and put it into `sources.{source}.options.host_key`, or into the "
        "file of `known_hosts`. Do not take it from the connection itself.",
    )


def _private_key(paramiko: Any, settings: SshSettings) -> Any:
    """None where no key is given. Each kind of key has its own reader; the one whose header fits takes it."""
    if settings.private_key is None or not settings.private_key.value:
        return None
    text = settings.private_key.value.strip() + "\n"
    phrase = settings.passphrase.value if settings.passphrase else None
    for kind in ("Ed25519Key", "ECDSAKey", "RSAKey"):
        try:
            return getattr(paramiko, kind).from_private_key(io.StringIO(text), password=phrase)
        except (paramiko.SSHException, ValueError):
            continue
    raise ConfigError(
        f"source {settings.source}: the private key cannot be read",
        code="source_private_key_unreadable",
        hint="It must be an OpenSSH or PEM private key (Ed25519, ECDSA or RSA), with `passphrase` if it is encrypted.",
    )
