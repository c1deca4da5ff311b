"""Parameters, inputs and outputs of runs: put into words and variables, never into a shell."""

from pathlib import Path

import pytest

from ml_workspace_lab import CommandConfig, Run, ScriptRunConfig, Workspace
from ml_workspace_lab.experiments.model import RunState
from ml_workspace_lab.jobs.model import Output, RunInput

MAKE = "mkdir -p outputs/a; echo one >outputs/a/x; echo two >outputs/y"
ODD = "a b; $(touch hacked) `touch hacked` 'q' \"d\" \\ *\n${{inputs.x}}"


def submit(ws: Workspace, folder: Path, *words: str, **more: object) -> Run:
    (folder / "code").mkdir(exist_ok=True)
    config = CommandConfig(folder / "code", list(words), **more)  # type: ignore[arg-type]
    return ws.experiment("e").submit(config)


def log_of(run: Run) -> str:
    run.wait_for_completion(timeout_seconds=90)
    return run.get_log()


def test_parameters_are_typed_words_whatever_they_hold(ws: Workspace, tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "show.py").write_text("import sys; print(sys.argv[1:], end='')")
    values = {"lr": 0.1, "n": 3, "flag": True, "odd": ODD}
    words = ["--lr=${{parameters.lr}}", "${{ parameters.n }}", "${{parameters.flag}}"]
    config = ScriptRunConfig(
        tmp_path / "code", "show.py", [*words, "${{parameters.odd}}"], parameters=values
    )
    run = ws.experiment("e").submit(config)
    assert log_of(run) == str(["--lr=0.1", "3", "true", ODD])
    assert run.params == values


@pytest.mark.parametrize(
    ("word", "more", "field"),
    [
        ("${{parameters.missing}}", {"parameters": {"lr": 1}}, "job.command"),
        ("${{inputs.lr}}", {"parameters": {"lr": 1}}, "job.command"),
        ("${{env.HOME}}", {}, "job.command"),
        ("${{parameters.lr|x}}", {"parameters": {"lr": 1}}, "job.command"),
        ("x", {"parameters": {"lr": None}}, "parameters.lr"),
        ("x", {"inputs": {"a": RunInput("ab" * 16)}}, "inputs.a"),
        ("x", {"resume_from": "ab" * 16}, "run_id"),
        ("x", {"after": ["ab" * 16]}, "run_id"),
    ],
)
def test_what_stands_for_nothing_is_refused(
    ws: Workspace, tmp_path: Path, word: str, more: dict, field: str
) -> None:
    with pytest.raises(Exception) as refusal:  # noqa: PT011
        submit(ws, tmp_path, "echo", word, **more)
    assert getattr(refusal.value, "field", None) == field, refusal.value
    assert ws.runs() == []


def test_a_run_finds_what_another_made_and_goes_on_from_it(ws: Workspace, tmp_path: Path) -> None:
    first = submit(ws, tmp_path, "sh", "-c", MAKE)
    show = 'cat "$0/a/x" "$1"; cat "$AZURE_ML_INPUT_all/y"; echo "$2" "$AZUREML_DATAREFERENCE_url"'
    second = submit(
        ws,
        tmp_path,
        *("sh", "-c", show, "${{inputs.all}}", "${{inputs.one}}", "${{inputs.url}}"),
        inputs={"all": first, "one": RunInput(first.id, "outputs/y"), "url": "https://x/y z"},
        after=[first],
    )
    assert log_of(second) == "one\ntwo\ntwo\nhttps://x/y z https://x/y z\n"
    resume = "cat outputs/y; echo three >>outputs/y; rm outputs/a/x"
    third = submit(ws, tmp_path, "sh", "-c", resume, resume_from=second, after=[second])
    third.wait_for_completion(raise_on_error=False, timeout_seconds=90)
    assert third.get_status() is RunState.FAILED, "the second made no outputs"
    fourth = submit(ws, tmp_path, "sh", "-c", resume, resume_from=first)
    assert log_of(fourth) == "two\n"
    assert fourth.read_artifact("outputs/y") == b"two\nthree\n"
    assert fourth.get_file_names() == ["outputs/y"]
    assert first.read_artifact("outputs/y") == b"two\n", "the first's is its own"


def test_outputs_have_names_and_are_kept(ws: Workspace, tmp_path: Path) -> None:
    write = 'echo f >"$0/f"; echo g >"$AZURE_ML_OUTPUT_model"'
    outputs = {"data": Output(), "model": Output("file")}
    run = submit(ws, tmp_path, "sh", "-c", write, "${{outputs.data}}", outputs=outputs)
    run.wait_for_completion(timeout_seconds=90)
    assert run.get_file_names() == ["outputs/data/f", "outputs/model"]


def test_a_registered_model_is_an_input(ws: Workspace, tmp_path: Path) -> None:
    first = submit(ws, tmp_path, "sh", "-c", MAKE)
    first.wait_for_completion(timeout_seconds=90)
    model = first.register_model("m", "outputs")
    run = submit(ws, tmp_path, "sh", "-c", 'cat "$0/y"', "${{inputs.m}}", inputs={"m": model})
    assert log_of(run) == "two\n"


def test_an_input_that_is_not_there_when_the_run_begins_fails_it_with_its_name(
    ws: Workspace, tmp_path: Path
) -> None:
    first = submit(ws, tmp_path, "true")
    run = submit(
        ws, tmp_path, "true", inputs={"a": RunInput(first.id, "outputs/no")}, after=[first]
    )
    run.wait_for_completion(raise_on_error=False, timeout_seconds=90)
    assert run.get_status() is RunState.FAILED
    assert "inputs.a" in run.info().reason
