"""Making an image: in a process of its own, layer by layer."""

import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from ml_workspace_lab.environments.building import Progress
from ml_workspace_lab.environments.builds import Build
from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.models.compiled.model import Compilation
from ml_workspace_lab.models.model import ModelVersion
from ml_workspace_lab.models.packages import contents, distributions, interpreters, layouts, needs
from ml_workspace_lab.models.packages.folder import PackageFolder, PackageRequest, PackageResult
from ml_workspace_lab.models.packages.images import Image, hex_of
from ml_workspace_lab.models.packages.interpreters import Interpreter
from ml_workspace_lab.models.packages.layers import Entry, Layer, write_layer
from ml_workspace_lab.models.packages.model import PackagedLayer
from ml_workspace_lab.models.packages.needs import Needs
from ml_workspace_lab.models.packages.places import Contained
from ml_workspace_lab.services import Services
from ml_workspace_lab.storage.files import disk_errors

_FOLDERS = {"tmp": 0o1777}


class Building:
    """The work on one package."""

    def __init__(self, services: Services, folder: PackageFolder) -> None:
        self._services = services
        self._folder = folder
        self._blobs = services.storage.blobs
        self._layers: list[Layer] = []

    def build(self) -> PackageResult:
        """Make the image. Raises InvalidInput, BuildFailed, NotFound, StorageFull: what says why it
        can't be made."""
        request = self._folder.request()
        platform = interpreters.platform_here()
        versions = [self._services.models.version(m.name, m.version) for m in request.models]
        python, environment, wanted = self._needs(request, versions)
        graph = self._graph(request, versions[0], python)
        there = distributions.present(
            python, (*wanted.if_there, *(needs.OF_GRAPHS if graph is not None else ()))
        )
        found = distributions.needed(python, [*wanted.wanted, *there], wanted.left_out)
        with disk_errors():
            self._folder.parts.mkdir(mode=0o700, exist_ok=True)
        libraries = None
        if not request.for_base:
            self._tell("Packing the interpreter")
            files, libraries = interpreters.files(python, distributions.extensions(found))
            self._add(f"Python {python.full_version}", files, _FOLDERS)
        self._tell(f"Packing {len(found)} packages")
        self._add(f"{len(found)} packages", contents.packages(found))
        self._add("what answers requests", contents.server())
        for version in versions:
            name = f"{version.name}:{version.version}"
            self._tell(f"Packing the model {name}")
            folder = f"{version.name}/{version.version}" if len(versions) > 1 else ""
            self._add(f"the model {name}", contents.model(version, self._blobs, folder))
        if graph is not None:
            self._add("the graph of the model", contents.graph(graph, self._blobs))
        script = self._folder.script.read_bytes() if request.has_script else None
        contained = Contained(
            [f"{v.name}:{v.version}" for v in versions],
            request.has_script,
            python.version,
            request.engine,
        )
        self._add("what it is told", contents.settings(contained, script))
        config = contents.config(
            python, self._layers, versions[0], platform, wanted.variables, libraries
        )
        image = Image.make(
            config,
            [layer.descriptor for layer in self._layers],
            contents.annotations(versions[0], environment),
            lambda layer: self._part(hex_of(layer)).open("rb"),
        )
        self._tell("Writing the image")
        with disk_errors():
            layouts.write(image, self._folder.image)
        return PackageResult(
            image.descriptor.digest,
            [
                PackagedLayer(layer.made_of, layer.descriptor.digest, layer.descriptor.size)
                for layer in self._layers
            ],
        )

    def _needs(
        self, request: PackageRequest, versions: list[ModelVersion]
    ) -> tuple[Interpreter, str | None, Needs]:
        """The interpreter that the packages are taken from, the environment's name, and which."""
        scoring = needs.of_scoring(versions, has_script=request.has_script)
        if request.environment is None:
            said = [*needs.of_models(versions, self._blobs), *scoring.wanted]
            python = interpreters.ask(sys.executable)
            return python, None, replace(scoring, wanted=said)
        environments = self._services.environments
        version = environments.resolve(request.environment)
        progress = Progress(self._tell, lambda _: None)
        self._tell("Preparing the environment")
        program = environments.interpreter_of(version, self._folder.log, progress)
        Build(Path(program).parent.parent).hold()  # where it is one, until this process ends
        python = interpreters.ask(program)
        name = f"{version.name}:{version.version}"
        locked = [*needs.of_environment(version.specification), *scoring.wanted]
        variables = version.environment_variables
        # The environment was asked for whole, whatever the models could do without.
        return python, name, Needs(locked, scoring.if_there, (), variables)

    def _graph(
        self, request: PackageRequest, version: ModelVersion, python: Interpreter
    ) -> Compilation | None:
        """The graph that is to answer. Raises InvalidInput where it was asked for and can't."""
        if request.has_script or request.engine == "native":
            return None
        found = self._services.compilations.known(version)
        if found is None or found.onnx is None:
            return None
        if distributions.present(python, needs.OF_GRAPHS):
            return found
        if request.engine == "onnx":
            raise InvalidInput(
                "engine: the packages have no onnxruntime, which answers by a graph.",
                field="engine",
                hint="Take an environment that has it.",
            )
        return None

    def _add(
        self, made_of: str, entries: Iterable[Entry], folders: dict[str, int] | None = None
    ) -> None:
        place = self._folder.parts / "next"
        with disk_errors(), place.open("wb") as target:
            layer = write_layer(entries, target, made_of, folders)
        place.replace(self._part(hex_of(layer.descriptor)))
        self._layers.append(layer)

    def _part(self, digest: str) -> Path:
        return self._folder.parts / digest

    def _tell(self, words: str) -> None:
        self._folder.tell(words)
