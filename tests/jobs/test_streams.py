"""What a cell prints, as one output."""

import json
from pathlib import Path

import pytest

from ml_workspace_lab import NotebookRunConfig, Workspace
from ml_workspace_lab.jobs.runner import notebook_room
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


def test_a_notebook_of_many_cells_that_show_much_is_bounded(
    ws: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = 1_000_000
    monkeypatch.setenv(notebook_room.VARIABLE, str(most))
    cleared = (
        "from IPython.display import clear_output, display, HTML\n"
        "for n in range(50):\n    clear_output(wait=True)\n"
        "    display(HTML('x' * 100_000 + str(n)))"
    )
    much = "print('y' * 60_000)\ndisplay(HTML('z' * 30_000))\nprint('the last')"
    write_notebook(tmp_path / "nb.ipynb", cleared, *[much] * 30, "1 / 0")
    run = ws.experiment("e").submit(NotebookRunConfig(tmp_path, "nb.ipynb"))
    run.wait_for_completion(raise_on_error=False, timeout_seconds=90)
    content = run.read_artifact("output.ipynb")
    assert len(content) < most + 100_000
    first, *cells, failed = json.loads(content)["cells"][1:]
    [shown] = first["outputs"]
    assert "".join(shown["data"]["text/html"]).endswith("x49"), "what was cleared takes no room"
    assert [len(cell["outputs"]) for cell in cells[:9]] == [3] * 9
    for cell in cells[12:]:
        [note] = cell["outputs"]
        assert "reached their limit of 1,000,000 bytes" in "".join(note["text"])
    assert failed["outputs"][-1]["ename"] == "ZeroDivisionError"
    assert run.get_log().count("the last\n") == 30, "the log has it all"
