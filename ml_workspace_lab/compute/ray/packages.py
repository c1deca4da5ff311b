"""Contents that jobs of Ray are given: kept by the cluster for ten minutes from when they were last
asked for, and then for as long as a job that names them runs."""

import hashlib

from ml_workspace_lab.compute.driver import Refused, Unreachable
from ml_workspace_lab.compute.http import Engine

SCHEME = "gcs://"
LARGEST = 32 << 20
"""Ray takes up to 100 MiB at once, and has all of it in its head's memory meanwhile."""


class PackagesApi:
    """Raises Unreachable where there is no answer that can be used."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def put(self, content: bytes) -> str:
        """Have the cluster keep a content, and its name there, which is that of all that is like
        it. Raises Refused where it is not taken."""
        uri = f"{SCHEME}_ray_pkg_{hashlib.sha256(content).hexdigest()[:32]}.zip"
        if not self.keeps(uri):
            answer = self._engine.send("PUT", _path(uri), content)
            if answer.status == 413:
                raise Refused(f"The cluster takes no contents of {len(content)} bytes.")
            if answer.status != 200:
                raise Unreachable(f"{self._engine.url} answers {answer.status}: {answer.text}")
        return uri

    def keeps(self, uri: str) -> bool:
        """Whether it is there; if so, for ten minutes from now on."""
        answer = self._engine.ask("GET", _path(uri))
        if answer.status not in (200, 404):
            raise Unreachable(f"{self._engine.url} answers {answer.status}: {answer.text}")
        return answer.status == 200


def _path(uri: str) -> str:
    return "/api/packages/gcs/" + uri.removeprefix(SCHEME)
