"""`python -m ml_workspace_lab.environments FOLDER NAME VERSION`: build an environment."""

import sys
from pathlib import Path

from ml_workspace_lab.environments.building import build
from ml_workspace_lab.environments.builds import Builds
from ml_workspace_lab.errors import WorkspaceError
from ml_workspace_lab.services import Services
from ml_workspace_lab.workspace import folder


def main(root: Path, name: str, number: int) -> int:
    services = Services(folder.open_(root))
    version = services.environments.get(name, number)
    builds = Builds.of(root)
    try:
        builds.prepare()
        lock = services.environments.locked(version, builds.folder / f"{version.digest[:32]}.log")
        build(builds, lock)
    except Exception as error:
        builds.fail(version.digest[:32], str(error))
        if isinstance(error, WorkspaceError):
            return 1
        raise
    builds.forgive(version.digest[:32])
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
