"""Which cluster, and as whom: what a kubeconfig or a pod's own account says."""

import base64
import os
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec import Struct, field

from ml_workspace_lab.compute.driver import Unreachable
from ml_workspace_lab.compute.http import Engine

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
PLUGIN_SECONDS = 30.0
_EARLY_SECONDS = 60.0
"""How long before its end a plug-in's token is no longer used."""


class _Kebab(Struct, frozen=True, rename="kebab"):
    pass


class Cluster(_Kebab, frozen=True):
    server: str = ""
    certificate_authority: str | None = None
    certificate_authority_data: str | None = None
    insecure_skip_tls_verify: bool = False
    tls_server_name: str | None = None


class Variable(Struct, frozen=True):
    name: str
    value: str


class Plugin(Struct, frozen=True, rename="camel"):
    """A program that prints a token, as the clouds have them."""

    command: str
    api_version: str = "client.authentication.k8s.io/v1"
    args: list[str] | None = None
    env: list[Variable] | None = None


class User(_Kebab, frozen=True):
    token: str | None = None
    token_file: str | None = msgspec.field(default=None, name="tokenFile")
    client_certificate: str | None = None
    client_certificate_data: str | None = None
    client_key: str | None = None
    client_key_data: str | None = None
    exec: Plugin | None = None


class Context(Struct, frozen=True):
    cluster: str
    user: str


class _NamedCluster(Struct, frozen=True):
    name: str
    cluster: Cluster


class _NamedUser(Struct, frozen=True):
    name: str
    user: User


class _NamedContext(Struct, frozen=True):
    name: str
    context: Context


class Kubeconfig(_Kebab, frozen=True):
    current_context: str = ""
    clusters: list[_NamedCluster] = field(default_factory=list)
    users: list[_NamedUser] = field(default_factory=list)
    contexts: list[_NamedContext] = field(default_factory=list)


def connect(kubeconfig: str | None, context: str | None) -> Engine:
    """The cluster's API server. Raises Unreachable where what is needed for it isn't there."""
    if kubeconfig is None:
        return _in_cluster()
    path = Path(kubeconfig).expanduser()
    try:
        import yaml  # type: ignore[import-untyped]

        config = msgspec.convert(yaml.safe_load(path.read_bytes()), Kubeconfig)
    except (OSError, yaml.YAMLError, msgspec.ValidationError) as error:
        raise Unreachable(f"The kubeconfig {path} can't be read: {error}.") from error
    name = context or config.current_context
    chosen = next((entry.context for entry in config.contexts if entry.name == name), None)
    if chosen is None:
        raise Unreachable(f"The kubeconfig {path} has no context {name!r}.")
    cluster = next((c.cluster for c in config.clusters if c.name == chosen.cluster), Cluster())
    user = next((u.user for u in config.users if u.name == chosen.user), User())
    if not cluster.server:
        raise Unreachable(f"The kubeconfig {path} has no cluster for the context {name!r}.")
    return Engine(
        cluster.server,
        token=_token_of(user, path.parent),
        tls=lambda: _tls(cluster, user, path.parent),
    )


def _in_cluster() -> Engine:
    host, port = (os.environ.get(f"KUBERNETES_SERVICE_{part}") for part in ("HOST", "PORT"))
    if not host or not port:
        raise Unreachable("No kubeconfig is set, and this workspace runs in no pod of a cluster.")
    return Engine(
        f"https://{f'[{host}]' if ':' in host else host}:{port}",
        token=lambda: _read(ACCOUNT / "token"),
        tls=lambda: ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt")),
    )


def _token_of(user: User, folder: Path) -> Callable[[], str | None]:
    if user.exec is not None:
        return _PluginToken(user.exec, folder).get
    if user.token is None and user.token_file is not None:
        file = folder / user.token_file
        return lambda: _read(file)
    return lambda: user.token


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Unreachable(f"The token in {file} can't be read: {error}.") from error


def _tls(cluster: Cluster, user: User, folder: Path) -> ssl.SSLContext:
    """Trust in the cluster's own authority, and the user's certificate where there is one."""
    authority = cluster.certificate_authority
    data = cluster.certificate_authority_data
    context = ssl.create_default_context(
        cafile=str(folder / authority) if authority and not data else None,
        cadata=base64.b64decode(data).decode() if data else None,
    )
    if cluster.insecure_skip_tls_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    _load(context, user, folder)
    return context


def _load(context: ssl.SSLContext, user: User, folder: Path) -> None:
    """Python reads certificates and keys from files alone: data is one for a moment."""
    with tempfile.TemporaryDirectory() as scratch:

        def file_of(path: str | None, data: str | None, name: str) -> str | None:
            if data is None:
                return None if path is None else str(folder / path)
            written = Path(scratch, name)
            written.touch(mode=0o600)
            written.write_bytes(base64.b64decode(data))
            return str(written)

        certificate = file_of(user.client_certificate, user.client_certificate_data, "certificate")
        if certificate is not None:
            context.load_cert_chain(
                certificate, file_of(user.client_key, user.client_key_data, "key")
            )


class _Credential(Struct, frozen=True, rename="camel"):
    token: str
    expiration_timestamp: datetime | None = None


class _Answer(Struct, frozen=True):
    status: _Credential


@dataclass
class _PluginToken:
    """The token that a plug-in prints, asked for again before it expires."""

    plugin: Plugin
    folder: Path
    token: str = ""
    until: float = 0.0

    def get(self) -> str:
        if time.time() >= self.until:
            found = self._ask()
            self.token, end = found.token, found.expiration_timestamp
            self.until = end.timestamp() - _EARLY_SECONDS if end else float("inf")
        return self.token

    def _ask(self) -> _Credential:
        wanted = {"apiVersion": self.plugin.api_version, "kind": "ExecCredential", "spec": {}}
        environment = {v.name: v.value for v in self.plugin.env or ()}
        environment["KUBERNETES_EXEC_INFO"] = msgspec.json.encode(wanted).decode()
        try:
            done = subprocess.run(
                [self.plugin.command, *(self.plugin.args or ())],
                env={**os.environ, **environment},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=PLUGIN_SECONDS,
                check=True,
            )
            return msgspec.json.decode(done.stdout, type=_Answer).status
        except (OSError, subprocess.SubprocessError, msgspec.DecodeError) as error:
            raise Unreachable(f"{self.plugin.command} gives no token: {error}.") from error
