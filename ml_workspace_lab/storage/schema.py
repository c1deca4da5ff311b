"""The one schema of a workspace's database.

`sqlite.sql` beside this file is generated from it (`python -m ml_workspace_lab.storage.schema`), so
that opening a workspace needs the standard library alone; a test holds the two together.
Times are milliseconds since 1970-01-01 UTC; `*_json` columns hold JSON text.
"""

from pathlib import Path

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

metadata = MetaData()
BIG = BigInteger().with_variant(Integer, "sqlite")


def _id() -> Column[int]:
    return Column("id", BIG, primary_key=True)


def _text(name: str, default: str | None = None) -> Column[str]:
    return Column(name, Text, nullable=False, server_default=default)


def _time(name: str, *, nullable: bool = False) -> Column[int]:
    return Column(name, BIG, nullable=nullable)


def _run() -> Column[int]:
    return Column("run", BIG, ForeignKey("run.id", ondelete="CASCADE"), nullable=False)


Table(
    "workspace",
    metadata,
    _id(),
    _text("uid"),
    _text("name"),
    _text("description"),
    _text("tags_json"),
    _time("created"),
)

Table(
    "experiment",
    metadata,
    _id(),
    Column("uid", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False, unique=True),
    _text("description"),
    _time("created"),
    Column("runs", Integer, nullable=False, server_default="0"),
)

Table(
    "run",
    metadata,
    _id(),
    Column("uid", Text, nullable=False, unique=True),
    Column("experiment", BIG, ForeignKey("experiment.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("parent", Text),
    _text("kind"),
    _text("display_name"),
    _text("description", ""),
    _text("state"),
    _text("reason", ""),
    Column("compute_target", Text),
    _text("user"),
    _time("created"),
    _time("started", nullable=True),
    _time("ended", nullable=True),
    Column("snapshot", Text),
    Column("notebook", Text),
    Column("progress_json", Text),
    Index("run_experiment", "experiment", "id"),
    Index("run_state", "state"),
    Index("run_parent", "parent"),
)

Table(
    "run_history",
    metadata,
    _run(),
    Column("seq", Integer, nullable=False),
    _text("state"),
    _text("reason"),
    _time("time"),
    PrimaryKeyConstraint("run", "seq"),
)

for _name in ("param", "tag", "property"):
    Table(
        _name,
        metadata,
        _run(),
        _text("key"),
        _text("value"),
        PrimaryKeyConstraint("run", "key"),
    )

Table(
    "series",
    metadata,
    _run(),
    _text("key"),
    _text("summary_json"),
    PrimaryKeyConstraint("run", "key"),
)

Table(
    "artifact",
    metadata,
    _run(),
    _text("path"),
    _text("digest"),
    Column("size", BIG, nullable=False),
    _text("media_type"),
    _time("created"),
    PrimaryKeyConstraint("run", "path"),
)

Table(
    "snapshot",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("size", BIG, nullable=False),
    Column("notices_json", Text, nullable=False),
    _time("created"),
)

Table(
    "job",
    metadata,
    Column("run", BIG, ForeignKey("run.id", ondelete="CASCADE"), primary_key=True),
    _text("spec_json"),
    Column("attempt", Integer, nullable=False, server_default="0"),
    Column("native_id", Text),
    _time("enqueued"),
    _time("cancel_requested", nullable=True),
)

Table(
    "model",
    metadata,
    _id(),
    Column("name", Text, nullable=False, unique=True),
    _time("created"),
    Column("last_version", Integer, nullable=False),
)

Table(
    "model_version",
    metadata,
    _id(),
    Column("model", BIG, ForeignKey("model.id", ondelete="CASCADE"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("run", Text),
    Column("snapshot", Text),
    _text("framework"),
    _text("description"),
    _text("tags_json"),
    _text("properties_json"),
    _text("files_json"),
    Column("executes_code", Integer, nullable=False),
    _text("user"),
    _time("created"),
    Index("model_version_number", "model", "version", unique=True),
)

Table(
    "endpoint",
    metadata,
    _id(),
    Column("name", Text, nullable=False, unique=True),
    _text("model"),
    Column("version", Integer, nullable=False),
    Column("scoring_script", Text),
    Column("python", Text),
    Column("port", Integer, nullable=False),
    _text("state"),
    _text("reason"),
    Column("generation", Integer, nullable=False),
    Column("restarts", Integer, nullable=False, server_default="0"),
    Column("native_id", Text),
    Column("primary_hash", LargeBinary, nullable=False),
    Column("secondary_hash", LargeBinary, nullable=False),
    _text("tags_json"),
    _text("user"),
    _time("created"),
    _time("updated"),
)

Table(
    "token",
    metadata,
    _id(),
    Column("uid", Text, nullable=False, unique=True),
    _text("name"),
    Column("hash", LargeBinary, nullable=False),
    _text("actions_json"),
    _time("created"),
    _time("expires"),
    _time("last_used", nullable=True),
)

Table(
    "event",
    metadata,
    _id(),
    _time("time"),
    _text("kind"),
    _text("subject"),
    _text("data_json"),
    sqlite_autoincrement=True,
)

Table(
    "audit",
    metadata,
    _id(),
    _time("time"),
    _text("principal"),
    _text("action"),
    _text("target"),
    _text("outcome"),
    _text("request_id"),
)


def sqlite_sql() -> str:
    """The statements that make an empty SQLite database of this schema."""
    dialect = sqlite.dialect()
    statements: list[str] = []
    for table in metadata.sorted_tables:
        statements.append(str(CreateTable(table).compile(dialect=dialect)).strip())
        statements.extend(
            str(CreateIndex(index).compile(dialect=dialect)).strip()
            for index in sorted(table.indexes, key=lambda index: str(index.name))
        )
    body = ";\n\n".join(
        "\n".join(line.rstrip().replace("\t", "  ") for line in text.splitlines())
        for text in statements
    )
    return f"-- Generated from schema.py; change that one.\n\n{body};\n"


if __name__ == "__main__":
    Path(__file__).with_name("sqlite.sql").write_text(sqlite_sql(), encoding="utf-8")
