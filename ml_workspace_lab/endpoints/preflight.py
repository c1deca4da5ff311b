"""Trying scoring code before it is deployed: `init()` and `run(sample)` in a fresh process."""

import json
import shutil
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

from ml_workspace_lab.compute.wake import clean_environment
from ml_workspace_lab.errors import InvalidInput, ScoringFailed

LIMIT_SECONDS = 120.0


def try_scoring(model: Path, script: Path | None, sample: Any) -> Any:
    """The answer to `sample`; None without one, when only loading was tried.

    Raises ScoringFailed with the traceback of the script, InvalidInput where the sample is not
    what the model takes.
    """
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as printed:
        # As it will be served: the script alone, without the files that lie beside it here.
        alone = shutil.copy(script, Path(folder) / "score.py") if script else None
        result = Path(folder) / "result.json"
        request = Path(folder) / "request.json"
        content = {
            "model": str(model.absolute()),
            "script": str(alone) if alone else None,
            "sample": None if sample is None else json.dumps(sample),
            "result": str(result),
        }
        request.write_text(json.dumps(content), encoding="utf-8")
        try:
            subprocess.run(
                [sys.executable, "-m", "ml_workspace_lab.endpoints.preflight", str(request)],
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=printed,
                timeout=LIMIT_SECONDS,
                check=False,
                cwd=folder,
                env=clean_environment(),
            )
        except subprocess.TimeoutExpired:
            raise ScoringFailed(f"init() and run() took more than {LIMIT_SECONDS:.0f} s.") from None
        finally:
            printed.seek(0)
            sys.stderr.write(printed.read().decode("utf-8", "replace"))
        if not result.exists():
            raise ScoringFailed("The process that tried the scoring code was killed.")
        return _read(json.loads(result.read_text(encoding="utf-8")))


def _read(found: dict[str, Any]) -> Any:
    if "traceback" in found:
        raise ScoringFailed(found["traceback"], field="scoring_script")
    if "refused" in found:
        raise InvalidInput(f"sample: {found['refused']}", field="sample")
    return found["answer"]


def _main() -> None:
    request = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    script = Path(request["script"]) if request["script"] else None
    found = _attempt(Path(request["model"]), script, request["sample"])
    Path(request["result"]).write_text(json.dumps(found), encoding="utf-8")


def _attempt(model: Path, script: Path | None, sample: str | None) -> dict[str, Any]:
    from ml_workspace_lab.endpoints.scoring.call import BadInput, Call, Reply
    from ml_workspace_lab.endpoints.scoring.payload import encode
    from ml_workspace_lab.endpoints.scoring.scorer import load

    try:
        scorer = load(model, script)
        if sample is None:
            return {"answer": None}
        answer = scorer.answer(Call(sample.encode()))
        if isinstance(answer, Reply):
            return {"answer": _shown(answer.body)}
        return {"answer": json.loads(encode(answer))}
    except BadInput as error:
        return {"refused": str(error)}
    except BaseException:  # noqa: BLE001 - whatever the user's code raises is the finding
        return {"traceback": traceback.format_exc()}


def _shown(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode("utf-8", "replace")


if __name__ == "__main__":
    _main()
