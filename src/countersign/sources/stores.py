"""Which store a URL means, and what each may be told: built from the source's own settings, registered nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from countersign.domain.errors import ConfigError
from countersign.domain.workspace import Secret, SourceSettings
from countersign.sources.facts import Given
from countersign.sources.options import Objection, Option
from countersign.sources.ssh import SSH_OPTIONS, SshAddress, SshSettings
from countersign.sources.trees import FileTree

_WEBDAV = {
    "https": "https",
    "webdavs": "https",
    "davs": "https",
    "http": "http",
    "webdav": "http",
    "dav": "http",
}
STORE_OPTIONS = (
    Option(
        "endpoint", "text", "S3: the address of the store, such as https://minio.bank.kz:9000.", "Amazon's"
    ),
    Option("region", "text", "S3: its region.", "us-east-1"),
    Option("access_key", "secret", "S3: the access key's id, by reference.", "the machine's own credentials"),
    Option("secret_key", "secret", "S3: the access key itself, by reference."),
    Option("anonymous", "yes_no", "S3: a bucket that anybody may read.", "false"),
    Option(
        "allow_http", "yes_no", "S3 and WebDAV: let documents and credentials travel unencrypted.", "false"
    ),
    *SSH_OPTIONS,
    Option(
        "trust_modes",
        "yes_no",
        "SFTP: the server has no ACLs, so modes tell everything about rights.",
        "false",
    ),
    Option("ca_file", "text", "WebDAV: a file of certificates to trust, relative to the workspace."),
    Option("encrypt", "yes_no", "SMB: refuse a server that does not encrypt.", "false"),
)
_COMMON = frozenset({"timeout"})
_SIGN_IN = frozenset({"user", "password"})
_SUITS = {
    "local": frozenset[str](),
    "s3": _COMMON | {"endpoint", "region", "access_key", "secret_key", "anonymous", "allow_http"},
    "sftp": _COMMON | _SIGN_IN | {"private_key", "passphrase", "known_hosts", "host_key", "trust_modes"},
    "webdav": _COMMON | _SIGN_IN | {"allow_http", "ca_file"},
    "smb": _COMMON | _SIGN_IN | {"encrypt"},
    "other": frozenset[str](),
}


def store_of(url: str) -> str:
    """`local`, `s3`, `sftp`, `webdav`, `smb`, or `other` for what fsspec alone knows."""
    scheme = urlsplit(url).scheme if "://" in url else ""
    if scheme in ("", "file"):
        return "local"
    if scheme in _WEBDAV:
        return "webdav"
    return {"s3": "s3", "s3a": "s3", "sftp": "sftp", "ssh": "sftp", "smb": "smb"}.get(scheme, "other")


def objections(settings: SourceSettings) -> Iterator[Objection]:
    """What of a source's settings does not fit its kind of store; told with the rest of what is wrong in the file."""
    store, given = store_of(settings.url), settings.options
    for name in given:
        if name not in _SUITS[store]:
            yield Objection(
                f"options.{name}", f"means nothing for {settings.url.split('://')[0]}", "leave it out"
            )
    if store == "sftp" and not {"known_hosts", "host_key"} & given.keys():
        yield Objection(
            "", "the server's key must be known", "add `options.host_key` or `options.known_hosts`"
        )
    if store == "webdav" and _WEBDAV[urlsplit(settings.url).scheme] == "http" and not given.get("allow_http"):
        yield Objection(
            "url", "documents would travel unencrypted", "use https, or say `options.allow_http: true`"
        )
    if str(given.get("endpoint", "")).startswith("http://") and not given.get("allow_http"):
        yield Objection(
            "options.endpoint", "documents would travel unencrypted", "use https, or say `allow_http: true`"
        )
    if settings.rights_posix is not None:
        yield from _posix(settings, store)


def _posix(settings: SourceSettings, store: str) -> Iterator[Objection]:
    if store == "sftp" and not settings.options.get("trust_modes"):
        why = (
            "an SFTP server does not tell ACLs, and where there is one the mode's group means something else"
        )
        yield Objection("rights.posix", why, "say `options.trust_modes: true` if its files have none")
    elif store not in ("local", "sftp"):
        yield Objection("rights.posix", "this kind of store has no POSIX rights", "use a manifest or rules")


