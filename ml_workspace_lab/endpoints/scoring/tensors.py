"""Tensors of the Open Inference Protocol to and from what models take and give."""

from collections.abc import Iterator, Sequence
from math import prod
from typing import Annotated, Any

from msgspec import Meta, Struct, field

from ml_workspace_lab.endpoints.scoring.call import BadInput
from ml_workspace_lab.endpoints.scoring.columns import Column, Signature

DTYPES = {
    "BOOL": "bool",
    **{f"INT{bits}": f"int{bits}" for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)},
    "FP32": "float32",
    "FP64": "float64",
    "BYTES": "object",
}  # fmt: skip
OF_KINDS = {
    "boolean": "BOOL",
    "integer": "INT32",
    "long": "INT64",
    "float": "FP32",
    "double": "FP64",
}
PREDICTIONS = "predict"
_PYTHON = {"b": (bool,), "i": (int,), "u": (int,), "f": (int, float), "O": (str,)}
BINARY = ("binary_data", "binary_data_size", "binary_data_output")


class Tensor(Struct, forbid_unknown_fields=True):
    """`data` row by row, nested or flat."""

    name: str
    shape: list[Annotated[int, Meta(ge=0)]]
    datatype: str
    data: list[Any]
    parameters: dict[str, Any] = field(default_factory=dict)


class WantedOutput(Struct, forbid_unknown_fields=True):
    name: str
    parameters: dict[str, Any] = field(default_factory=dict)


class InferenceRequest(Struct, forbid_unknown_fields=True):
    inputs: Annotated[list[Tensor], Meta(min_length=1)]
    id: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    outputs: list[WantedOutput] | None = None


def inputs(signature: Signature, names: list[str], count: int | None) -> list[dict[str, Any]]:
    """The tensors that a model takes: one for each named column, else one of all."""
    if signature.inputs:
        return described(signature.inputs, "input")
    if names:
        return [{"name": name, "datatype": "FP64", "shape": [-1]} for name in names]
    return [{"name": "input", "datatype": "FP64", "shape": [-1, count or -1]}]


def described(columns: Sequence[Column], unnamed: str) -> list[dict[str, Any]]:
    """The columns of a signature as the protocol describes tensors."""
    return [
        {"name": c.name or unnamed, "datatype": _datatype(c.kind), "shape": list(c.shape)}
        for c in columns
    ]


def _datatype(kind: str) -> str:
    named = {dtype: datatype for datatype, dtype in DTYPES.items()}
    return OF_KINDS.get(kind) or named.get(kind, "BYTES")


def joined(tensors: list[Tensor], names: list[str]) -> Any:
    """The rows of the tensors: an array where one holds them all, else a data frame of columns.
    Raises BadInput, naming the tensor."""
    arrays = {tensor.name: array(tensor) for tensor in tensors}
    if len(arrays) < len(tensors):
        raise BadInput("A tensor stands twice.")
    [first, *others] = arrays.values()
    if not others and first.ndim > 1 and list(arrays) != names and (first.ndim == 2 or not names):
        return first
    for name, found in arrays.items():
        if found.ndim != 1 and found.shape[1:] != (1,):
            raise BadInput(f"{name}: as one of several, it must have the shape [n] or [n, 1].")
    if len({len(found) for found in arrays.values()}) > 1:
        raise BadInput("The tensors differ in length.")
    import pandas

    return pandas.DataFrame({name: found.reshape(-1) for name, found in arrays.items()})


def array(tensor: Tensor) -> Any:
    """The numpy array of a tensor; raises BadInput."""
    import numpy

    name = tensor.name
    if tensor.datatype not in DTYPES:
        known = ", ".join(DTYPES)
        raise BadInput(f"{name}: the datatype {tensor.datatype!r} is not one of {known}.")
    dtype = numpy.dtype(DTYPES[tensor.datatype])
    values = list(_flat(tensor.data))
    if len(values) != prod(tensor.shape) or not tensor.shape:
        raise BadInput(f"{name}: {len(values)} values do not fill the shape {tensor.shape}.")
    if not all(type(value) in _PYTHON[dtype.kind] for value in values):
        raise BadInput(f"{name}: not every value is {tensor.datatype}.")
    if not _fit(values, dtype):
        raise BadInput(f"{name}: not every value fits into {tensor.datatype}.")
    return numpy.array(values, dtype).reshape(tensor.shape)


def outputs(answer: Any) -> list[dict[str, Any]]:
    """Predictions as tensors: one, or one a column of a data frame. Raises ValueError where they
    are none."""
    if hasattr(answer, "columns"):
        return [_output(str(name), answer[name].to_numpy()) for name in answer.columns]
    import numpy

    return [_output(PREDICTIONS, numpy.asarray(answer))]


def _output(name: str, found: Any) -> dict[str, Any]:
    kinds = {dtype: kind for kind, dtype in DTYPES.items()}
    if found.dtype.kind in "US" or (
        found.dtype == object and all(isinstance(v, str) for v in found.flat)
    ):
        found = found.astype(object)
    elif found.dtype.name not in kinds or found.dtype == object:
        raise ValueError(f"predictions of the type {found.dtype} are no tensor")
    return {
        "name": name,
        "shape": list(found.shape) or [1],
        "datatype": kinds[found.dtype.name],
        "data": found.reshape(-1).tolist(),
    }


def _fit(values: list[Any], dtype: Any) -> bool:
    """Whether numbers are within the limits of their type."""
    import numpy

    if dtype.kind not in "iuf":
        return True
    limits = numpy.finfo(dtype) if dtype.kind == "f" else numpy.iinfo(dtype)
    number = float if dtype.kind == "f" else int
    least, most = number(limits.min), number(limits.max)
    return all(least <= value <= most for value in values)


def _flat(values: list[Any]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, list):
            yield from _flat(value)
        else:
            yield value
