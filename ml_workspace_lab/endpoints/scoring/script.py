"""A scoring script with Azure's contract: `init()` once, then `run` for each request.

`run(text)` gets the body as text; decorated with `@input_schema` it gets the fields of a JSON
object, converted; decorated with `@rawhttp` the request itself. A parameter `request_headers` gets
the headers, too.
"""

import importlib.util
import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ml_workspace_lab.endpoints.scoring import azure
from ml_workspace_lab.endpoints.scoring.call import JSON, BadInput, Call, Reply, as_text, parsed
from ml_workspace_lab.endpoints.scoring.document import ANYTHING, SWAGGERS, Schemas

HEADERS = "request_headers"


class NotLoadable(Exception):
    """There is nothing here that could score; the message says what is missing."""


class Script:
    """A script that has been initialized."""

    def __init__(self, run: Callable[..., Any]) -> None:
        self._run = run
        parameters = inspect.signature(run).parameters
        self._wants_headers = HEADERS in parameters
        self._inputs = [p for name, p in parameters.items() if name != HEADERS]
        if not self._inputs:
            raise NotLoadable("run() takes no argument for the data.")
        self._typed = _has_schema(run)
        if self._typed and azure.wants_raw_http():
            raise NotLoadable("run() can't have both @rawhttp and @input_schema.")

    @classmethod
    def load(cls, path: Path) -> "Script":
        """Raises whatever the script's import and `init()` raise, NotLoadable without a `run`."""
        os.environ["AML_APP_ROOT"] = str(path.parent)
        os.environ["AZUREML_ENTRY_SCRIPT"] = path.name
        azure.provide()
        sys.path.insert(0, str(path.parent))
        spec = importlib.util.spec_from_file_location("score", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["score"] = module
        spec.loader.exec_module(module)
        run = getattr(module, "run", None)
        if not callable(run):
            raise NotLoadable("The scoring script has no function run(data).")
        script = cls(run)
        if callable(init := getattr(module, "init", None)):
            init()
        return script

    def answer(self, call: Call) -> Any:
        """What `run` says, a Reply where that is a whole response of its own."""
        more = {HEADERS: dict(call.headers)} if self._wants_headers else {}
        if self._typed:
            return _replied(self._run(**self._fields(call.json()), **more))
        if azure.wants_raw_http():
            return _replied(self._run(_request(call), **more))
        return _replied(self._run(_text(call), **more))

    @property
    def schemas(self) -> Schemas:
        """What `@input_schema` and `@output_schema` say."""
        if not self._typed:
            return Schemas({"type": "object", "example": {}}, ANYTHING)
        from inference_schema import schema_util

        return Schemas(
            schema_util.get_input_schema(self._run),
            schema_util.get_output_schema(self._run),
            tuple(v for v in SWAGGERS if v in schema_util.get_supported_versions(self._run)),
        )

    def _fields(self, body: Any) -> dict[str, Any]:
        if not isinstance(body, dict):
            raise BadInput("The body is not a JSON object.")
        values = {p.name: body.get(p.name, p.default) for p in self._inputs}
        for name, value in values.items():
            if value is inspect.Parameter.empty:
                raise BadInput(f"The body has no value for {name!r}.")
        return values


def _has_schema(run: Callable[..., Any]) -> bool:
    if "inference_schema" not in sys.modules:
        return False
    from inference_schema.schema_util import is_schema_decorated

    return bool(is_schema_decorated(run))


def _text(call: Call) -> str:
    """Any text, but what is called JSON has to be."""
    if call.method == "GET":
        return as_text(call.parameters())
    call.require_utf_8()
    if call.content_type == JSON:
        parsed(call.body)
    try:
        return call.body.decode()
    except UnicodeDecodeError as error:
        raise BadInput(f"The body is not UTF-8: byte {error.start} can't be decoded.") from None


def _request(call: Call) -> Any:
    from werkzeug.wrappers import Request

    return Request.from_values(
        call.uri, method=call.method, headers=list(call.headers), data=call.body
    )


def _replied(answer: Any) -> Any:
    """An answer as it is, or werkzeug's or Flask's response as a Reply."""
    wrappers = sys.modules.get("werkzeug.wrappers")
    if wrappers is None or not isinstance(answer, wrappers.Response):
        return answer
    skipped = ("content-length", "connection", "transfer-encoding")
    headers = [(k, v) for k, v in answer.headers.items() if k.lower() not in skipped]
    return Reply(answer.get_data(), answer.status_code, headers)
