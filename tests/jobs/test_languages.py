"""Notebooks and programs that are not Python are tracked jobs: output, parameters, metrics."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_workspace_lab import CommandConfig, NotebookRunConfig, Workspace
from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.jobs.languages import LANGUAGES
from tests.notebooks import write_notebook


def has_r() -> bool:
    if shutil.which("R") is None:
        return False
    code = "cat(requireNamespace('IRkernel', quietly = TRUE))"
    done = subprocess.run(["Rscript", "-e", code], capture_output=True, text=True)
    return done.stdout == "TRUE"


needs_r = pytest.mark.skipif(not has_r(), reason="needs R with IRkernel (scripts/install_r)")


@pytest.fixture
def r_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jupyter knows R's kernel as `ir`, in a folder of this test's."""
    spec = {
        "argv": ["R", "--slave", "-e", "IRkernel::main()", "--args", "{connection_file}"],
        "display_name": "R",
        "language": "R",
    }
    folder = tmp_path / "jupyter" / "kernels" / "ir"
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))


def r_notebook(folder: Path, *sources: str, parameters: str) -> None:
    path = write_notebook(folder / "nb.ipynb", *sources, parameters=parameters, kernel="ir")
    content = json.loads(path.read_text())
    content["metadata"]["kernelspec"]["language"] = "R"
    path.write_text(json.dumps(content))


@needs_r
@pytest.mark.usefixtures("r_kernel")
def test_an_r_notebook_is_a_tracked_job(ws: Workspace, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    r_notebook(
        tmp_path / "work",
        "cat(typeof(n), n + 1L, '\\n'); cat(label, '\\n')",
        f"system2({sys.executable!r}, c('-m', 'ml_workspace_lab.cli.main', 'runs', 'log-metric',"
        " 'loss', '0.25'), env = 'LD_LIBRARY_PATH=')",
        parameters="n <- 1L\nlabel = 'none'  # a text",
    )
    hostile = 'a"; quit() #\\ \nÄ'
    run = ws.experiment("e").submit(
        NotebookRunConfig(tmp_path / "work", "nb.ipynb", parameters={"n": 41, "label": hostile})
    )
    run.wait_for_completion(timeout_seconds=120)
    assert run.get_log().startswith(f"integer 42 \n{hostile} \n")
    assert run.get_metrics("loss") == {"loss": 0.25}
    output = json.loads(run.read_artifact("output.ipynb"))
    assert output["metadata"]["language_info"]["name"] == "R"
    assert any("integer 42" in json.dumps(cell.get("outputs")) for cell in output["cells"])


@needs_r
@pytest.mark.usefixtures("r_kernel")
def test_the_cell_of_an_r_notebook_that_fails_is_the_reason(ws: Workspace, tmp_path: Path) -> None:
    r_notebook(tmp_path, "stop('not today')", parameters="n <- 1")
    run = ws.experiment("e").submit(NotebookRunConfig(tmp_path, "nb.ipynb"))
    info = run.wait_for_completion(raise_on_error=False, timeout_seconds=120)
    assert info.state == "Failed"
    assert "Cell 2 of 2" in info.reason
    assert "not today" in run.get_log()


def test_a_bash_script_logs_to_its_run(ws: Workspace, tmp_path: Path) -> None:
    script = """
    set -e
    echo "run $ML_WORKSPACE_RUN_ID"
    for step in 0 1 2; do ml-workspace runs log-metric loss "0.$step" --step $step; done
    ml-workspace runs log-metric accuracy 0.9
    echo kept > outputs/note.txt
    """
    (tmp_path / "train.sh").write_text(script)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    run = ws.experiment("e").submit(
        CommandConfig(tmp_path, ["bash", "train.sh"], environment_variables={"PATH": path})
    )
    run.wait_for_completion(timeout_seconds=120)
    assert run.get_metrics() == {"loss": [0.0, 0.1, 0.2], "accuracy": 0.9}
    assert run.get_log() == f"run {run.id}\n"
    assert run.read_artifact("outputs/note.txt") == b"kept\n"


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.floats(),
    st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=20),
)  # fmt: skip


@needs_r
@given(values=st.lists(SCALARS, max_size=60))
@settings(max_examples=3)
def test_r_reads_each_value_as_it_was_given(values: list[Any]) -> None:
    assignment = LANGUAGES["r"].assignment
    lines = []
    for value in values:
        lines.append(assignment("x", value))
        lines.append("x <- if (is.character(x)) paste(charToRaw(enc2utf8(x)), collapse='') else x")
        lines.append("cat(typeof(x), if (is.numeric(x)) sprintf('%a', x) else format(x), '\\n')")
    code = "\n".join(lines)
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        ["R", "--slave", "--no-save"], input=code, capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    said = [line.split() for line in done.stdout.splitlines()]
    assert len(said) == len(values)
    for value, (kind, *shown) in zip(values, said, strict=True):
        match value:
            case None:
                assert kind == "NULL"
            case bool():
                assert (kind, *shown) == ("logical", str(value).upper())
            case str():
                assert (kind, "".join(shown)) == ("character", value.encode().hex())
            case int() | float():
                assert kind in ("integer", "double")
                number = float.fromhex(shown[0]) if shown[0][0] in "-0" else float(shown[0])
                assert number == value or (number != number and value != value)


def test_what_r_can_not_have_is_refused() -> None:
    with pytest.raises(InvalidInput, match="NUL"):
        LANGUAGES["r"].assignment("x", "a\0b")


@pytest.mark.parametrize(
    ("source", "declared"),
    [
        ("n <- 1L\nlabel = 'a'  # why", {"n": "1L", "label": "'a'"}),
        (".hidden<-TRUE", {".hidden": "TRUE"}),
        ("  inner <- 1\nf(x = 1)\nx == 1\n# y <- 1", {}),
    ],
)  # fmt: skip
def test_parameters_of_r_are_assignments_at_the_start_of_a_line(
    source: str, declared: dict[str, str]
) -> None:
    assert LANGUAGES["r"].declared(source) == declared
