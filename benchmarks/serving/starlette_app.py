"""The floor: Starlette with the model and nothing else. No keys, no log, no limits, no checks."""

import json
import os
import pickle
from pathlib import Path

import numpy
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

model = pickle.loads(Path(os.environ["MODEL"]).read_bytes())


async def score(request: Request) -> JSONResponse:
    rows = json.loads(await request.body())["data"]
    return JSONResponse(model.predict(numpy.asarray(rows)).tolist())


app = Starlette(routes=[Route("/score", score, methods=["POST"])])
