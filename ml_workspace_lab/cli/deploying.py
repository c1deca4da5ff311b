"""`model register|download|compile`, `endpoint deploy|score`: what needs files of this machine."""

import argparse
import json
import sys
from typing import Any, get_args

from ml_workspace_lab.cli.options import resources, workspace
from ml_workspace_lab.client.endpoint import Endpoint, preflight
from ml_workspace_lab.client.model import Model
from ml_workspace_lab.client.scaling import scaling_of_words
from ml_workspace_lab.endpoints.model import LOCAL, DeployedEndpoint, Engine
from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.models.compiled.model import Compilation
from ml_workspace_lab.models.model import ModelVersion
from ml_workspace_lab.pairs import pairs


def add_commands(nouns: dict[str, Any]) -> None:
    register = nouns["model"].add_parser("register", help="a new version from files or a run")
    register.add_argument("name")
    register.add_argument("path", nargs="?", help="a file or folder of this machine")
    register.add_argument("--run", help="take it from this run's artifacts")
    register.add_argument("--artifact", default="outputs", help="file or folder among them")
    register.add_argument("-d", "--description", default="")
    register.add_argument("-t", "--tag", action="append", default=[], metavar="NAME=VALUE")
    register.set_defaults(act=_register)

    download = nouns["model"].add_parser("download", help="copy a version's files here")
    download.add_argument("model", help="NAME, NAME:VERSION or NAME@ALIAS")
    download.add_argument("folder", nargs="?", default=".")
    download.set_defaults(act=_download)

    compiling = nouns["model"].add_parser("compile", help="make and verify an ONNX graph of it")
    compiling.add_argument("model", help="NAME, NAME:VERSION or NAME@ALIAS")
    compiling.add_argument("--data", help="rows to verify it with, too: a CSV file with a header")
    compiling.set_defaults(act=_compile)

    deploy = nouns["endpoint"].add_parser("deploy", help="serve a model")
    deploy.add_argument("name", help="the endpoint's name")
    deploy.add_argument("model", help="NAME, NAME:VERSION or NAME@ALIAS")
    deploy.add_argument("--script", help="scoring script with init() and run(data)")
    deploy.add_argument("--sample", help="JSON that run() is tried with first")
    deploy.add_argument("--port", type=int, default=0, help="default: a free one")
    deploy.add_argument("--env", action="append", default=[], metavar="NAME=VALUE")
    deploy.add_argument(
        "--limit", action="append", default=[], metavar="NAME=NUMBER", help="a request setting"
    )
    deploy.add_argument("--engine", default="auto", choices=get_args(Engine))
    deploy.add_argument(
        "--provider", action="append", default=[], help="an execution provider of ONNX Runtime"
    )
    deploy.add_argument("--deployment", help="blue, green, …; default: the only one there is")
    deploy.add_argument("--traffic", type=int, help="percent of the requests that it is to get")
    deploy.add_argument("--workers", help="how many processes answer, or `profiled`")
    deploy.add_argument("--max-workers", type=int, help="more than that where they are busy")
    deploy.add_argument(
        "--target-utilization", type=int, help="percent of their time that they are to be at work"
    )
    deploy.add_argument("-c", "--compute", default=LOCAL, help="compute target that serves it")
    deploy.add_argument(
        "--environment", metavar="NAME[:VERSION]", help="whose packages an image is to have"
    )
    deploy.add_argument("--cores", type=float, help="processors for each replica elsewhere")
    deploy.add_argument("--memory", metavar="SIZE", help="and its memory, such as 500M or 4G")
    deploy.add_argument("--gpus", type=int, help="and its GPUs")
    deploy.add_argument("--dry-run", action="store_true", help="only try init() and run() here")
    deploy.set_defaults(act=_deploy)

    score = nouns["endpoint"].add_parser("score", help="ask an endpoint")
    score.add_argument("name")
    score.add_argument("data", help="JSON, or - for the input stream")
    score.add_argument("--deployment", help="the one to ask; default: as the traffic has it")
    score.set_defaults(act=_score)


def _register(options: argparse.Namespace) -> ModelVersion:
    place = workspace(options)
    run = place.run(options.run) if options.run else None
    if (run is None) == (options.path is None):
        raise InvalidInput("Give either a path or --run.", field="path")
    return Model.register(
        place,
        options.name,
        options.path,
        run=run,
        artifact_path=options.artifact if run else None,
        tags=pairs(options.tag, "tag"),
        description=options.description,
    ).info()


def _download(options: argparse.Namespace) -> dict[str, str]:
    model = Model.parse(workspace(options), options.model)
    return {"model": model.id, "folder": str(model.download(options.folder))}


def _compile(options: argparse.Namespace) -> Compilation:
    model = Model.parse(workspace(options), options.model)
    return model.compile(None if options.data is None else _table(options.data))


def _table(path: str) -> Any:
    try:
        import pandas

        return pandas.read_csv(path)
    except (OSError, ValueError) as error:
        raise InvalidInput(f"data: can't be read: {error}", field="data") from None


def _deploy(options: argparse.Namespace) -> DeployedEndpoint | dict[str, Any]:
    model = Model.parse(workspace(options), options.model)
    sample = None if options.sample is None else json_of(options.sample, "sample")
    scaling = scaling_of_words(
        options.workers, options.max_workers, options.target_utilization, model
    )
    answer = preflight(model, options.script, sample)
    if options.dry_run:
        return {"model": model.id, "answer": answer}
    endpoint = Endpoint.deploy(
        model.workspace,
        options.name,
        model,
        scoring_script=options.script,
        port=options.port,
        environment_variables=pairs(options.env, "env"),
        request_settings={
            name: json_of(value, "limit") for name, value in pairs(options.limit, "limit").items()
        },
        engine=options.engine,
        providers=options.provider,
        deployment=options.deployment,
        traffic=options.traffic,
        workers=scaling,
        compute_target=options.compute,
        environment=options.environment,
        resources=resources(options),
    )
    return DeployedEndpoint(endpoint.info(), endpoint.keys)


def _score(options: argparse.Namespace) -> dict[str, Any]:
    text = sys.stdin.read() if options.data == "-" else options.data
    data = json_of(text, "data")
    endpoint = Endpoint(workspace(options), options.name)
    return {"answer": endpoint.run(data, options.deployment)}


def json_of(text: str, field: str) -> Any:
    """The JSON that an option has. Raises InvalidInput naming it."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise InvalidInput(f"{field}: is not JSON: {error}.", field=field) from None
