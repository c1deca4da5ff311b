"""What a cell prints, as one output."""

import json
from pathlib import Path

import pytest

from ml_workspace_lab import NotebookRunConfig, Workspace
from ml_workspace_lab.jobs.runner.streams import Together, overwritten
from tests.notebooks import write_notebook

LINE = 3_000_000


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        ("a\rb", "b"),
        ("a\r\nb", "a\nb"),
        ("x\n10%\r20%\r", "x\n20%\r"),
        ("10%\r20%\r\n", "20%\n"),
        ("plain\n", "plain\n"),
    ],
)
def test_a_carriage_return_goes_back_to_the_start_of_its_line(printed: str, shown: str) -> None:
    assert overwritten(printed) == shown


@pytest.mark.parametrize(
    ("texts", "log"),
    [
        (["o:a\n", "e:b\n", "o:c\n"], "a\nb\nc\n"),
        (["e:\r50%", "e:\r100%", "o:done\n", "e:\n", "e:x\n"], "\r50%\r100%\ndone\nx\n"),
        (["o:a", "e:b", "o:c\n", "e:d\n"], "a\nb\nc\nd\n"),
        (["o:a", "o:b\n", "e:\n"], "ab\n\n"),
    ],
)
def test_streams_share_a_log_and_no_line(texts: list[str], log: str) -> None:
    together = Together()
    parts = (text.partition(":") for text in texts)
    assert "".join(together.text(name, text) for name, _, text in parts) == log


def test_long_lines_progress_bars_and_many_prints_are_one_output_each(
    ws: Workspace, tmp_path: Path
) -> None:
    write_notebook(
        tmp_path / "nb.ipynb",
        f"for _ in range(3): print('x' * {LINE}, flush=True)",
        "for n in range(101): print(f'\\r{n}%', end='', flush=True)",
        "import sys\nfor n in range(50):\n    print(n, flush=True)\n"
        "print('e', file=sys.stderr, flush=True)\nprint('last', flush=True)",
    )
    run = ws.experiment("e").submit(NotebookRunConfig(tmp_path, "nb.ipynb"))
    run.wait_for_completion(timeout_seconds=60)
    long, bar, many = json.loads(run.read_artifact("output.ipynb"))["cells"][1:]
    assert ["".join(o["text"]) for o in long["outputs"]] == [("x" * LINE + "\n") * 3]
    assert ["".join(o["text"]) for o in bar["outputs"]] == ["100%"]
    numbers = "".join(f"{n}\n" for n in range(50))
    assert [(o["name"], "".join(o["text"])) for o in many["outputs"]] == [
        ("stdout", numbers),
        ("stderr", "e\n"),
        ("stdout", "last\n"),
    ]
