"""One suite for both ways into a workspace: its folder, and its server over HTTP."""

import math
import secrets
from pathlib import Path

import pytest

from ml_workspace_lab import Model, ScriptRunConfig, Workspace
from ml_workspace_lab.errors import Conflict, InvalidInput, NotFound
from ml_workspace_lab.experiments.model import EndRun, RunState, StartRun


@pytest.fixture
def name() -> str:
    return f"exp-{secrets.token_hex(4)}"


def test_a_run_is_started_logged_to_and_ended(either: Workspace, name: str) -> None:
    with either.experiment(name).start_logging("first", tags={"who": "me"}) as run:
        for step in range(3):
            run.log("loss", 1 / (step + 1))
        run.log("accuracy", 0.5, step=9)
        run.log_params({"depth": 3, "kind": "tree", "flag": True, "none": None})
        run.add_properties({"commit": "abc"})
    info = either.run(run.id).info()
    assert info.state is RunState.COMPLETED
    assert info.params == {"depth": 3, "flag": True, "kind": "tree", "none": None}
    assert (info.tags, info.properties) == ({"who": "me"}, {"commit": "abc"})
    assert run.get_metrics() == {"loss": [1, 0.5, 1 / 3], "accuracy": 0.5}
    assert info.metrics["loss"].count == 3
    assert info.metrics["loss"].min == 1 / 3
    assert info.metrics["accuracy"].last_step == 9
    assert [change.state for change in run.status_history] == ["NotStarted", "Running", "Completed"]


def test_numbers_that_json_has_no_token_for_are_kept(either: Workspace, name: str) -> None:
    with either.experiment(name).start_logging() as run:
        run.log_list("odd", [math.nan, math.inf, -math.inf, 1.5])
    odd = run.get_metrics()["odd"]
    assert math.isnan(odd[0])
    assert odd[1:] == [math.inf, -math.inf, 1.5]
    assert (run.info().metrics["odd"].max, run.info().metrics["odd"].min) == (
        "Infinity",
        "-Infinity",
    )


def test_an_exception_fails_the_run_and_is_its_reason(either: Workspace, name: str) -> None:
    with pytest.raises(ZeroDivisionError), either.experiment(name).start_logging() as run:
        run.log("loss", 1 / 0)
    assert run.get_status() is RunState.FAILED
    assert run.info().reason == "ZeroDivisionError: division by zero"


def test_an_end_is_written_whatever_the_exception_says(either: Workspace, name: str) -> None:
    for text in ("x" * 2_000_000, "a file called \udcff"):
        with (
            pytest.raises(ValueError, match=text[:5]),
            either.experiment(name).start_logging() as run,
        ):
            raise ValueError(text)
        assert run.get_status() is RunState.FAILED
        assert run.info().reason.startswith(f"ValueError: {text[:5]}")


def test_text_that_is_none_is_refused_and_harms_nobody(either: Workspace, name: str) -> None:
    half = "\ud800"
    with either.experiment(name).start_logging() as run:
        for refused in (
            lambda: run.log(half, 1),
            lambda: run.log_params({"p": half}),
            lambda: run.tag("t", half),
            lambda: run.add_properties({half: "x"}),
            lambda: either.experiment(half).start_logging(),
            lambda: run.log_params({"i": 10**40}),
        ):
            with pytest.raises(InvalidInput):
                refused()
    assert run.get_status() is RunState.COMPLETED
    assert [r.id for r in either.runs(name)] == [run.id]


def test_children_belong_to_their_parent(either: Workspace, name: str) -> None:
    with either.experiment(name).start_logging() as run:
        with run.child_run("fold 1") as child:
            child.log("loss", 1)
        with run.child_run("fold 2") as child:
            child.log("loss", 2)
    assert [c.display_name for c in run.get_children()] == ["fold 2", "fold 1"]
    assert run.get_metrics(recursive=True)[child.id] == {"loss": 2}
    assert child.parent is not None
    assert child.parent.id == run.id


def test_properties_never_change(either: Workspace, name: str) -> None:
    with either.experiment(name).start_logging() as run:
        run.add_properties({"data": "v1"})
        run.add_properties({"data": "v1"})
        with pytest.raises(Conflict) as refusal:
            run.add_properties({"data": "v2"})
        assert refusal.value.field == "properties.data"
        run.set_tags({"a": "1", "b": "2"})
        run.remove_tags(["a"])
    assert (run.properties, run.tags) == ({"data": "v1"}, {"b": "2"})


def test_a_run_that_has_ended_takes_no_more(either: Workspace, name: str) -> None:
    run = either.experiment(name).start_logging()
    run.complete()
    with pytest.raises(Conflict, match="ended"):
        run.log("loss", 1)
    with pytest.raises(Conflict, match="Completed"):
        run.complete()
    with pytest.raises(Conflict):
        run.cancel()


@pytest.mark.parametrize("value", ["0.5", [1.0], None, object(), b"1"])
def test_a_metric_is_a_number(either: Workspace, name: str, value: object) -> None:
    with either.experiment(name).start_logging() as run:
        with pytest.raises(InvalidInput) as refusal:
            run.log("loss", value)  # type: ignore[arg-type]
        assert refusal.value.field == "value"
        with pytest.raises(InvalidInput, match="name"):
            run.log("", 1)
        with pytest.raises(InvalidInput, match="step"):
            run.log("loss", 1, step=1.5)  # type: ignore[arg-type]
        with pytest.raises(InvalidInput, match="step"):
            run.log("loss", 1, step=2**63)


