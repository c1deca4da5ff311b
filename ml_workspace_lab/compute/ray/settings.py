"""What an owner sets for a Ray target."""

from typing import Annotated

from msgspec import Meta, Struct, field

from ml_workspace_lab.api.types import BaseUrl, Name, Word
from ml_workspace_lab.compute.model import Count


class ServeSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Endpoints on the cluster. `address` is where the HTTP proxy of Ray Serve is reached from
    here, as http://HOST:PORT; by default it has the dashboard's host and the port that Serve says.
    `python` is the command of the head that has Ray. Where Serve is not running yet, it is started
    with its proxies on all addresses of their nodes, at `port`."""

    address: BaseUrl | None = None
    python: Word = "python3"
    port: Annotated[int, Meta(ge=1, le=65535)] = 8000


class RaySettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`address` is that of the dashboard, by default on port 8265. `token_file` holds the token of
    a cluster that asks for one (`RAY_AUTH_MODE=token`), `ca_file` the authority of an `https`
    address that this machine does not know.

    `python` is the interpreter on the nodes, which must have this package (default: the one that
    the workspace runs with, under the same path); `shared_folder` says whether nodes see the
    workspace's folder under the same path. `slots` is how many runs the cluster is given at once;
    by default one for each of its cores. `resources` are Ray's own, for every run: how to ask for a
    kind of node. The cluster is asked for its jobs at most every `poll_seconds`. `endpoints` says
    how the cluster serves.
    """

    address: BaseUrl
    token_file: Word | None = None
    ca_file: Word | None = None
    python: Word | None = None
    shared_folder: bool = False
    slots: Count | None = None
    resources: dict[Name, Annotated[float, Meta(gt=0)]] = field(default_factory=dict)
    poll_seconds: Annotated[float, Meta(ge=0.1, le=600)] = 1.0
    endpoints: ServeSettings = ServeSettings()
