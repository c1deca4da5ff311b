"""`environment create|build`: what needs files of this machine, or is waited for."""

import argparse
from typing import Any

from ml_workspace_lab.cli.options import workspace
from ml_workspace_lab.client.environment import Environment
from ml_workspace_lab.environments.model import BuildInfo, EnvironmentSummary
from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.pairs import pairs


def add_commands(nouns: dict[str, Any]) -> None:
    create = nouns["environment"].add_parser("create", help="register a version, packages locked")
    create.add_argument("name")
    source = create.add_mutually_exclusive_group(required=True)
    source.add_argument("-r", "--requirements", metavar="FILE", help="pip's requirements file")
    source.add_argument("--conda", metavar="FILE", help="conda's environment.yml")
    source.add_argument("--existing", metavar="PYTHON", help="an interpreter, used as it is")
    source.add_argument("--here", action="store_true", help="what this command itself runs in")
    create.add_argument("--python-version", metavar="3.X", help="default: the workspace's own")
    create.add_argument(
        "--allow-url", action="append", default=[], metavar="PACKAGE", help="may name an address"
    )
    create.add_argument("--variable", action="append", default=[], metavar="NAME=VALUE")
    create.add_argument("-d", "--description", default="")
    create.set_defaults(act=_create)

    build = nouns["environment"].add_parser("build", help="build it now, and wait for that")
    build.add_argument("environment", help="NAME or NAME:VERSION")
    build.set_defaults(act=_build)


def _create(options: argparse.Namespace) -> EnvironmentSummary:
    place = workspace(options)
    made = _made(options).with_variables(**pairs(options.variable, "variable")).register(place)
    found = place.connection.environments.get(made.name, made.version)
    return EnvironmentSummary.of(found)


def _made(options: argparse.Namespace) -> Environment:
    described = {"description": options.description}
    if options.requirements is None and options.python_version is not None:
        raise InvalidInput("python_version: goes with --requirements only.", field="python_version")
    if options.requirements is not None:
        return Environment.from_pip_requirements(
            options.name,
            options.requirements,
            python_version=options.python_version,
            allow_urls=options.allow_url,
            **described,
        )
    if options.conda is not None:
        return Environment.from_conda_specification(
            options.name, options.conda, allow_urls=options.allow_url, **described
        )
    if options.existing is not None:
        return Environment.from_existing(options.name, options.existing, **described)
    return Environment.from_kernel(options.name, **described)


def _build(options: argparse.Namespace) -> BuildInfo:
    place = workspace(options)
    name, _, number = options.environment.partition(":")
    if number and not number.isdigit():
        raise InvalidInput("environment: must be NAME or NAME:VERSION.", field="environment")
    found = place.connection.environments.get(name, int(number) if number else None)
    return Environment.of(found).build(place)
