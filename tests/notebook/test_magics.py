"""The magics in a real kernel: what they do, what they show, and how they refuse."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_workspace_lab import NotebookRunConfig, Workspace
from ml_workspace_lab.client.card import RUN_TYPE
from ml_workspace_lab.client.model import Model
from ml_workspace_lab.experiments.model import RunState
from tests.compute.conformance.drivers import alive
from tests.conftest import eventually
from tests.endpoints.support import SCALE
from tests.notebook.kernels import Kernel, end_workspace, kernel_in
from tests.notebooks import write_notebook

LONG = "x" * 10_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("notebook")
    write_notebook(
        made / "other.ipynb",
        "print('depth is', depth)\nfrom pathlib import Path\nPath('outputs/f.txt').write_text('3')",
        parameters="depth = 1",
    )
    write_notebook(made / "no-kernel.ipynb", "1", kernel="no-such-kernel")
    (made / "not.ipynb").write_text("[1, 2]")
    (made / "score.py").write_text(SCALE.replace("factor.txt", "f.txt"))
    return made


@pytest.fixture(scope="module")
def place(folder: Path) -> Iterator[Workspace]:
    workspace = Workspace.create("lab", folder / "store")
    workspace.write_config(folder)
    yield workspace
    end_workspace(folder / "store")


@pytest.fixture(scope="module")
def kernel(place: Workspace, folder: Path) -> Iterator[Kernel]:
    with kernel_in(folder) as running:
        yield running


def test_a_workspace_is_started_where_there_is_none(tmp_path: Path) -> None:
    with kernel_in(tmp_path) as kernel:
        for line in ("%ws_runs", "%ws_run", "%%ws_run\n1", "%ws_deploy m"):
            refused = kernel(line).text
            assert "UsageError: No workspace is configured here." in refused, line
            assert "`%ws_init`" in refused
            assert "Traceback" not in refused
        assert "Workspace('lab'" in kernel("%ws_init lab").text
        assert (tmp_path / ".mlworkspace/config.json").is_file()
        assert "No runs yet" in kernel("%ws_runs").bundles[0]["text/plain"]
        assert "There is a workspace in" in kernel("%ws_init lab").text
    end_workspace(tmp_path / ".mlworkspace/store")


def test_a_notebook_is_run_and_its_card_and_log_are_shown(kernel: Kernel, place: Workspace) -> None:
    cell = kernel("run = %ws_run other.ipynb --wait -p depth=7 -e main -t a=b -n seven")
    assert "depth is 7" in cell.text
    card = cell.bundles[0]
    assert {RUN_TYPE, "text/html", "text/plain"} <= set(card)
    run = place.runs("main")[0]
    assert card[RUN_TYPE] == {"run_id": run.id, "workspace": "lab"}
    assert (run.display_name, run.tags, run.params) == ("seven", {"a": "b"}, {"depth": 7})
    assert kernel("print(type(run).__name__, run.id, run.get_status())").text.split() == [
        "Run", run.id, "Completed",
    ]  # fmt: skip


def test_a_killed_kernel_leaves_the_run_alone_that_it_has_submitted(
    place: Workspace, folder: Path, tmp_path: Path
) -> None:
    enough = tmp_path / "enough"
    waits = f"import time, pathlib\nwhile not pathlib.Path({str(enough)!r}).exists():"
    write_notebook(folder / "waits.ipynb", f"print('begun')\n{waits} time.sleep(0.05)", "print(7)")
    with kernel_in(folder) as kernel:
        kernel("run = %ws_run waits.ipynb -e detached")
        (run,) = place.runs("detached")
        eventually(lambda: "begun" in run.get_log(), 90, "it is in its middle")
        pid = int(kernel("import os; print(os.getpid())").text)
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: not alive(pid), what="the kernel is gone")
        assert run.get_status() is RunState.RUNNING
    enough.touch()
    info = run.wait_for_completion(timeout_seconds=90)
    assert info.state is RunState.COMPLETED
    assert run.get_log() == "begun\n7\n"


def test_this_cell_alone_is_run(kernel: Kernel, place: Workspace) -> None:
    kernel("before = 1")
    cell = kernel("%%ws_run -e cell --wait\nprint('only this', 'before' in globals())")
    assert "only this False" in cell.text
    (run,) = place.runs("cell")
    notebook = json.loads(run.read_artifact("output.ipynb"))
    assert len(notebook["cells"]) == 1
    failed = kernel("%%ws_run -e cell --wait\nraise ValueError('no good')").text
    assert "ValueError: no good" in failed
    assert "UsageError: Run" in failed
    assert "does not exist" not in failed


def test_without_a_name_the_cells_that_were_executed_are_run(
    kernel: Kernel, place: Workspace
) -> None:
    kernel("told = 'told before'")
    cell = kernel("run = %ws_run -e here")
    assert "Note: Where this notebook is saved could not be found out" in cell.text
    (run,) = place.runs("here")
    kernel("run.cancel()")
    snapshot = place.connection.snapshots.get(run.info().snapshot_id)
    assert any("could not be found out" in note for note in snapshot.notes)
    assert any(file.path == "notebook.ipynb" for file in snapshot.files)


def test_a_run_has_one_card_in_a_cell(kernel: Kernel, place: Workspace) -> None:
    for source in ("%ws_run other.ipynb --wait", "one = %ws_run other.ipynb --wait", "one"):
        cards = [bundle for bundle in kernel(source).bundles if RUN_TYPE in bundle]
        assert len(cards) == 1, source


def test_runs_are_listed_as_text_and_as_a_table(kernel: Kernel, place: Workspace) -> None:
    place.experiment("listed <b>").start_logging("one <i>").complete()
    with place.experiment("listed <b>").start_logging("two") as run:
        run.log("loss <u>", 0.5)
    assert kernel("runs = %ws_runs 'listed <b>'").bundles == []
    cell = kernel("runs")
    html, text = cell.bundles[0]["text/html"], cell.bundles[0]["text/plain"]
    assert "one &lt;i&gt;" in html
    assert "loss &lt;u&gt;" in html
    assert "<b>" not in html
    assert "one <i>" in text
    assert kernel("print(len(runs), type(runs[0]).__name__)").text.strip() == "2 Run"
    [newest] = kernel("%ws_runs 'listed <b>' -n 1").bundles
    assert "one <i>" not in newest["text/plain"]


def test_models_come_from_the_last_run_and_from_live_objects(
    kernel: Kernel, place: Workspace
) -> None:
    kernel("run = %ws_run other.ipynb -e models")
    cell = kernel("%ws_register from-run --path outputs/f.txt -t a=b -d mine")
    assert "Model from-run:1" in cell.bundles[0]["text/plain"]
    model = Model(place, "from-run")
    assert (model.tags, model.info().description) == ({"a": "b"}, "mine")
    assert model.info().run_id == place.runs("models")[0].id
    kernel("%ws_register from-run --run {run.id} --path outputs")
    assert Model(place, "from-run").version == 2
    kernel("thing = lambda rows: rows")
    kernel("%ws_register thing --object thing -d live -t k=v")
    info = Model(place, "thing").info()
    assert (info.description, info.tags, info.executes_code) == ("live", {"k": "v"}, True)
    assert "loading it executes code" in kernel("%ws_register thing --object thing").text
    kernel("odd = (x for x in [])")
    assert "generator is no model" in kernel("%ws_register x --object odd").text


def test_a_model_is_tried_then_deployed(kernel: Kernel, place: Workspace, folder: Path) -> None:
    Model.register(place, "scale", _factor(folder))
    line = "%ws_deploy scale --script score.py --max-workers 2"
    kernel("tried = " + line + " --dry-run --sample '{\"x\": 1}'")
    assert place.endpoints == {}
    cell = kernel("endpoint = " + line + " --name scale-one --sample '{\"x\": 1}'\nendpoint")
    assert "scale-one" in cell.bundles[-1]["text/plain"]
    assert "Healthy" in cell.bundles[-1]["text/html"]
    assert kernel("print(endpoint.run({'x': 5})['y'])").text.strip() == "15.0"
    assert kernel("print(endpoint.info().deployments[0].scaling)").text.strip() == "1 to 2"
    key = kernel("print(endpoint.keys.primary)").text.strip()
    assert len(key) > 30
    assert key not in str(cell.outputs), "a saved notebook must not hold a key"
    assert "Endpoint" in kernel(line).text
    assert list(place.endpoints) == ["scale-endpoint", "scale-one"]
    for endpoint in place.endpoints.values():
        endpoint.delete()


def _factor(folder: Path) -> Path:
    path = folder / "f.txt"
    path.write_text("3")
    return path


def test_a_script_that_fails_shows_its_traceback_and_deploys_nothing(
    kernel: Kernel, place: Workspace, folder: Path
) -> None:
    Model.register(place, "broken", _factor(folder))
    (folder / "bad.py").write_text(
        "def init():\n    print('getting ready')\n    raise RuntimeError('no weights')\n"
        "\ndef run(data):\n    return 1 / 0\n"
    )
    cell = kernel("%ws_deploy broken --script bad.py")
    assert "line 3, in init" in cell.text
    assert "RuntimeError: no weights" in cell.text
    assert "getting ready" in cell.text
    assert "magics.py" not in cell.text, "only the script's own trace"
    assert place.endpoints == {}


@pytest.mark.parametrize("magic", ["ws_init", "ws_run", "ws_runs", "ws_register", "ws_deploy"])
def test_help_is_printed_and_nothing_is_done(kernel: Kernel, place: Workspace, magic: str) -> None:
    before = place.connection.events.list(0).next
    for line in (f"%{magic} --help", f"%{magic} something -h"):
        shown = kernel(line).text
        assert f"usage: %{magic}" in shown
        assert "--help" in shown
    if magic == "ws_run":
        assert "usage: %ws_run" in kernel("%%ws_run --help\nprint(1)").text
    assert place.connection.events.list(0).next == before


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("%ws_run missing.ipynb", "There is no notebook 'missing.ipynb'"),
        ("%ws_run ../../missing.ipynb", "There is no notebook"),
        (f"%ws_run {LONG}.ipynb", "There is no notebook"),
        ("%ws_run not.ipynb", "There is no notebook 'not.ipynb'"),
        ("%ws_run no-kernel.ipynb", "There is no kernel 'no-such-kernel'"),
        ("%ws_run other.ipynb -k nowhere", "There is no kernel 'nowhere'"),
        ("%ws_run other.ipynb -p unknown=1", "unknown"),
        ("%ws_run other.ipynb -p depth", "param: 'depth' is not NAME=VALUE"),
        ("%ws_run other.ipynb -t =x", "tag: '=x' is not NAME=VALUE"),
        ("%ws_run other.ipynb -c moon", "moon"),
        (f"%ws_run other.ipynb -n {LONG}", "display_name"),
        (f"%ws_run other.ipynb -e {LONG}", "experiment"),
        ("%ws_run other.ipynb --timeout nan", "timeout_seconds"),
        ("%ws_run other.ipynb --timeout soon", "invalid float value: 'soon'"),
        ("%ws_run other.ipynb --bogus", "unrecognized arguments: --bogus"),
        ("%ws_run 'other.ipynb", "No closing quotation"),
        ("%%ws_run other.ipynb\n1", "takes no file"),
        ("%ws_runs -n 0", "limit"),
        ("%ws_runs -n -5", "limit"),
        ("%ws_register", "required: model"),
        ("%ws_register ../x --object __name__", "name"),
        (f"%ws_register {LONG} --object __name__", "name"),
        ("%ws_register m --object no_such_variable", "no variable 'no_such_variable'"),
        ("%ws_register m --object __name__ --run abc", "either --object or --run"),
        ("%ws_register m --run " + "0" * 32, "There is no run"),
        ("%ws_deploy no-such-model", "There is no model 'no-such-model'"),
        ("%ws_deploy " + "m:" + "9" * 9000, "does not name a version"),
        ("%ws_deploy m --port many", "invalid int value: 'many'"),
        ("%ws_init ../x", "name"),
    ],
)
def test_bad_arguments_are_a_short_message_without_a_traceback(
    kernel: Kernel, place: Workspace, line: str, said: str
) -> None:
    before = len(place.runs())
    shown = kernel(line).text
    assert shown.startswith("UsageError: ")
    assert said in shown
    assert len(shown) < 900
    assert "Traceback" not in shown
    assert (len(place.runs()), list(place.endpoints)) == (before, [])


def test_a_path_among_artifacts_can_not_lead_out_of_them(kernel: Kernel) -> None:
    kernel("run = %ws_run other.ipynb -e paths --wait")
    for path in ("../x", "/etc/passwd", "a/../../b"):
        refused = kernel(f"%ws_register m --path {path}").text
        assert refused.startswith("UsageError: The path")
        assert "Traceback" not in refused


def test_magics_in_a_job_do_nothing(place: Workspace, folder: Path) -> None:
    write_notebook(
        folder / "self.ipynb",
        "%load_ext ml_workspace_lab",
        "%ws_run",
        "%%ws_run\nprint('twice')",
        "%ws_deploy m",
        "print('end')",
    )
    run = place.experiment("self").submit(NotebookRunConfig(folder, "self.ipynb"))
    run.wait_for_completion(timeout_seconds=60)
    assert run.get_log().count("does nothing inside a job") == 3
    assert "end" in run.get_log()
    assert len(place.runs("self")) == 1


def test_the_notebook_that_jupyter_names_is_run_as_it_was_saved(
    place: Workspace, folder: Path
) -> None:
    write_notebook(folder / "mine.ipynb", "print('as it was saved')")
    session = {**os.environ, "JPY_SESSION_NAME": str(folder / "mine.ipynb")}
    with kernel_in(folder, env=session) as kernel:
        cell = kernel("run = %ws_run --wait")
    assert "as it was saved" in cell.text
    assert "Note: The notebook was taken as it was saved" in cell.text
    assert place.runs("mine")[0].info().notebook == "mine.ipynb"
