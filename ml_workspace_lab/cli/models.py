"""`model card|diff|profile|archive|restore`: what is told of versions, and the archive."""

import argparse
from typing import Any, get_args

from ml_workspace_lab.cli.deploying import json_of
from ml_workspace_lab.cli.options import workspace
from ml_workspace_lab.client.model import Model
from ml_workspace_lab.endpoints.model import Engine
from ml_workspace_lab.errors import InvalidInput, shown
from ml_workspace_lab.models.model import ModelVersion

NAMED = "NAME, NAME:VERSION or NAME@ALIAS"


def add_commands(nouns: dict[str, Any]) -> None:
    card = nouns["model"].add_parser("card", help="all that is known of a version")
    card.add_argument("model", help=NAMED)
    card.set_defaults(act=_card)

    diff = nouns["model"].add_parser(
        "diff", help="what differs: parameters, metrics, signature, files"
    )
    diff.add_argument("before", help=NAMED)
    diff.add_argument("after", help=NAMED)
    diff.set_defaults(act=_diff)

    profile = nouns["model"].add_parser(
        "profile", help="measure latency, throughput, memory; recommend a number of workers"
    )
    profile.add_argument("model", help=NAMED)
    profile.add_argument("--version", type=int, help="where the name says none")
    profile.add_argument(
        "--sample", help="JSON to ask with; default: the input example's first row"
    )
    profile.add_argument("--script", help="scoring script with init() and run(data)")
    profile.add_argument(
        "--concurrency", default="1,2,4,8,16", metavar="N,N,...", help="requests at once"
    )
    profile.add_argument("--seconds", type=float, default=2.0, help="for each of these")
    profile.add_argument("--engine", default="auto", choices=get_args(Engine))
    profile.set_defaults(act=_profile)

    archive = nouns["model"].add_parser("archive", help="leave a version out of what is listed")
    archive.add_argument("model", help=NAMED)
    archive.set_defaults(act=_archive)

    restore = nouns["model"].add_parser("restore", help="bring a version back from the archive")
    restore.add_argument("model", help=NAMED)
    restore.set_defaults(act=_restore)


def _card(options: argparse.Namespace) -> Any:
    card = Model.parse(workspace(options), options.model).card()
    return card.found if options.output == "json" else str(card).rstrip("\n")


def _diff(options: argparse.Namespace) -> Any:
    place = workspace(options)
    found = Model.parse(place, options.before).diff(Model.parse(place, options.after))
    return found.found if options.output == "json" else str(found).rstrip("\n")


def _profile(options: argparse.Namespace) -> Any:
    model = Model.parse(workspace(options), options.model)
    if options.version is not None:
        model = Model(model.workspace, model.name, options.version)
    profile = model.profile(
        None if options.sample is None else json_of(options.sample, "sample"),
        scoring_script=options.script,
        concurrency=[_number(word) for word in options.concurrency.split(",")],
        seconds=options.seconds,
        engine=options.engine,
    )
    return profile.found if options.output == "json" else str(profile).rstrip("\n")


def _number(word: str) -> int:
    if not word.strip().isdecimal():
        raise InvalidInput(f"concurrency: {shown(word)} is no number.", field="concurrency")
    return int(word)


def _archive(options: argparse.Namespace) -> ModelVersion:
    model = Model.parse(workspace(options), options.model)
    model.archive()
    return model.info()


def _restore(options: argparse.Namespace) -> ModelVersion:
    model = Model.parse(workspace(options), options.model)
    model.restore()
    return model.info()
