"""Event files that the real writers made: runs with all that has a place, once."""

import math
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_workspace_lab import Run, Workspace
from ml_workspace_lab.errors import InvalidInput, NotFound
from ml_workspace_lab.experiments.model import RunState
from ml_workspace_lab.transfer.event_file import Told, tell
from ml_workspace_lab.transfer.tfrecord import masked, records

MAKE = Path(__file__).with_name("make_event_files.py")
TORCH = Path(__file__).parents[2] / "build" / "autolog" / "newest" / "bin" / "python"
COUNT = 300


def write(folder: Path, writer: str, count: int = COUNT) -> None:
    python = sys.executable if writer == "tensorboardX" else str(TORCH)
    words = [python, str(MAKE), str(folder), writer, str(count)]
    made = subprocess.run(words, capture_output=True, text=True, check=False)
    if "No module named" in made.stderr or not Path(python).exists():
        pytest.skip(f"{writer} is not installed: scripts/install_autolog")
    assert made.returncode == 0, made.stderr[-2000:]


@pytest.fixture(scope="module", params=["tensorboardX", "torch"])
def logdir(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if request.param == "torch" and not TORCH.exists():
        pytest.skip("PyTorch is not installed: scripts/install_autolog")
    folder: Path = tmp_path_factory.mktemp(request.param) / "my logs"
    write(folder, request.param)
    return folder


def by_name(ws: Workspace) -> dict[str, Run]:
    return {run.display_name: run for run in ws.runs("my logs", limit=None)}


def test_each_folder_with_event_files_is_a_run(ws: Workspace, logdir: Path) -> None:
    report = ws.import_tensorboard(logdir)
    runs = by_name(ws)
    assert runs.keys() == {"train", "eval/deep", "hp/one"}
    assert (report.runs, report.experiments) == (3, 1)
    train = runs["train"].info()
    assert (train.state, train.kind) == (RunState.COMPLETED, "external")
    assert train.created == 1_700_000_000_000


def test_scalars_come_with_step_and_time(ws: Workspace, logdir: Path) -> None:
    ws.import_tensorboard(logdir)
    run = by_name(ws)["eval/deep"]
    loss = run.get_metric_history("loss/total")
    assert loss.steps.tolist() == list(range(COUNT))
    assert loss.times.tolist() == [1_700_000_000_000 + 1000 * step for step in range(COUNT)]
    assert loss.values.tolist() == [float(np.float32(1 / (step + 1))) for step in range(COUNT)]
    odd = run.get_metric_history("odd").values.tolist()
    assert math.isnan(odd[0])
    assert odd[1:] == [math.inf, -math.inf]
    if "double" in run.info().metrics:
        assert run.get_metrics("double") == {"double": 0.1}
        assert run.info().metrics["new"].last_step == -7


def test_texts_and_images_are_artifacts_and_hyper_parameters_are_parameters(
    ws: Workspace, logdir: Path
) -> None:
    report = ws.import_tensorboard(logdir)
    runs = by_name(ws)
    files = {a.path: a for a in ws.connection.artifacts.list(runs["train"].id).items}
    text, image = files["text/note/text_summary/3.md"], next(f for f in files if "images" in f)
    assert ws.connection.artifacts.get(runs["train"].id, text.path).read() == "hello **ü**".encode()
    assert ws.connection.artifacts.get(runs["train"].id, image).read().startswith(b"\x89PNG")
    assert image.startswith("images/pic/_/x_")
    assert runs["hp/one"].params == {"lr": 0.1, "opt": "adam"}
    assert {(left.what, left.id) for left in report.not_mapped} == {
        ("histograms", "train"),
        ("histograms", "eval/deep"),
    }


def test_a_second_import_adds_only_what_is_new(ws: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "my logs"
    write(folder, "tensorboardX", 100)
    first = ws.import_tensorboard(folder)
    again = ws.import_tensorboard(folder)
    assert (again.runs, again.points, again.artifacts, again.skipped) == (0, 0, 0, first.runs)
    write(folder, "tensorboardX", 120)
    more = ws.import_tensorboard(folder)
    assert more.points == 2 * 20 + 1  # and that of a new run
    assert more.runs == 0 or by_name(ws).keys() >= {"train", "eval/deep"}
    history = by_name(ws)["train"].get_metric_history("loss/total")
    assert history.steps.tolist() == list(range(120))


def one_file(tmp_path: Path) -> Path:
    write(tmp_path / "logs", "tensorboardX", 50)
    return next((tmp_path / "logs" / "train").glob("*tfevents*"))


def test_a_file_that_is_still_written_is_read_as_far_as_it_is_whole(
    ws: Workspace, tmp_path: Path
) -> None:
    path = one_file(tmp_path)
    path.write_bytes(path.read_bytes()[:-5])
    report = ws.import_tensorboard(path.parent)
    assert (report.runs, report.points) == (1, 53)
    assert [left.what for left in report.not_mapped] == []


def test_damage_is_told_and_what_stood_before_it_is_kept(ws: Workspace, tmp_path: Path) -> None:
    path = one_file(tmp_path)
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 5] ^= 1
    path.write_bytes(raw)
    report = ws.import_tensorboard(path.parent)
    assert "damaged" in next(left.reason for left in report.not_mapped)
    assert 0 < report.points < 53


def scalar(tag: str, value: float, step: int, wall: float) -> bytes:
    """An event with a scalar, as a record."""
    inner = bytes([10, len(tag)]) + tag.encode() + b"\x15" + struct.pack("<f", value)
    summary = bytes([10, len(inner)]) + inner
    event = b"\x09" + struct.pack("<d", wall) + bytes([16, step, 42, len(summary)]) + summary
    length = struct.pack("<Q", len(event))
    checks = [struct.pack("<I", masked(part)) for part in (length, event)]
    return length + checks[0] + event + checks[1]


@pytest.mark.parametrize("wall", [math.nan, math.inf, -1e300])
def test_events_without_a_time_are_told_and_the_others_are_kept(
    ws: Workspace, tmp_path: Path, wall: float
) -> None:
    walls = [wall, 1.7e9, wall, 1.7e9 + 1]
    records_ = [scalar("m", step, step, at) for step, at in enumerate(walls)]
    path = tmp_path / "logs" / "a" / "events.out.tfevents.1"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"".join([*records_, scalar("none", 1, 1, wall)]))
    report = ws.import_tensorboard(tmp_path / "logs")
    assert (report.runs, report.points) == (1, 2)
    (told,) = report.not_mapped
    assert (told.what, told.id) == ("event", f"a/{path.name}")
    assert told.reason.startswith(f"Record 1: An event has the time {wall}.")
    assert told.reason.endswith("And 2 more.")
    (run,) = ws.runs("logs", limit=None)
    assert run.get_metric_history("m").steps.tolist() == [1, 3]
    assert run.info().metrics.keys() == {"m"}
    assert run.info().created == 1_700_000_000_000


