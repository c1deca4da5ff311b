"""What runners on this machine could not tell before they ended: sent by whoever comes next."""

import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct

from ml_workspace_lab.api.remote import RemoteConnection
from ml_workspace_lab.errors import StorageFull, Unavailable
from ml_workspace_lab.jobs.records import Ended
from ml_workspace_lab.jobs.runner import left_output
from ml_workspace_lab.jobs.runner import place as places
from ml_workspace_lab.jobs.runner import spool as spools
from ml_workspace_lab.jobs.runner.carrier import REFUSALS, Courier
from ml_workspace_lab.jobs.runner.delivery import Delivery
from ml_workspace_lab.jobs.runner.place import Place
from ml_workspace_lab.jobs.runner.spool import Spool
from ml_workspace_lab.jobs.runner.workdir import artifacts

TIMEOUT = 30.0
PAUSE_SECONDS = 10.0
DIED = "The runner process ended without a word; what it had on its disk was sent later."


class SentAttempt(Struct, frozen=True):
    """An attempt that was told to its workspace; `note` says why it could not be."""

    run_id: str
    attempt: int
    note: str = ""


def of(url: str) -> list[Place]:
    """What is left here for the workspace at `url`."""
    return [place for place in places.left() if place.about.url.rstrip("/") == url.rstrip("/")]


def look_after(folder: Path) -> None:
    """Send what others have left in the folder of attempts, and what they leave from now on."""
    while True:
        send(places.left(folder))
        time.sleep(PAUSE_SECONDS)


def send(left: Iterable[Place]) -> list[SentAttempt]:
    """Send what is left of attempts. Each has its own token. What can't be sent now stays, and so
    does what a workspace refuses: a repeat is safe."""
    found = []
    for place in left:
        lock = place.acquire()
        if lock is None:
            continue  # Somebody else is at it.
        try:
            if not place.is_known:  # Somebody else has just sent it.
                shutil.rmtree(place.path, ignore_errors=True)
                continue
            about = place.about
            found.append(SentAttempt(about.run_id, about.attempt, _send(place)))
        finally:
            lock.release()
    return found


def _send(place: Place) -> str:
    if place.refused.exists():
        return place.refused.read_text(encoding="utf-8").strip()
    about = place.about
    connection = RemoteConnection(about.url, place.token.read_text(encoding="ascii"), TIMEOUT)
    try:
        _replay(place, connection)
    except REFUSALS as refusal:
        said = f"{refusal.message} What was not taken is in {place.path}."
        place.refused.write_text(said, encoding="utf-8")
        return said
    except (Unavailable, StorageFull) as error:
        return f"{error.message} It stays in {place.path}."
    shutil.rmtree(place.path, ignore_errors=True)
    return ""


def _replay(place: Place, connection: RemoteConnection) -> None:
    """In the order in which the runner would have told it: its words up to the end, what it made,
    and the end."""
    about = place.about
    left_output.bring(place)
    courier = Courier(connection, about.run_id, about.attempt, place.events)
    while courier.send(with_end=False):
        pass
    delivery = Delivery(connection, place)
    delivery.show_notebook()
    for name, file in artifacts(place):
        if file.is_file() and not file.is_symlink():
            delivery.add(name, file)
    delivery.deliver(0)
    if delivery.unsent:
        raise Unavailable("The workspace can't be reached.")
    if spools.last_word(place.events).end is None:
        spool = Spool(place.events, first=courier.known + 1)
        spool.end(Ended("Failed", DIED, cause="lost"))
        spool.close()
    while courier.send():
        pass
    courier.send_unsaid()
