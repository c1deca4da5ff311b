"""`python -m ml_workspace_lab.models.compiled FOLDER TARGET [DATA]`: see `process`."""

import os
import sys
import warnings
from pathlib import Path

import msgspec

from ml_workspace_lab import prctl, telemetry
from ml_workspace_lab.models.compiled.compiling import compile_folder
from ml_workspace_lab.models.compiled.process import VERDICT
from ml_workspace_lab.storage.files import write_atomic


def main(folder: Path, target: Path, data: Path | None) -> None:
    prctl.die_with_parent(os.getppid())
    telemetry.switch_off(os.environ)
    warnings.simplefilter("ignore")
    print("Compiling the model for ONNX Runtime", flush=True)  # noqa: T201 - a process's log
    verdict = compile_folder(folder, target, data)
    print(f"{'Kept' if verdict.kept else 'Not kept'}: {verdict.reason}", flush=True)  # noqa: T201
    write_atomic(target / VERDICT, msgspec.json.encode(verdict))


if __name__ == "__main__":
    model, place, *rows = map(Path, sys.argv[1:])
    main(model, place, rows[0] if rows else None)
