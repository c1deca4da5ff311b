"""`ml-workspace compute`: targets are attached, changed, looked at and detached."""

import json

from ml_workspace_lab import ComputeTarget, Workspace
from tests.cli.test_commands import Cli
from tests.cli.test_commands import cli as cli
from tests.cli.test_commands import here as here


def test_a_target_is_attached_with_its_settings_and_changed(here: Cli, ws: Workspace) -> None:
    words = ["--set", "slots=2", "--tag", "team=vision", "--max-cores", "3"]
    made = here("-o", "json", "compute", "attach", "night", "local", *words).json
    assert (made["settings"], made["tags"]) == ({"slots": 2}, {"team": "vision"})
    assert made["quotas"]["max_cores"] == 3
    changed = here("-o", "json", "compute", "update", "night", "--set", "slots=4").json
    assert (changed["settings"], changed["quotas"]) == ({"slots": 4}, made["quotas"])
    assert here("compute", "detach", "night").code == 0
    assert list(ws.compute_targets) == ["local"]


def test_the_way_to_the_workspace_is_set_and_taken_back(here: Cli, ws: Workspace) -> None:
    url = "https://lab.example.org:8899/"
    made = here("-o", "json", "compute", "attach", "far", "local", "--workspace-url", url).json
    assert made["workspace_url"] == url
    assert here("compute", "update", "far", "--tag", "a=b").code == 0
    far = ws.compute_targets["far"]
    assert far.info().workspace_url == url, "what is not named stays"
    far.update(workspace_url="auto")
    assert far.info().workspace_url == "auto"
    assert here("compute", "update", "far", "--workspace-url", "").code == 0
    assert far.info().workspace_url is None
    refused = here("-o", "json", "compute", "update", "far", "--workspace-url", "lab:8899")
    assert refused.code == 2
    assert json.loads(refused.err)["field"] == "workspace_url"
    other = ComputeTarget.attach(ws, "other", "local", workspace_url="auto")
    assert other.info().workspace_url == "auto"
    far.update(workspace_url="")
    assert far.info().workspace_url is None


def test_what_is_missing_is_named_and_nothing_is_attached(here: Cli, ws: Workspace) -> None:
    words = ["--set", "commands=/nowhere"]
    failed = here("compute", "attach", "cluster", "slurm", *words)
    assert failed.code == 6
    assert "Commands of Slurm are missing: sbatch" in failed.err
    assert list(ws.compute_targets) == ["local"]
    assert here("compute", "attach", "cluster", "slurm", *words, "--unchecked").code == 0
    assert ws.compute_targets["cluster"].get_status() == "Unusable"
