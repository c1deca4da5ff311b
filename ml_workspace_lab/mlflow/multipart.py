"""The calls about large artifacts that come in parts.

Who begins and ends an upload has the right to put the artifact, which the same operation checks as
for one that comes whole. A part is sent to an address of ours that was given to such a caller: it
is signed for that part, and clients send no token there.
"""

import re
from collections.abc import Mapping
from urllib.parse import urlencode

from msgspec import Struct

from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.mlflow.answers import NOTHING, answer
from ml_workspace_lab.mlflow.errors import missing
from ml_workspace_lab.mlflow.reading import body, query
from ml_workspace_lab.mlflow.shelves import Shelf, safe, shelf
from ml_workspace_lab.mlflow.wire import Request, Response
from ml_workspace_lab.storage.uploads import Link

PARTS = "/api/2.0/mlflow-artifacts/mpu/parts"

_SEPARATORS = re.compile(r"[/\\]")


class Begin(Struct):
    path: str
    num_parts: int


class Part(Struct):
    part_number: int
    etag: str


class Complete(Struct):
    path: str
    upload_id: str
    parts: list[Part]


class Abort(Struct):
    path: str
    upload_id: str


class Signed(Struct):
    until: int
    signature: str


class Credential(Struct, frozen=True):
    """Where the client sends a part."""

    url: str
    part_number: int
    headers: Mapping[str, str] = {}


def create(request: Request) -> Response:
    call = body(request, Begin)
    on, path, target = _target(request, call.path)
    on.require_put(path)
    links = request.connection.storage.uploads.begin(target, call.num_parts)
    credentials = [Credential(_url(request.address, link), link.part) for link in links]
    return answer(upload_id=links[0].upload_id, credentials=credentials)


def put_part(request: Request) -> Response:
    """Keep one part. The signature is the right to it."""
    signed = query(request, Signed)
    given = request.path
    link = Link(given["upload_id"], int(given["part"]), signed.until, signed.signature)
    etag = request.connection.storage.uploads.put(link, request.body)
    return Response(200, {"ETag": f'"{etag}"'})


def complete(request: Request) -> Response:
    call = body(request, Complete)
    on, path, target = _target(request, call.path)
    on.require_put(path)
    digests = {part.part_number: part.etag.strip('"') for part in call.parts}
    if len(digests) != len(call.parts):
        raise InvalidInput("parts: names a part twice.", field="parts")
    uploads = request.connection.storage.uploads
    with uploads.whole(call.upload_id, target, digests) as content:
        if content is not None:
            on.put(path, content)
    return NOTHING


def abort(request: Request) -> Response:
    call = body(request, Abort)
    on, path, target = _target(request, call.path)
    on.require_put(path)
    request.connection.storage.uploads.drop(call.upload_id, target)
    return NOTHING


CALLS = {"create": create, "complete": complete, "abort": abort}


def _target(request: Request, given: str) -> tuple[Shelf, str, str]:
    """Whose file it becomes, its path there, and its path from the proxy's root. Clients name the
    folder in the address; of the path that the file has with them its last part is the name."""
    name = _SEPARATORS.split(given)[-1]
    if not name:
        raise missing("path")
    target = f"{safe(request.path['path'])}/{safe(name)}"
    on, path = shelf(request.connection, target)
    return on, path, target


def _url(address: str, link: Link) -> str:
    signed = urlencode({"until": link.until, "signature": link.signature})
    return f"{address}{PARTS}/{link.upload_id}/{link.part}?{signed}"
