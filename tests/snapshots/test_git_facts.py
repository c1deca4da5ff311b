"""What git tells of a folder, and that nothing of a hostile repository is run."""

import os
import subprocess
from pathlib import Path

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.snapshots.git_facts import PATCH, git_facts, without_credentials

ME = ["-c", "user.name=n", "-c", "user.email=e@example.com", "-c", "commit.gpgsign=false"]


def git(folder: Path, *words: str) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    environment |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    ended = subprocess.run(
        ["git", *ME, *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return ended.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    root.mkdir()
    git(root, "init", "-q", "-b", "trunk")
    (root / "a.py").write_text("one\n")
    (root / ".env").write_text("KEY=old\n")
    git(root, "add", "-f", ".")
    git(root, "commit", "-q", "-m", "first")
    git(root, "remote", "add", "origin", "https://me:secret@example.com/team/code.git?token=x")
    return root


def test_a_clean_folder_has_a_commit_a_branch_and_a_remote(repository: Path) -> None:
    (repository / "below").mkdir()
    facts = git_facts(repository / "below")
    assert facts is not None
    assert facts.commit == git(repository, "rev-parse", "HEAD")
    assert (facts.branch, facts.dirty, facts.patch) == ("trunk", False, None)
    assert facts.remote == "https://example.com/team/code.git"


def test_what_is_not_committed_is_a_patch_without_secrets(repository: Path, tmp_path: Path) -> None:
    (repository / "a.py").write_text("two\n")
    (repository / ".env").write_text("KEY=new\n")
    facts = git_facts(repository)
    assert facts is not None
    assert facts.dirty
    assert facts.patch is not None
    assert b"+two" in facts.patch
    assert b"KEY" not in facts.patch
    (tmp_path / "patch").write_bytes(facts.patch)
    git(repository, "checkout", "-q", ".")
    git(repository, "apply", str(tmp_path / "patch"))
    assert (repository / "a.py").read_text() == "two\n"


def test_programs_that_a_repository_names_are_not_run(repository: Path, tmp_path: Path) -> None:
    trap = tmp_path / "trap.sh"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\ncat\n")
    trap.chmod(0o755)
    (repository / ".gitattributes").write_text("*.py filter=trap diff=trap\n")
    for name in ("filter.trap.clean", "filter.trap.process", "diff.trap.command"):
        git(repository, "config", name, str(trap))
    git(repository, "config", "diff.trap.textconv", str(trap))
    git(repository, "config", "core.fsmonitor", str(trap))
    git(repository, "config", "diff.external", str(trap))
    git(repository, "config", "filter.trap.required", "true")
    (repository / "a.py").write_text("two\n")
    facts = git_facts(repository)
    assert facts is not None
    assert facts.patch is not None
    assert b"+two" in facts.patch
    assert not (tmp_path / "sprung").exists()


def test_no_repository_and_no_commit_are_no_facts(tmp_path: Path) -> None:
    assert git_facts(tmp_path) is None
    git(tmp_path, "init", "-q")
    assert git_facts(tmp_path) is None


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("git@example.com:team/code.git", "example.com:team/code.git"),
        ("ssh://git@example.com:22/team/code", "ssh://example.com:22/team/code"),
        ("https://token@example.com/x#y", "https://example.com/x"),
        ("/srv/code.git", "/srv/code.git"),
        ("", ""),
    ],
)
def test_credentials_are_taken_out_of_addresses(url: str, plain: str) -> None:
    assert without_credentials(url) == plain


def test_a_run_says_what_code_it_was(ws: Workspace, repository: Path) -> None:
    (repository / "a.py").write_text("two\n")
    with ws.experiment("e").start_logging(snapshot_directory=repository) as run:
        pass
    properties = run.info().properties
    assert properties["azureml.git.commit"] == git(repository, "rev-parse", "HEAD")
    assert properties["azureml.git.dirty"] == "True"
    assert properties["mlflow.source.git.branch"] == "trunk"
    assert "secret" not in str(properties)
    assert b"+two" in run.read_artifact(PATCH)
