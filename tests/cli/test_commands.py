"""The command `ml-workspace`: what it prints, and exit codes that scripts can rely on."""

import json
import pickle
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.access.model import CreateToken
from ml_workspace_lab.cli import main
from ml_workspace_lab.cli.derived import NOUNS
from tests.conftest import Server
from tests.endpoints.support import SCALE, request
from tests.notebooks import write_notebook


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Cli = Callable[..., Result]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Cli:
    """Run a command in a folder of its own."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("ML_WORKSPACE_TOKEN", raising=False)

    def call(*words: str) -> Result:
        capfd.readouterr()
        try:
            code = main.run(words)
        except SystemExit as ending:  # from argparse: help and usage
            code = ending.code if isinstance(ending.code, int) else 1
        captured = capfd.readouterr()
        return Result(code, captured.out, captured.err)

    return call


@pytest.fixture
def here(cli: Cli, ws: Workspace) -> Cli:
    """The same in a folder that belongs to a workspace."""
    ws.write_config(".")
    return cli


def test_init_starts_a_workspace_in_this_folder(cli: Cli) -> None:
    assert cli("show").code == 3
    made = cli("-o", "json", "init", "lab")
    assert (made.code, made.json["name"]) == (0, "lab")
    assert Path(".mlworkspace/config.json").is_file()
    assert cli("-o", "json", "show").json == made.json
    again = cli("init", "lab")
    assert again.code == 5
    assert "already" in again.err
    other = cli("init", "--folder", "below")
    assert other.code == 0
    assert re.search(r"name +below\n", other.out)


def test_diagnose_looks_at_every_part(here: Cli) -> None:
    found = here("-o", "json", "diagnose")
    assert found.code == 0
    checks = {item["check"] for item in found.json["items"]}
    assert checks == {"database", "folder", "disk", "agent"}
    assert "It is whole." in here("diagnose").out


def test_a_notebook_is_run_and_followed(here: Cli) -> None:
    write_notebook(Path("nb.ipynb"), "print('depth is', depth)", parameters="depth = 1")
    followed = here("run", "nb.ipynb", "-p", "depth=7", "-t", "a=b", "-n", "seven", "--follow")
    assert followed.code == 0, followed.err
    assert "depth is 7" in followed.out
    assert "[Completed]" in followed.out
    run = here("-o", "json", "runs", "list").json["items"][0]
    assert (run["experiment"], run["display_name"], run["tags"]) == ("nb", "seven", {"a": "b"})
    assert here("runs", "log", run["run_id"]).out == "depth is 7\n"
    assert here("-o", "json", "runs", "show", run["run_id"]).json["state"] == "Completed"
    history = here("-o", "json", "runs", "history", run["run_id"]).json["items"]
    assert (history[0]["state"], history[-1]["state"]) == ("NotStarted", "Completed")
    assert "output.ipynb" in here("runs", "artifacts", run["run_id"]).out


def test_a_script_and_a_command_get_their_arguments(here: Cli) -> None:
    Path("train.py").write_text("import sys; print(sys.argv[1:])")
    assert "['5', 'x y']" in here("run", "-f", "train.py", "5", "x y").out
    assert "--flag" in here("run", "-f", "--", "echo", "--flag", "-o", "json").out
    submitted = here("-o", "json", "run", "-e", "other", "--", "true")
    assert submitted.json["experiment"] == "other"
    assert "other" in here("experiment").out


def test_with_json_the_result_is_the_one_thing_on_the_output_stream(here: Cli) -> None:
    followed = here("-o", "json", "run", "-f", "--", "echo", "to the log")
    assert followed.json["state"] == "Completed"
    assert "to the log" in followed.err
    failed = here("-o", "json", "run", "-f", "--", "false")
    assert failed.code == 1
    assert failed.out == ""
    assert json.loads(failed.err.splitlines()[-1])["error_code"] == "RunFailed"


def test_models_are_registered_shown_downloaded_and_deleted(here: Cli) -> None:
    Path("outputs").mkdir()
    Path("outputs/w.txt").write_text("w")
    made = here("-o", "json", "model", "register", "m", "outputs", "-t", "a=b", "-d", "mine")
    assert (made.code, made.json["version"], made.json["tags"]) == (0, 1, {"a": "b"})
    run = here("-o", "json", "run", "-f", "--", "sh", "-c", "echo x > outputs/x.txt").json
    second = here("-o", "json", "model", "register", "m", "--run", run["run_id"]).json
    assert (second["version"], second["run_id"]) == (2, run["run_id"])
    assert here("-o", "json", "model", "show", "m", "1").json["description"] == "mine"
    assert len(here("-o", "json", "model", "versions", "m").json["items"]) == 2
    assert here("-o", "json", "model", "download", "m:1", "back").json["model"] == "m:1"
    assert Path("back/w.txt").read_text() == "w"
    assert here("-o", "json", "model", "delete", "m", "2").json == {}
    assert here("model", "delete", "m", "2").code == 3
    assert "m" in here("model").out


def test_an_endpoint_is_tried_deployed_asked_and_deleted(here: Cli) -> None:
    Path("factor.txt").write_text("3")
    Path("score.py").write_text(SCALE + "\nprint('loaded')\n")
    here("model", "register", "scale", "factor.txt")
    tried = here(
        "-o", "json", "endpoint", "deploy", "e-one", "scale", "--script", "score.py",
        "--sample", '{"x": 2}', "--dry-run",
    )  # fmt: skip
    assert tried.json["answer"]["y"] == 6, "what the script prints is not in the result"
    assert here("-o", "json", "endpoint", "list").json == {"items": []}
    made = here(
        "-o", "json", "endpoint", "deploy", "e-one", "scale:1", "--script", "score.py",
        "--env", "A=b=c", "--limit", "max_body_bytes=1000",
    )  # fmt: skip
    assert made.json["endpoint"]["environment_variables"] == ["A"]
    assert made.json["endpoint"]["request_settings"]["max_body_bytes"] == 1000
    assert made.json["endpoint"]["state"] == "Healthy"
    key, uri = made.json["keys"]["primary"], made.json["endpoint"]["scoring_uri"]
    assert request("POST", uri, '{"x": 1}', Authorization=f"Bearer {key}").json["y"] == 3
    assert here("-o", "json", "endpoint", "score", "e-one", '{"x": 5}').json["answer"]["y"] == 15
    assert "Serving scale:1" in here("endpoint", "log", "e-one").out
    again = here(
        "-o", "json", "endpoint", "deploy", "e-one", "scale", "--script", "score.py",
        "--workers", "2", "--max-workers", "3", "--target-utilization", "60",
    )  # fmt: skip
    [deployment] = again.json["endpoint"]["deployments"]
    assert deployment["workers"] == 2
    assert deployment["scaling"]["autoscale_max_replicas"] == 3
    assert "Serving scale:1" in here("endpoint", "log", "e-one", "--worker", "2").out
    scaled = here("-o", "json", "endpoint", "scale", "e-one", "default", "--workers", "1").json
    assert scaled["deployments"][0]["scaling"]["workers"] == 1
    new = here("-o", "json", "endpoint", "key", "e-one", "--key", "primary").json["primary"]
    assert request("POST", uri, '{"x": 1}', Authorization=f"Bearer {key}").status == 401
    assert request("POST", uri, '{"x": 1}', Authorization=f"Bearer {new}").status == 200
    failed = here("endpoint", "score", "e-one", "{}")
    assert failed.code == 1
    assert "KeyError: 'x'" in failed.err
    assert here("model", "delete", "scale", "1").code == 5
    assert here("endpoint", "delete", "e-one").code == 0
    assert here("endpoint", "show", "e-one").code == 3


def test_a_script_that_fails_is_not_deployed(here: Cli) -> None:
    Path("model.pkl").write_bytes(pickle.dumps({}))
    Path("score.py").write_text("def init(): raise RuntimeError('no weights')\ndef run(data): 1")
    here("model", "register", "m", "model.pkl")
    refused = here("endpoint", "deploy", "e-one", "m", "--script", "score.py")
    assert refused.code == 5
    assert "`ml-workspace model trust m 1`" in refused.err
    assert here("model", "trust", "m", "1", "--note", "mine").code == 0
    failed = here("endpoint", "deploy", "e-one", "m", "--script", "score.py")
    assert failed.code == 1
    assert "RuntimeError: no weights" in failed.err
    assert here("endpoint").out == "None yet.\n"


def test_every_refusal_has_its_exit_code(
    here: Cli, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert here("compute").code == 0
    assert here("run", "-f", "--", "false").code == 1
    assert here("run", "missing.ipynb").code == 2
    assert here("no-such-command").code == 2
    assert here("runs", "show", "0" * 32).code == 3
    assert here("-w", "nowhere", "show").code == 3
    assert here("-w", server.url, "show").code == 4, "it wants a token"
    reader = server.local.connection.tokens.create(CreateToken("r", ["*/read"]))
    monkeypatch.setenv("ML_WORKSPACE_TOKEN", reader.token)
    assert here("-w", server.url, "model", "list").code == 0
    denied = here("-o", "json", "-w", server.url, "run", "--", "true")
    assert denied.code == 4
    assert json.loads(denied.err)["error_code"] == "Denied"
    run = here("-o", "json", "run", "-f", "--", "true").json
    assert here("runs", "cancel", run["run_id"]).code == 5
    unreachable = here("-w", "http://127.0.0.1:9", "show")
    assert unreachable.code == 6
    assert "can't be reached" in unreachable.err


LONG = "x" * 10_000


@pytest.mark.parametrize(
    ("words", "field"),
    [
        (["run", LONG + ".ipynb"], "notebook"),
        (["run", LONG + ".py"], "script"),
        (["run", "missing.ipynb"], "notebook"),
        (["run", "../../missing.py"], "script"),
        (["run"], "file"),
        (["run", "x.py", "--", "true"], "script"),
        (["run", "-n", LONG, "--", "true"], "display_name"),
        (["run", "-e", LONG, "--", "true"], "experiment"),
        (["run", "-c", "moon", "--", "true"], "compute_target"),
        (["run", "-t", "no-value", "--", "true"], "tag"),
        (["run", "-t", "=x", "--", "true"], "tag"),
        (["run", "-p", "no-value", "here.ipynb"], "param"),
        (["run", "-p", "unknown=1", "here.ipynb"], "parameters.unknown"),
        (["run", "here.ipynb", "argument"], "arguments"),
        (["run", "-k", "no-kernel", "here.ipynb"], "kernel_name"),
        (["run", "--timeout", "nan", "--", "true"], "timeout_seconds"),
        (["run", "--timeout", "0", "--", "true"], "timeout_seconds"),
        (["init", LONG], "name"),
        (["init", "../up"], "name"),
        (["init", "--folder", "here.py/below"], "location"),
        (["-w", LONG, "show"], "workspace"),
        (["-w", "http://[x", "show"], "url"),
        (["-w", "http://127.0.0.1:99999", "show"], "url"),
        (["model", "register", "../m", "here.py"], "name"),
        (["model", "register", LONG, "here.py"], "name"),
        (["model", "register", "m", LONG], "model_path"),
        (["model", "register", "m", "../nowhere"], "model_path"),
        (["model", "register", "m"], "path"),
        (["model", "download", "m:" + "9" * 5000], "model"),
        (["model", "show", "m", "x"], "version"),
        (["endpoint", "show", LONG], "name"),
        (["endpoint", "show", "../x"], "name"),
        (["endpoint", "score", "e-one", "{"], "data"),
        (["endpoint", "scale", "e-one", "default", "--workers", "0"], "workers"),
        (["runs", "list", "--limit", "0"], "limit"),
        (["runs", "show", "../x"], "run_id"),
    ],
)
def test_bad_input_is_one_line_that_names_the_field(
    here: Cli, ws: Workspace, monkeypatch: pytest.MonkeyPatch, words: list[str], field: str
) -> None:
    monkeypatch.setenv("ML_WORKSPACE_TOKEN", "token")
    Path("here.py").write_text("")
    write_notebook(Path("here.ipynb"), "1", parameters="a = 1")
    refused = here("-o", "json", *words)
    assert refused.out == ""
    error = json.loads(refused.err)
    assert error["field"] == field
    assert len(error["message"]) < 200
    said = here(*words)
    assert said.code == refused.code
    assert said.code in (2, 3)
    assert said.err.startswith("Error: ")
    assert len(said.err.splitlines()) <= 2
    assert "Traceback" not in said.err
    assert ws.runs() == []


def test_every_command_has_help(cli: Cli) -> None:
    overview = cli("--help")
    assert overview.code == 0
    for noun in ("init", "run", "runs", "model", "endpoint", "diagnose", "token", "audit"):
        assert noun in overview.out
        shown = cli(noun, "--help")
        assert (shown.code, shown.err) == (0, "")
        assert f"usage: ml-workspace {noun}" in shown.out
    assert "--experiment" in cli("runs", "list", "--help").out


def test_the_help_of_a_command_is_one_whole_sentence(cli: Cli) -> None:
    listed = " ".join(cli("experiment", "--help").out.split())
    assert "those in the trash (deleted), or all; or the one of a number." in listed
    assert "Raises" not in listed
    assert "after is the next of the page before." in " ".join(cli("runs", "--help").out.split())


@pytest.mark.parametrize(("noun", "verbs"), [(n, verbs) for n, (_, verbs) in NOUNS.items()])
def test_every_verb_says_what_it_does(
    cli: Cli, noun: str, verbs: dict[str, tuple[str, str]]
) -> None:
    for verb in verbs:
        usage, said, *_ = cli(noun, verb, "--help").out.split("\n\n")
        assert usage.startswith(f"usage: ml-workspace {noun} {verb}")
        assert said.rstrip().endswith("."), (verb, said)


def test_names_do_not_steer_the_terminal(here: Cli, ws: Workspace) -> None:
    ws.experiment("e").start_logging("evil \u202e\u009b31m").complete()
    shown = here("runs").out
    assert "\u202e" not in shown
    assert "\u009b" not in shown
    assert "\\u202e" in shown


def test_instances_have_their_verbs_and_refusals_their_codes(here: Cli, tmp_path: Path) -> None:
    assert here("instance").out == "None yet.\n"
    assert here("instance", "create", "1st").code == 2
    wrong = here("instance", "create", "nb1", "--schedule", "stop 0 18 * * 9 UTC")
    assert (wrong.code, "schedules[0]" in wrong.err) == (2, True)
    missing = here("instance", "create", "nb1", "--startup-script", str(tmp_path / "none.sh"))
    assert (missing.code, "none.sh" in missing.err) == (2, True)
    for verb in ("show", "start", "stop", "restart", "delete", "logs", "url", "files", "update"):
        refused = here("-o", "json", "instance", verb, "nb1")
        assert (refused.code, json.loads(refused.err)["error_code"]) == (3, "NotFound"), verb
    assert here("-o", "json", "instance", "list").json == {"items": []}