def open_tree(settings: SourceSettings, root: Path) -> FileTree:
    """The store behind a source, not yet connected. `root` is the workspace's folder. Raises `ConfigError`."""
    build = {"local": _local, "s3": _s3, "sftp": _sftp, "webdav": _webdav, "smb": _smb, "other": _other}
    return build[store_of(settings.url)](settings, root)


def _local(settings: SourceSettings, root: Path) -> FileTree:
    from countersign.sources.tree_local import LocalTree

    is_url = settings.url.startswith("file://")
    place = Path(unquote(urlsplit(settings.url).path)) if is_url else root / settings.url
    return LocalTree(settings.name, place.resolve(), rights=settings.rights_posix is not None)


def _other(settings: SourceSettings, root: Path) -> FileTree:
    from countersign.sources.tree_fsspec import FsspecTree

    return FsspecTree(settings.name, settings.url)


def _s3(settings: SourceSettings, root: Path) -> FileTree:
    from countersign.sources.tree_s3 import S3Tree

    parts, given = urlsplit(settings.url), Given(settings.options)
    config: dict[str, Any] = {"region": given.text("region", "us-east-1")}
    said = {
        "endpoint": given.text("endpoint"),
        "access_key_id": given.secret("access_key"),
        "secret_access_key": given.secret("secret_key"),
    }
    config |= {name: value for name, value in said.items() if value}
    if given.yes("anonymous"):
        config["skip_signature"] = True
    client = {"timeout": f"{given.seconds('timeout', 30.0):.0f}s", "allow_http": given.yes("allow_http")}
    return S3Tree(settings.name, parts.netloc, unquote(parts.path).strip("/"), config, client)


def _sftp(settings: SourceSettings, root: Path) -> FileTree:
    from countersign.sources.tree_sftp import SftpTree

    parts = urlsplit(settings.url)
    address = ssh_address(settings, parts)
    return SftpTree(address, unquote(parts.path) or "/", ssh_settings(settings, root))


def ssh_address(settings: SourceSettings, parts: SplitResult) -> SshAddress:
    user = Given(settings.options).text("user") or unquote(parts.username or "")
    return SshAddress(parts.hostname or "", _port(settings, parts) or 22, user)


def ssh_settings(settings: SourceSettings, root: Path) -> SshSettings:
    given = Given(settings.options)
    known_hosts = given.text("known_hosts")
    return SshSettings(
        source=settings.name,
        password=_secret(settings, "password"),
        private_key=_secret(settings, "private_key"),
        passphrase=_secret(settings, "passphrase"),
        known_hosts=root / known_hosts if known_hosts else None,
        host_key=given.text("host_key"),
        timeout_s=given.seconds("timeout", 30.0),
    )


def _webdav(settings: SourceSettings, root: Path) -> FileTree:
    from countersign.sources.tree_webdav import WebdavTree

    parts, given = urlsplit(settings.url), Given(settings.options)
    host = parts.netloc.rsplit("@", 1)[-1]
    user = given.text("user") or unquote(parts.username or "")
    auth = (user, given.secret("password")) if user else None
    url = f"{_WEBDAV[parts.scheme]}://{host}{parts.path}"
    ca_file = given.text("ca_file")
    where = str(root / ca_file) if ca_file else ""
    return WebdavTree(settings.name, url, auth, given.seconds("timeout", 30.0), where)


def _smb(settings: SourceSettings, root: Path) -> FileTree:
    from countersign.sources.tree_smb import SmbSettings, SmbTree

    parts, given = urlsplit(settings.url), Given(settings.options)
    share, _, folder = unquote(parts.path).strip("/").partition("/")
    return SmbTree(
        SmbSettings(
            source=settings.name,
            host=parts.hostname or "",
            port=_port(settings, parts) or 445,
            share=share,
            folder=folder,
            user=given.text("user") or unquote(parts.username or ""),
            password=_secret(settings, "password"),
            encrypt=given.yes("encrypt"),
            timeout_s=given.seconds("timeout", 30.0),
        )
    )


def _port(settings: SourceSettings, parts: SplitResult) -> int | None:
    try:
        return parts.port
    except ValueError as error:
        raise ConfigError(
            f"source {settings.name}: the port is not a number", code="config_invalid"
        ) from error


def _secret(settings: SourceSettings, name: str) -> Secret | None:
    value = settings.options.get(name)
    return value if isinstance(value, Secret) else None
