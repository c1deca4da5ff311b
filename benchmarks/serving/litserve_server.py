"""LitServe's server of the model, one worker, everything else as it is by default."""

import os
import pickle
import sys
from pathlib import Path
from typing import Any

import litserve
import numpy


class Model(litserve.LitAPI):
    def setup(self, device: str) -> None:  # noqa: ARG002 - it is called with it
        self.model = pickle.loads(Path(os.environ["MODEL"]).read_bytes())

    def decode_request(self, request: dict[str, Any]) -> Any:
        return request["data"]

    def predict(self, data: Any) -> Any:
        return self.model.predict(numpy.asarray(data)).tolist()

    def encode_response(self, output: Any) -> Any:
        return {"predictions": output}


if __name__ == "__main__":
    server = litserve.LitServer(Model(), accelerator="cpu", workers_per_device=1)
    server.run(port=int(sys.argv[1]), log_level="warning", generate_client_file=False)
