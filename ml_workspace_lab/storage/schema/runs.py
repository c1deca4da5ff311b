"""Experiments and their runs: what is searched, and the record that answers are read from."""

from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    func,
)

from ml_workspace_lab.storage.schema.columns import BIG, REAL, count, id_, metadata, owner, text
from ml_workspace_lab.storage.schema.columns import time as time_

PREFIX = 64
"""Characters of a parameter's or tag's value that its index holds."""

experiment = Table(
    "experiment",
    metadata,
    id_(),
    Column("uid", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False, unique=True),
    text("description"),
    text("tags_json", "{}"),
    time_("created"),
    time_("updated"),
    count("runs", 0),  # numbers given so far
    count("live", 0),  # runs that are not in the trash
    time_("archived", nullable=True),
    time_("deleted", nullable=True),
)

# `doc` holds parameters, tags, properties and summaries of metrics as MessagePack: a list of runs
# is read from it alone. The tables below repeat them for search.
run = Table(
    "run",
    metadata,
    id_(),
    Column("uid", Text, nullable=False, unique=True),
    Column("experiment", BIG, ForeignKey("experiment.id"), nullable=False),
    count("number"),
    Column("parent", Text),
    text("kind"),
    text("display_name"),
    text("description", ""),
    text("state"),
    text("reason", ""),
    Column("compute_target", Text),
    text("user"),
    time_("created"),
    time_("started", nullable=True),
    time_("ended", nullable=True),
    time_("deleted", nullable=True),
    Column("snapshot", Text),
    Column("notebook", Text),
    Column("progress_json", Text),
    count("changed"),  # the id of the newest event about it
    Column("doc", LargeBinary, nullable=False),
    Index("run_state", "state"),
    Index("run_parent", "parent"),
    Index("run_changed", "changed"),
)
_live = run.c.deleted.is_(None)
Index("run_newest", run.c.created, run.c.id, sqlite_where=_live, postgresql_where=_live)
Index(
    "run_experiment",
    run.c.experiment,
    run.c.created,
    run.c.id,
    sqlite_where=_live,
    postgresql_where=_live,
)
_trashed = run.c.deleted.is_not(None)
Index("run_trash", run.c.deleted, run.c.id, sqlite_where=_trashed, postgresql_where=_trashed)
Index("run_name", run.c.display_name)
Index("run_snapshot", run.c.snapshot)
_active = run.c.ended.is_(None)
Index("run_active", run.c.id, sqlite_where=_active, postgresql_where=_active)

Table(
    "run_history",
    metadata,
    owner("run"),
    Column("seq", Integer, nullable=False),
    text("state"),
    text("reason"),
    time_("time"),
    PrimaryKeyConstraint("run", "seq"),
)

# A number for each name of a metric ("metric"), parameter ("param"), tag and property.
Table("key", metadata, id_(), text("kind"), text("name"), UniqueConstraint("kind", "name"))

# Parameters, tags and properties of runs; `number` where the value is one.
attribute = Table(
    "attribute",
    metadata,
    owner("run"),
    Column("key", BIG, nullable=False),
    text("value"),
    Column("number", REAL),
    PrimaryKeyConstraint("run", "key"),
    sqlite_with_rowid=False,
)
Index(
    "attribute_value",
    attribute.c.key,
    func.substr(attribute.c.value, 1, PREFIX),
    attribute.c.run,
)
_numeric = attribute.c.number.is_not(None)
Index(
    "attribute_number",
    attribute.c.key,
    attribute.c.number,
    attribute.c.run,
    sqlite_where=_numeric,
    postgresql_where=_numeric,
)

# A metric at a glance. `last` is that of the greatest step, then time; NULL where it is NaN.
# `low` and `high` leave NaN out and are NULL where nothing else came.
series = Table(
    "series",
    metadata,
    owner("run"),
    Column("key", BIG, nullable=False),
    count("count"),
    Column("last", REAL),
    Column("last_step", BIG, nullable=False),
    Column("last_time", BIG, nullable=False),
    Column("low", REAL),
    Column("low_step", BIG),
    Column("high", REAL),
    Column("high_step", BIG),
    PrimaryKeyConstraint("run", "key"),
    Index("series_last", "key", "last", "run"),
    sqlite_with_rowid=False,
)

# Points of one metric, compressed; `preview` is a reduced form of long ones, for charts.
Table(
    "chunk",
    metadata,
    id_(),
    owner("run"),
    Column("key", BIG, nullable=False),
    Column("count", Integer, nullable=False),
    Column("first_time", BIG, nullable=False),
    Column("last_time", BIG, nullable=False),
    Column("first_step", BIG, nullable=False),
    Column("last_step", BIG, nullable=False),
    Column("preview", LargeBinary),
    Column("body", LargeBinary, nullable=False),
    Index("chunk_series", "run", "key", "id"),
)

# How many records of each writer's journal are in the chunks.
Table(
    "mark",
    metadata,
    owner("run"),
    Column("writer", Text, nullable=False),
    count("records"),
    PrimaryKeyConstraint("run", "writer"),
)

Table(
    "artifact",
    metadata,
    owner("run"),
    text("path"),
    text("digest"),
    count("size"),
    text("media_type"),
    time_("created"),
    PrimaryKeyConstraint("run", "path"),
    Index("artifact_digest", "digest"),
)

# What a run read and made: datasets, models, files elsewhere.
Table(
    "lineage",
    metadata,
    id_(),
    owner("run"),
    text("direction"),  # input, output
    text("kind"),  # dataset, model, ...
    text("name"),
    text("digest"),
    text("context"),
    text("data_json", "{}"),
    time_("created"),
    UniqueConstraint("run", "direction", "kind", "name", "digest", "context"),
    Index("lineage_name", "kind", "name", "digest"),
)

Table(
    "snapshot",
    metadata,
    Column("digest", Text, primary_key=True),
    count("size"),
    text("notices_json"),
    time_("created"),
)
