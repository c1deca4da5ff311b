"""The Role of the documentation is the one that the driver needs."""

from pathlib import Path

import yaml

from ml_workspace_lab.compute.kubernetes.rights import manifests, serving_manifests

DOCS = Path(__file__).parents[3] / "docs"


def test_the_roles_in_the_documentation_grant_just_what_is_asked_for() -> None:
    for name, wanted in (
        ("kubernetes-role.yaml", manifests("lab")),
        ("kubernetes-endpoints-role.yaml", serving_manifests("lab")),
    ):
        text = (DOCS / name).read_text(encoding="utf-8")
        assert list(yaml.safe_load_all(text)) == wanted, name
