"""The paths of a scoring process."""

from tornado import web

from ml_workspace_lab.endpoints.scoring import inference
from ml_workspace_lab.endpoints.scoring.handlers import (
    DocumentHandler,
    HealthHandler,
    NothingHandler,
    Served,
)
from ml_workspace_lab.endpoints.scoring.inference import (
    InferHandler,
    ModelHandler,
    ModelReadyHandler,
    ServerHandler,
    ServerHealthHandler,
)
from ml_workspace_lab.endpoints.scoring.invocations import InvocationsHandler, PingHandler
from ml_workspace_lab.endpoints.scoring.score import ScoreHandler


def application(served: Served) -> web.Application:
    return web.Application(
        [
            (r"/", HealthHandler),
            (r"/healthz", HealthHandler),
            (r"/score", ScoreHandler),
            (r"/openapi\.json", DocumentHandler, {"version": "3.1"}),
            (r"/swagger\.json", DocumentHandler, {"version": "2"}),
            (r"/invocations", InvocationsHandler),
            (r"/(?:ping|health)", PingHandler),
            (r"/v2", ServerHandler),
            (r"/v2/health/(live|ready)", ServerHealthHandler),
            (inference.MODEL, ModelHandler),
            (inference.MODEL + "/ready", ModelReadyHandler),
            (inference.MODEL + "/infer", InferHandler),
        ],
        default_handler_class=NothingHandler,
        log_function=_log,
        served=served,
    )


def _log(handler: web.RequestHandler) -> None:
    request = handler.request
    milliseconds = 1000 * request.request_time()
    path = request.path[:200].encode("ascii", "backslashreplace").decode()
    print(f"{request.method} {path} {handler.get_status()} {milliseconds:.1f} ms", flush=True)  # noqa: T201