def test_runs_that_are_in_another_experiment_are_told(ws: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "logs" / "events.out.tfevents.1"
    path.parent.mkdir()
    path.write_bytes(scalar("m", 1, 1, 1.7e9))
    ws.import_tensorboard(path.parent, experiment="a")
    assert ws.import_tensorboard(path.parent, experiment="a").not_mapped == []
    report = ws.import_tensorboard(path.parent, experiment="b")
    (told,) = report.not_mapped
    assert (told.what, told.id, report.skipped) == ("runs", "1", 1)
    assert "'a'" in told.reason


def test_what_has_no_event_files_is_refused(ws: Workspace, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput):
        ws.import_tensorboard(tmp_path)
    with pytest.raises(NotFound):
        ws.import_tensorboard(tmp_path / "none")


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_any_bytes_are_an_event_or_refused(content: bytes) -> None:
    told = Told()
    try:
        tell(content, told)
    except InvalidInput:
        return
    assert len({len(column) for found in told.metrics.values() for column in found}) <= 1


def test_a_length_that_is_damaged_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(struct.pack("<QI", 1 << 60, 0) + b"\0" * 100)
    with path.open("rb") as stream, pytest.raises(InvalidInput):
        list(records(stream))


def test_a_run_that_went_on_ends_later(ws: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "logs" / "events.out.tfevents.1"
    path.parent.mkdir()
    first = [scalar("m", 0, 0, 0.0), scalar("m", 1, 1, 1.7e9), scalar("m", 2, 2, 1.7e9 + 10)]
    path.write_bytes(b"".join(first))
    ws.import_tensorboard(path.parent)
    (run,) = ws.runs("logs", limit=None)
    assert (run.info().created, run.info().ended) == (1_700_000_000_000, 1_700_000_010_000)
    path.write_bytes(b"".join([*first, scalar("m", 3, 3, 1.7e9 + 3600)]))
    ws.import_tensorboard(path.parent)
    info = ws.run(run.id).info()
    assert (info.state, info.ended) == (RunState.COMPLETED, 1_700_003_600_000)
    history = ws.connection.runs.history(run.id).items
    assert [change.time for change in history] == [1_700_000_000_000] * 2 + [1_700_003_600_000]
    path.write_bytes(b"".join(first))
    ws.import_tensorboard(path.parent)
    assert ws.run(run.id).info().ended == 1_700_003_600_000
