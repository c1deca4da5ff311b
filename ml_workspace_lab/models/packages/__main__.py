"""`python -m ml_workspace_lab.models.packages FOLDER ID`: make the image of a package."""

import os
import shutil
import sys
from pathlib import Path

from ml_workspace_lab.errors import WorkspaceError
from ml_workspace_lab.models.packages.building import Building
from ml_workspace_lab.models.packages.folder import PackageFolder
from ml_workspace_lab.services import Services
from ml_workspace_lab.supervision import Presence
from ml_workspace_lab.workspace import folder


def main(root: Path, package_id: str) -> int:
    place = PackageFolder.of(root, package_id)
    presence = Presence.take(place)
    if presence is None:
        return os.EX_TEMPFAIL
    try:
        place.finish(Building(Services(folder.open_(root)), place).build())
    except Exception as error:
        place.fail(str(error) or type(error).__name__)
        place.image.unlink(missing_ok=True)
        if isinstance(error, WorkspaceError):
            return 1
        raise
    finally:
        shutil.rmtree(place.parts, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
