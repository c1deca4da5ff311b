"""Commands that follow from the declared operations: one verb each, its options from its types."""

import argparse
import inspect
import re
from collections.abc import Callable
from typing import Any, get_args, get_origin

import msgspec

from ml_workspace_lab.api.operation import Operation
from ml_workspace_lab.api.strict_json import convert
from ml_workspace_lab.cli.options import workspace
from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.pairs import pairs
from ml_workspace_lab.services import service_class

NOUNS: dict[str, tuple[str, dict[str, tuple[str, str]]]] = {
    "experiment": (
        "named series of runs",
        {
            "list": ("experiments", "list"),
            "show": ("experiments", "get"),
            "create": ("experiments", "create"),
            "update": ("experiments", "update"),
            "archive": ("experiments", "archive"),
            "reactivate": ("experiments", "reactivate"),
            "delete": ("experiments", "delete"),
            "restore": ("experiments", "restore"),
        },
    ),
    "runs": (
        "runs of all experiments",
        {
            "list": ("runs", "list"),
            "show": ("runs", "get"),
            "history": ("runs", "history"),
            "metrics": ("metrics", "get"),
            "artifacts": ("artifacts", "list"),
            "update": ("runs", "update"),
            "cancel": ("jobs", "cancel"),
            "cancel-all": ("jobs", "cancel_all"),
            "delete": ("runs", "delete"),
            "restore": ("runs", "restore"),
        },
    ),
    "snapshot": (
        "files that runs were started from",
        {
            "list": ("snapshots", "list"),
            "show": ("snapshots", "get"),
            "uses": ("snapshots", "uses"),
        },
    ),
    "trash": (
        "deleted runs and experiments",
        {"list": ("trash", "list"), "purge": ("trash", "purge")},
    ),
    "model": (
        "registered models",
        {
            "list": ("models", "list"),
            "show": ("models", "version"),
            "versions": ("models", "versions"),
            "delete": ("models", "delete"),
            "create": ("registry", "create"),
            "change": ("registry", "change"),
            "remove": ("registry", "remove"),
            "find": ("registry", "search"),
            "search": ("registry", "versions"),
            "latest": ("registry", "latest"),
            "update": ("models", "update"),
            "trust": ("model_trust", "decide"),
            "untrust": ("model_trust", "revoke"),
            "trusted": ("model_trust", "list"),
            "compiled": ("compilations", "get"),
            "uncompile": ("compilations", "forget"),
            "profiled": ("model_profiles", "get"),
            "alias": ("registry", "set_alias"),
            "unalias": ("registry", "delete_alias"),
            "stage": ("registry", "move"),
        },
    ),
    "package": (
        "images of models",
        {
            "list": ("packages", "list"),
            "show": ("packages", "get"),
            "delete": ("packages", "delete"),
        },
    ),
    "trace": (
        "what calls of applications did, step by step",
        {
            "list": ("traces", "search"),
            "show": ("traces", "get"),
            "spans": ("traces", "spans"),
            "delete": ("traces", "delete"),
        },
    ),
    "issue": (
        "problems of applications that were found in traces",
        {
            "list": ("issues", "search"),
            "show": ("issues", "get"),
            "create": ("issues", "create"),
            "update": ("issues", "update"),
        },
    ),
    "evaluation-dataset": (
        "inputs of applications, and what is expected of them",
        {
            "list": ("evaluation_datasets", "search"),
            "show": ("evaluation_datasets", "get"),
            "create": ("evaluation_datasets", "create"),
            "update": ("evaluation_datasets", "update"),
            "delete": ("evaluation_datasets", "delete"),
            "records": ("evaluation_records", "list"),
            "delete-records": ("evaluation_records", "delete"),
        },
    ),
    "scorer": (
        "how answers of applications are judged",
        {
            "list": ("scorers", "list"),
            "show": ("scorers", "get"),
            "versions": ("scorers", "versions"),
            "delete": ("scorers", "delete"),
        },
    ),
    "webhook": (
        "addresses that are told of what happens in the registry",
        {
            "list": ("webhooks", "list"),
            "show": ("webhooks", "get"),
            "create": ("webhooks", "create"),
            "update": ("webhooks", "update"),
            "delete": ("webhooks", "delete"),
            "test": ("webhooks", "test"),
            "networks": ("webhooks", "networks"),
            "allow": ("webhooks", "allow"),
        },
    ),
    "endpoint": (
        "models behind HTTP addresses",
        {
            "list": ("endpoints", "list"),
            "show": ("endpoints", "get"),
            "log": ("endpoints", "log"),
            "key": ("endpoints", "regenerate_key"),
            "traffic": ("endpoint_traffic", "set"),
            "rollback-if": ("endpoint_traffic", "rollback_if"),
            "keep": ("endpoint_traffic", "keep"),
            "scale": ("endpoint_scaling", "set"),
            "delete-deployment": ("endpoint_traffic", "delete_deployment"),
            "telemetry": ("endpoint_telemetry", "get"),
            "exceptions": ("endpoint_telemetry", "exceptions"),
            "sample": ("endpoint_telemetry", "sample"),
            "stop-sampling": ("endpoint_telemetry", "stop_sampling"),
            "samples": ("endpoint_telemetry", "samples"),
            "delete-samples": ("endpoint_telemetry", "delete_samples"),
            "export": ("endpoint_telemetry", "export"),
            "stop-export": ("endpoint_telemetry", "stop_export"),
            "export-all": ("endpoint_telemetry", "export_all"),
            "stop-export-all": ("endpoint_telemetry", "stop_export_all"),
            "delete": ("endpoints", "delete"),
        },
    ),
    "environment": (
        "what runs run in",
        {
            "list": ("environments", "list"),
            "show": ("environments", "get"),
            "versions": ("environments", "versions"),
            "delete": ("environments", "delete"),
            "status": ("environments", "built"),
            "builds": ("environments", "builds"),
            "gc": ("environments", "collect"),
            "of-run": ("environments", "of_run"),
            "diff": ("environments", "diff"),
        },
    ),
    "compute": (
        "where runs execute",
        {
            "list": ("computes", "list"),
            "show": ("computes", "get"),
            "kinds": ("computes", "kinds"),
            "check": ("computes", "check"),
            "capacity": ("computes", "capacity"),
            "nodes": ("computes", "list_nodes"),
            "runs": ("computes", "active_runs"),
            "detach": ("computes", "detach"),
        },
    ),
    "instance": (
        "Jupyter servers with an owner",
        {
            "list": ("instances", "list"),
            "show": ("instances", "get"),
            "files": ("instances", "files"),
            "delete": ("instances", "delete"),
        },
    ),
    "token": (
        "tokens for clients elsewhere",
        {
            "create": ("tokens", "create"),
            "list": ("tokens", "list"),
            "revoke": ("tokens", "revoke"),
        },
    ),
    "audit": ("who did what", {"list": ("audit", "list")}),
}

