"""The Role of the documentation is the one that the driver needs."""

from pathlib import Path

import yaml

from ml_workspace_lab.compute.kubernetes.rights import manifests

ROLE = Path(__file__).parents[3] / "docs/kubernetes-role.yaml"


def test_the_role_in_the_documentation_grants_just_what_is_asked_for() -> None:
    text = ROLE.read_text(encoding="utf-8")
    assert list(yaml.safe_load_all(text)) == manifests("lab")
