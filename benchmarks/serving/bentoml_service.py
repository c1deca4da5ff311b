"""BentoML's server of the model, one worker, everything else as it is by default."""

import os
import pickle
from pathlib import Path

import bentoml
import numpy


@bentoml.service(workers=1)
class Model:
    def __init__(self) -> None:
        self.model = pickle.loads(Path(os.environ["MODEL"]).read_bytes())

    @bentoml.api
    def score(self, data: list[list[float]]) -> list[int]:
        return self.model.predict(numpy.asarray(data)).tolist()