_SENTENCE_END = re.compile(r"(?<=[.?!])\s+(?=[A-Z`])")


def add_commands(commands: Any) -> dict[str, Any]:
    """Add a command for each noun; the sub-commands of each, for those written by hand."""
    found = {}
    for noun, (help_text, verbs) in NOUNS.items():
        parser = commands.add_parser(noun, help=help_text)
        # `ml-workspace runs` alone lists.
        parser.set_defaults(act=_action(*verbs["list"], {}))
        below = parser.add_subparsers(metavar="VERB")
        for verb, (service, name) in verbs.items():
            _add_verb(below, verb, service, name)
        found[noun] = below
    return found


def _add_verb(below: Any, verb: str, service: str, name: str) -> None:
    operation = service_class(service).operations[name]
    summary = _summary(operation.function)
    parser = below.add_parser(verb, help=summary, description=summary)
    for argument in operation.path_names:
        parser.add_argument(argument)
    fields = {field.name: field for field in msgspec.structs.fields(operation.arguments)}
    options = [fields[argument] for argument in operation.query_names]
    if operation.body is not None:
        options += msgspec.structs.fields(operation.body)
    readers = {option.name: _add_option(parser, option) for option in options}
    parser.set_defaults(act=_action(service, name, readers))


def _summary(function: Callable[..., Any]) -> str:
    """The first sentence of what a function says of itself; errors are not for a command's help."""
    paragraph = (inspect.getdoc(function) or "").partition("\n\n")[0]
    first = _SENTENCE_END.split(" ".join(paragraph.split()), maxsplit=1)[0]
    return "" if first.startswith("Raises") else first.replace("`", "")


def _add_option(parser: argparse.ArgumentParser, option: Any) -> Callable[[Any], Any]:
    """Add one option; what turns its words into a value."""
    flag = "--" + option.name.replace("_", "-")
    kinds = {option.type, get_origin(option.type), *get_args(option.type)}
    if kinds & {dict} or any(get_origin(kind) is dict for kind in kinds):
        parser.add_argument(flag, action="append", metavar="NAME=VALUE")
        return lambda words: pairs(words, option.name)
    if kinds & {list} or any(get_origin(kind) is list for kind in kinds):
        parser.add_argument(flag, action="append")
        return lambda words: words
    if option.type is bool:
        parser.add_argument(flag, action="store_true", default=None)
        return lambda given: given
    parser.add_argument(flag, required=option.required)
    return lambda text: text


def _action(
    service: str, name: str, readers: dict[str, Callable[[Any], Any]]
) -> Callable[[argparse.Namespace], Any]:
    def act(options: argparse.Namespace) -> Any:
        operation = service_class(service).operations[name]
        given = {
            option: read(value)
            for option, read in readers.items()
            if (value := getattr(options, option, None)) is not None
        }
        return _call(options, service, operation, given)

    return act


def _call(
    options: argparse.Namespace, service: str, operation: Operation, given: dict[str, Any]
) -> Any:
    arguments = {name: getattr(options, name) for name in operation.path_names}
    arguments |= {name: given.pop(name) for name in operation.query_names if name in given}
    checked = msgspec.structs.asdict(convert(arguments, operation.arguments, lax=True))
    if operation.body is not None:
        checked["body"] = convert(given, operation.body, lax=True)
    elif given:
        raise InvalidInput(f"Not an option of this command: {', '.join(given)}.")
    proxy = getattr(workspace(options).connection, service)
    return getattr(proxy, operation.name)(**checked)
