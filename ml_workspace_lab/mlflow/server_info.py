"""What the server says of itself."""

from ml_workspace_lab.mlflow.answers import answer
from ml_workspace_lab.mlflow.wire import Request, Response

VERSION = "3.17.2"
"""The release whose protocol is spoken: clients ask before they use what came later."""

_TEXT = {"Content-Type": "text/plain; charset=utf-8"}


def health(request: Request) -> Response:  # noqa: ARG001 - anybody's
    return Response(200, _TEXT, b"OK")


def version(request: Request) -> Response:  # noqa: ARG001
    return Response(200, _TEXT, VERSION.encode())


def server_info(request: Request) -> Response:  # noqa: ARG001
    return answer(
        store_type="SqlStore",
        workspaces_enabled=False,
        multipart_uploads_enabled=True,
        multipart_downloads_enabled=False,
        artifacts_presigned_only=False,
        artifact_serving_enabled=True,
        tracking_auth="",
    )


def gateway(request: Request) -> Response:  # noqa: ARG001
    """What a server without a gateway tells pages that look for one."""
    return answer(endpoints=[])