def test_artifacts_come_back_as_they_were(either: Workspace, name: str, tmp_path: Path) -> None:
    content = secrets.token_bytes(300_000)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "däta.bin").write_bytes(content)
    with either.experiment(name).start_logging() as run:
        run.upload_folder("out", tmp_path / "a")
        run.upload_file("50% of?#.txt", Path(__file__))
        run.log_table("scores", {"x": [1, 2], "y": [0.5, math.nan]})
    assert run.get_file_names() == ["50% of?#.txt", "out/däta.bin", "tables/scores.json"]
    assert run.read_artifact("out/däta.bin") == content
    assert run.download_file("50% of?#.txt", tmp_path / "copy").read_text() == Path(
        __file__
    ).read_text(encoding="utf-8")
    assert run.read_artifact("tables/scores.json") == (
        b'{"columns": {"x": [1, 2], "y": [0.5, "NaN"]}}'
    )


@pytest.mark.parametrize(
    "path", ["../x", "/etc/passwd", "a/../../b", "a//b", "a\\b", "a\x00b", "C:/x", ".", "x" * 300]
)
def test_a_path_that_leads_elsewhere_is_refused(either: Workspace, name: str, path: str) -> None:
    with either.experiment(name).start_logging() as run:
        with pytest.raises(InvalidInput) as refusal:
            run.upload_file(path, __file__)
        assert refusal.value.field == "path"
        with pytest.raises(InvalidInput):
            run.read_artifact(path)
    assert run.get_file_names() == []


@pytest.mark.parametrize("bad", ["", " ", "a\nb", "x" * 10_000, " a", "a\x00"])
def test_a_name_that_is_none_is_refused(either: Workspace, bad: str) -> None:
    with pytest.raises(InvalidInput, match="experiment"):
        either.connection.runs.start(bad, StartRun())


def test_names_are_text_and_nothing_else(either: Workspace) -> None:
    name = f"a/b?c#d%2e%2e<script>{secrets.token_hex(3)}'; DROP TABLE run; --"
    with either.experiment(name).start_logging("<b>bold</b>") as run:
        pass
    assert either.connection.experiments.get(name).run_count == 1
    assert run.info().display_name == "<b>bold</b>"


def test_what_is_not_there_is_said(either: Workspace) -> None:
    with pytest.raises(NotFound, match="no run"):
        either.run("0" * 32)
    with pytest.raises(InvalidInput, match="run_id"):
        either.run("no such id")
    with pytest.raises(NotFound, match="no experiment"):
        either.connection.experiments.get("never heard of")
    with pytest.raises(NotFound, match="no model"):
        Model(either, "never-heard-of")


def test_pages_hold_every_run_once_while_runs_are_added(either: Workspace, name: str) -> None:
    experiment = either.experiment(name)
    made = [experiment.start_logging(f"r{index}") for index in range(7)]
    page = either.connection.runs.list(experiment=name, limit=3)
    seen = [run.run_id for run in page.items]
    late = experiment.start_logging("late")
    while page.next:
        page = either.connection.runs.list(experiment=name, limit=3, after=page.next)
        seen += [run.run_id for run in page.items]
    assert seen == [run.id for run in reversed(made)]
    for run in [*made, late]:
        run.complete()
    assert len(either.runs(name, state=RunState.COMPLETED)) == 8
    assert either.runs(name, active=True) == []


def test_a_script_runs_as_a_job(either: Workspace, name: str, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(
        "import sys\nfrom ml_workspace_lab import Run\n"
        "run = Run.get_context()\nrun.log('n', len(sys.argv))\nprint('hello', sys.argv[1])\n"
        "open('outputs/m.txt', 'w').write('m')\n"
    )
    run = either.experiment(name).submit(ScriptRunConfig(tmp_path, "train.py", ["--x", 1]))
    info = run.wait_for_completion(timeout_seconds=60)
    assert (info.state, info.kind) == (RunState.COMPLETED, "script")
    assert run.get_metrics() == {"n": 3}
    assert run.get_log() == "hello --x\n"
    assert run.get_file_names() == ["outputs/m.txt"]


def test_a_model_is_registered_from_a_run_and_from_files(
    either: Workspace, name: str, tmp_path: Path
) -> None:
    (tmp_path / "model.json").write_text("{}")
    with either.experiment(name).start_logging() as run:
        run.upload_file("outputs/model.json", tmp_path / "model.json")
    model = name.replace("exp", "model")
    first = run.register_model(model, "outputs", tags={"stage": "test"})
    second = Model.register(either, model, tmp_path / "model.json")
    assert (first.version, second.version) == (1, 2)
    assert first.info().run_id == run.id
    assert first.info().experiment == name
    assert first.info().tags == {"stage": "test"}
    assert (second.download(tmp_path / "got") / "model.json").read_text() == "{}"
    second.delete()
    third = Model.register(either, model, tmp_path / "model.json")
    assert third.version == 3, "the number of a deleted version is never given again"
    with pytest.raises(NotFound, match=r"no artifact 'nothing'"):
        run.register_model(model, "nothing")


def test_the_end_of_a_run_is_refused_by_field(either: Workspace, name: str) -> None:
    run = either.experiment(name).start_logging()
    with pytest.raises(InvalidInput) as refusal:
        either.connection.runs.end(run.id, EndRun(state="Exploded"))  # type: ignore[arg-type]
    assert refusal.value.field == "state"
    run.complete()
