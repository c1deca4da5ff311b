"""Modules of PyTorch: how they are kept, read, and put rows to."""

import pickle
from pathlib import Path
from types import ModuleType
from typing import Any

PICKLE, EXPORTED = "model.pth", "model.pt2"
"""The module itself, and a graph of it as `torch.export` has it. Reading either may run code."""


class Module:
    """A module that answers rows. One that was exported has no other mode than that it was exported
    in; any other one is in that for answering meanwhile."""

    def __init__(self, module: Any, *, is_exported: bool = False) -> None:
        self._module = module
        self._is_exported = is_exported

    def predict(self, rows: Any) -> Any:
        """The answer as an array. Rows are taken in the precision of the module's own numbers.
        Raises ValueError where it does not take them."""
        import numpy
        import torch

        array = numpy.array(rows)
        if array.dtype.kind not in "biuf":
            array = array.astype("f8")
        own = [one for one in self._module.parameters() if one.is_floating_point()]
        like = own[0] if own else torch.empty(0)
        given = torch.from_numpy(array).to(like.device, like.dtype)
        was_training = not self._is_exported and self._module.training
        if was_training:
            self._module.eval()
        try:
            with torch.no_grad():
                found = self._module(given)
        except (RuntimeError, IndexError) as error:
            raise ValueError(str(error)) from error
        finally:
            if was_training:
                self._module.train()
        if not isinstance(found, torch.Tensor):
            raise TypeError(f"the module answers with a {type(found).__name__}, and no tensor")
        return found.cpu().numpy()


def save(module: Any, path: Path, pickler: Any) -> None:
    """Write a module by what pickles it."""
    import torch

    writer = ModuleType("pickle")  # cloudpickle itself lacks a part that is asked for
    writer.__dict__.update(Pickler=pickler.Pickler, Unpickler=pickle.Unpickler)
    torch.save(module, path, pickle_module=writer)


def load(folder: Path) -> Module:
    """The module in a folder of data that MLflow, or `save`, has written."""
    import torch

    path = folder / PICKLE
    if path.exists():
        found = torch.load(path, map_location="cpu", weights_only=False)
        return Module(found.eval())
    return Module(torch.export.load(folder / EXPORTED).module(), is_exported=True)
