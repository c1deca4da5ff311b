"""`${{inputs.NAME}}` in the words of a command: put in word by word, never read by a shell."""

import re
from collections.abc import Mapping, Sequence

from ml_workspace_lab.api.types import Scalar
from ml_workspace_lab.errors import InvalidInput, shown
from ml_workspace_lab.jobs.model import CommandJob, ScriptJob, SubmitRun

_PLACEHOLDER = re.compile(r"\$\{\{\s*(\w+)\.(\w+)\s*\}\}")
_ANY = re.compile(r"\$\{\{.*?\}\}")


def check(submission: SubmitRun) -> None:
    """Raise InvalidInput on a placeholder that stands for nothing, and on a parameter that is none
    of a command's words."""
    job = submission.job
    if not isinstance(job, ScriptJob | CommandJob):
        return
    field = "job.arguments" if isinstance(job, ScriptJob) else "job.command"
    known = {
        "parameters": set(job.parameters),
        "inputs": set(submission.inputs),
        "outputs": set(submission.outputs),
    }
    for word in words_of(job):
        for found in _ANY.finditer(word):
            match = _PLACEHOLDER.fullmatch(found.group())
            if match is None or match[2] not in known.get(match[1], ()):
                names = [f"{kind}.{name}" for kind in known for name in sorted(known[kind])]
                raise InvalidInput(
                    f"{shown(found.group())} stands for nothing here.",
                    field=field,
                    hint=f"There is: {', '.join(names) or 'none'}.",
                )
    for name, value in job.parameters.items():
        as_word(name, value)


def words_of(job: ScriptJob | CommandJob) -> Sequence[str]:
    return job.arguments if isinstance(job, ScriptJob) else job.command


def filled(
    job: ScriptJob | CommandJob, inputs: Mapping[str, str], outputs: Mapping[str, str]
) -> list[str]:
    """The words with values and paths in place of what stands for them."""
    parameters = {name: as_word(name, value) for name, value in job.parameters.items()}
    values = {"parameters": parameters, "inputs": inputs, "outputs": outputs}
    return [
        _PLACEHOLDER.sub(lambda found: values[found[1]][found[2]], word) for word in words_of(job)
    ]


def as_word(name: str, value: Scalar) -> str:
    """A parameter as an argument: numbers as Python spells them, `true` and `false`."""
    if value is None:
        raise InvalidInput(
            f"parameters.{name}: null can't be an argument.", field=f"parameters.{name}"
        )
    if isinstance(value, str):
        if "\0" in value:
            raise InvalidInput(
                f"parameters.{name}: must not hold a NUL character.", field=f"parameters.{name}"
            )
        return value
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value)
