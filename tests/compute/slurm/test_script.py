"""The batch script and the options of sbatch: every value arrives as it is, and as nothing else."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_workspace_lab.compute.driver import Launch, Refused
from ml_workspace_lab.compute.model import Resources
from ml_workspace_lab.compute.slurm.script import options, script
from ml_workspace_lab.compute.slurm.settings import SlurmSettings

RUN = "0" * 32
SHOW = "import json, os, sys; print(json.dumps([sys.argv[1:], dict(os.environ)]))"
words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
HOSTILE = ["'; touch owned; '", "$(touch owned)", "`touch owned`", "a\nb", '"', "\\", "", "--x"]


def launch(
    argv: list[str] | None = None,
    environment: dict[str, str] | None = None,
    walltime_s: float | None = None,
    labels: dict[str, str] | None = None,
    **resources: float,
) -> Launch:
    return Launch(
        RUN,
        2,
        argv or ["/usr/bin/python3"],
        environment or {},
        Resources(**resources),  # type: ignore[arg-type]
        walltime_s,
        15,
        labels or {},
    )


def arrives(argv: list[str], environment: dict[str, str]) -> None:
    text = script(launch([sys.executable, "-c", SHOW, *argv], environment), SlurmSettings())
    done = subprocess.run(["/bin/bash"], input=text.encode(), capture_output=True, check=True)
    seen_argv, seen_environment = json.loads(done.stdout)
    assert seen_argv == argv
    assert environment.items() <= seen_environment.items()
    assert seen_environment["PATH"].split(":")[0] == str(Path(sys.executable).parent)


@pytest.mark.parametrize("word", HOSTILE)
def test_a_hostile_word_is_a_word(word: str, tmp_path: Path) -> None:
    arrives([word, str(tmp_path)], {"A_VARIABLE": word})
    assert not Path("owned").exists()


@settings(max_examples=10)
@given(st.lists(words, max_size=4), st.dictionaries(st.just("A_VARIABLE"), words))
def test_any_words_arrive_whole(argv: list[str], environment: dict[str, str]) -> None:
    arrives(argv, environment)


@pytest.mark.parametrize("name", ["a b", "x;touch owned", "1x", "", "a-b", "ä"])
def test_a_variable_that_no_shell_has_is_refused(name: str) -> None:
    with pytest.raises(Refused, match="variable"):
        script(launch(environment={name: "1"}), SlurmSettings())


def test_modules_are_loaded_before_the_targets_own_python() -> None:
    chosen = SlurmSettings(modules=["python/3.11", "cuda/12.4"], python="/sw/env/bin/python")
    lines = script(launch(["/usr/bin/python3", "-m", "x"]), chosen).splitlines()
    assert lines == [
        "#!/bin/bash -l",
        "module load python/3.11 || exit",
        "module load cuda/12.4 || exit",
        'export PATH=/sw/env/bin:"$PATH"',
        "exec /sw/env/bin/python -m x",
    ]


def test_resources_become_options_rounded_up() -> None:
    wanted = launch(
        walltime_s=90, labels={"of": "a\nb"}, cores=1.5, memory_bytes=1_500_000, gpus=2, nodes=3
    )
    chosen = SlurmSettings(partition="gpu", gpu_type="a100", nice=5, exclusive=True, qos="high")
    found = options(wanted, chosen, "/a/100%j/out")
    assert set(found) == {
        "--parsable",
        f"--job-name=ws-{RUN}-a2",
        f"--comment=run={RUN} attempt=2 of=a?b",
        "--no-requeue",
        "--input=/dev/null",
        "--output=/a/100%%j/out",
        "--open-mode=append",
        "--chdir=/a/100%j",
        "--nodes=3",
        "--ntasks-per-node=1",
        "--cpus-per-task=2",
        "--mem=2M",
        "--gres=gpu:a100:2",
        "--time=2",
        "--partition=gpu",
        "--qos=high",
        "--nice=5",
        "--exclusive",
    }


def test_what_was_not_asked_for_is_left_to_the_site() -> None:
    found = options(launch(), SlurmSettings(), "/dev/null")
    named = {word.partition("=")[0] for word in found}
    assert not named & {"--mem", "--gres", "--time", "--partition", "--account", "--nice"}
