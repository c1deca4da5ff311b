"""What the database has lost of packs, from the packs themselves."""

from ml_workspace_lab.errors import Conflict
from ml_workspace_lab.storage.database import Database, now
from ml_workspace_lab.storage.pack_file import table
from ml_workspace_lab.storage.packs import Packs


def reindex(packs: Packs, database: Database) -> list[str]:
    """Let the database know all contents of all packs; the packs whose tables are damaged."""
    damaged = []
    for name in packs.names():
        try:
            entries = table(packs.path(name))
        except Conflict:
            damaged.append(name)
            continue
        moment, size = now(), sum(entry.size for entry in entries)
        with database.write() as transaction:
            row = transaction.one("SELECT id FROM pack WHERE name = :name", name=name)
            if row is None:
                pack = transaction.add("pack", name=name, size=size, created=moment)
            else:
                pack = row["id"]
            transaction.many(
                "INSERT INTO packed (digest, pack, start, size, renewed)"
                " VALUES (:digest, :pack, :start, :size, :renewed) ON CONFLICT DO NOTHING",
                [{**entry._asdict(), "pack": pack, "renewed": moment} for entry in entries],
            )
    return damaged
