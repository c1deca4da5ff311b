"""`compute attach` and `compute update`: targets, whose settings are of their kind's own type."""

import argparse
from typing import Any

from ml_workspace_lab.cli.options import workspace
from ml_workspace_lab.compute.model import AttachCompute, ComputeInfo, Quotas, UpdateCompute
from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.pairs import pairs, typed_pairs


def add_commands(nouns: dict[str, Any]) -> None:
    compute = nouns["compute"]
    attach = compute.add_parser("attach", help="let runs be executed on another engine")
    attach.add_argument("name")
    attach.add_argument("kind", help="`compute kinds` lists them")
    _add_options(attach)
    attach.add_argument("--unchecked", action="store_true", help="also where it is not usable now")
    attach.set_defaults(act=_attach)
    update = compute.add_parser("update", help="change how a target is used")
    update.add_argument("name")
    _add_options(update)
    update.set_defaults(act=_update)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-s", "--set", action="append", default=[], metavar="SETTING[.PART]=VALUE")
    parser.add_argument("-t", "--tag", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--description")
    parser.add_argument(
        "--workspace-url",
        metavar="URL",
        help="how its machines reach the workspace: an address, or `auto` for a server that the"
        " workspace starts; by default its folder, where they see that",
    )
    parser.add_argument("--max-running", type=int, help="runs there at once")
    parser.add_argument("--max-cores", type=float, help="processors in use there at once")
    parser.add_argument("--max-nodes", type=int, help="nodes in use there at once")
    parser.add_argument("--max-running-per-user", type=int)
    parser.add_argument("--max-cores-per-user", type=float)


def _attach(options: argparse.Namespace) -> ComputeInfo:
    body = AttachCompute(
        options.name,
        options.kind,
        _settings(options),
        _quotas(options) or Quotas(),
        options.description or "",
        pairs(options.tag, "tag"),
        options.workspace_url or None,
        options.unchecked,
    )
    return workspace(options).connection.computes.attach(body)


def _update(options: argparse.Namespace) -> ComputeInfo:
    given: dict[str, Any] = {"tags": pairs(options.tag, "tag")}
    if options.set:
        given["settings"] = _settings(options)
    if (quotas := _quotas(options)) is not None:
        given["quotas"] = quotas
    if options.description is not None:
        given["description"] = options.description
    if options.workspace_url is not None:
        given["workspace_url"] = options.workspace_url or None  # empty: taken back
    return workspace(options).connection.computes.update(options.name, UpdateCompute(**given))


def _settings(options: argparse.Namespace) -> dict[str, Any]:
    """`NAME.PART=VALUE` sets a part of a setting."""
    found: dict[str, Any] = {}
    for name, value in typed_pairs(options.set).items():
        whole, dot, part = name.partition(".")
        if not dot:
            found[name] = value
        elif isinstance(parts := found.setdefault(whole, {}), dict):
            parts[part] = value
        else:
            raise InvalidInput(f"set: {whole} is given as a whole, and in parts.", field="set")
    return found


def _quotas(options: argparse.Namespace) -> Quotas | None:
    quotas = Quotas(
        options.max_running,
        options.max_cores,
        options.max_nodes,
        options.max_running_per_user,
        options.max_cores_per_user,
    )
    return None if quotas == Quotas() else quotas
