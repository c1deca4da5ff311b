"""Taking what an experiment has beside its runs, each thing once."""

from msgspec import Struct

from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.storage.storage import Storage
from ml_workspace_lab.transfer import placing
from ml_workspace_lab.transfer.belongings import Kind
from ml_workspace_lab.transfer.report import ImportReport


class Taker:
    """Takes things into one experiment, and counts them."""

    def __init__(self, storage: Storage, experiment: int, report: ImportReport) -> None:
        self._storage = storage
        self._experiment = experiment
        self._report = report

    def is_here(self, kind: Kind, given: Struct) -> bool:
        """Whether it is here; the experiment has it then. Raises InvalidInput where it is here with
        other content."""
        id_ = getattr(given, kind.key)
        with self._storage.database.read() as queries:
            present = kind.read(queries, self._experiment, id_)
        if present is None:
            return False
        names = given.__struct_fields__
        different = [name for name in names if getattr(present, name) != getattr(given, name)]
        if different:
            raise InvalidInput(placing.told(different))
        if kind.join is not None:
            with self._storage.database.write() as transaction:
                kind.join(transaction, self._experiment, id_)
        self._report.skipped += 1
        return True

    def add(self, kind: Kind, given: Struct, contents: placing.Contents) -> None:
        """Add it; `contents` has those of its files."""
        with self._storage.database.write() as transaction:
            contents.require()
            id_ = getattr(given, kind.key)
            if kind.read(transaction, self._experiment, id_) is None:  # else another was faster
                kind.write(transaction, self._experiment, given)
        setattr(self._report, kind.field, getattr(self._report, kind.field) + 1)
