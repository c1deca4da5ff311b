"""Where the deployments of an endpoint are found, and which of them takes its connections."""

import msgspec

from ml_workspace_lab.endpoints.folder import Deployment, EndpointFolder, GenerationFolder, Places
from ml_workspace_lab.endpoints.store import Wanted
from ml_workspace_lab.storage.files import write_atomic


class Belongings:
    """Which deployment a folder belongs to, and what it serves: the folder says it, and it stays
    so."""

    def __init__(self) -> None:
        self._told: dict[str, Deployment] = {}

    def of(self, folder: EndpointFolder, name: str) -> list[GenerationFolder]:
        """What there is of a deployment, the newest last."""
        return [one for one in folder.generations() if self._name(one) == name]

    def strays(self, folder: EndpointFolder, wanted: Wanted) -> list[GenerationFolder]:
        """What belongs to no deployment that there is to be."""
        names = {one.info.name for one in wanted.deployments}
        numbers = {one.generation for one in wanted.deployments}
        return [
            one
            for one in folder.generations()
            if one.number not in numbers and self._name(one) not in names
        ]

    def forget(self, generation: GenerationFolder) -> None:
        self._told.pop(generation.mark, None)

    def told(self, generation: GenerationFolder) -> Deployment | None:
        """None where it is still being laid out."""
        if (known := self._told.get(generation.mark)) is not None:
            return known
        told = generation.told()
        return None if told is None else self._told.setdefault(generation.mark, told)

    def _name(self, generation: GenerationFolder) -> str | None:
        told = self.told(generation)
        return None if told is None else told.deployment


def place(wanted: Wanted, folder: EndpointFolder, belongings: Belongings) -> None:
    """Tell the processes of an endpoint where each deployment is, as far as that has changed.

    The front is the one with the most traffic among those that answer; it changes as seldom as can
    be. While none answers, it is the one that may take the endpoint's port first.
    """
    present = read_places(folder)
    doors: dict[str, list[int]] = {}
    models: dict[str, tuple[str, int]] = {}
    for one in wanted.deployments:
        for generation in belongings.of(folder, one.info.name):
            workers = [worker for worker in generation.workers() if worker.is_alive()]
            ports = [port for worker in workers if (port := worker.door_port()) is not None]
            told = belongings.told(generation)
            if told is not None and (ports or one.info.name not in doors):
                models[one.info.name] = told.model, told.version
            if ports:
                doors[one.info.name] = ports
    names = [one.info.name for one in wanted.deployments]
    traffic = wanted.info.traffic
    able = [name for name in names if name in doors]
    if not able:
        able = [present.front] if present.front in names else names
    front = max(able, key=lambda name: (traffic[name], name == present.front))
    first = {name: ports[0] for name, ports in doors.items()}
    more = {name: ports[1:] for name, ports in doors.items() if len(ports) > 1}
    found = Places(front, first, more, models)
    if found != present:
        folder.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomic(folder.places, msgspec.json.encode(found))


def read_places(folder: EndpointFolder) -> Places:
    try:
        return msgspec.json.decode(folder.places.read_bytes(), type=Places)
    except FileNotFoundError:
        return Places()
