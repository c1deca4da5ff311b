"""`model card|diff|archive|restore`: what is told of versions, and the archive."""

import argparse
from typing import Any

from ml_workspace_lab.cli.options import workspace
from ml_workspace_lab.client.model import Model
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


def _archive(options: argparse.Namespace) -> ModelVersion:
    model = Model.parse(workspace(options), options.model)
    model.archive()
    return model.info()


def _restore(options: argparse.Namespace) -> ModelVersion:
    model = Model.parse(workspace(options), options.model)
    model.restore()
    return model.info()
