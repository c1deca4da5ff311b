"""The few names of Azure's packages that scoring scripts import.

Where the packages themselves are installed, they are used.
"""

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType

_HERE = Path(__file__).parent
_PACKAGES = (
    "azureml",
    "azureml.contrib",
    "azureml.contrib.services",
    "azureml_inference_server_http",
    "azureml_inference_server_http.api",
)
MODEL_NAME = "ML_WORKSPACE_MODEL"
"""The variable that holds the name of the deployed model."""
RAW_HTTP = (
    "azureml.contrib.services.aml_request",
    "azureml_inference_server_http.api.aml_request",
)
_FILES = {
    "azureml.core": "model.py",
    "azureml.core.model": "model.py",
    **dict.fromkeys(RAW_HTTP, "aml_request.py"),
    "azureml.contrib.services.aml_response": "aml_response.py",
    "azureml_inference_server_http.api.aml_response": "aml_response.py",
}


class _Finder:
    # No MetaPathFinder: importlib.abc would bring a dozen modules into every scoring process.
    def find_spec(
        self, name: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name in _PACKAGES:
            return ModuleSpec(name, None, is_package=True)
        if name in _FILES:
            return spec_from_file_location(
                name, _HERE / _FILES[name], submodule_search_locations=[]
            )
        return None


def provide() -> None:
    """Make the names importable in this process."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())


def wants_raw_http() -> bool:
    """Whether a script of this process was decorated with `@rawhttp`."""
    modules = (sys.modules.get(name) for name in RAW_HTTP)
    return any(getattr(module, "_rawHttpRequested", False) for module in modules)
