"""Environments: their versions, which stay as they are, and what runs ran in."""

from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
)

from ml_workspace_lab.storage.schema.columns import BIG, count, id_, metadata, owner, text
from ml_workspace_lab.storage.schema.columns import time as time_

# `versions` counts the numbers given so far: one that was deleted is not given again.
Table(
    "environment",
    metadata,
    id_(),
    Column("name", Text, nullable=False, unique=True),
    count("versions", 0),
    time_("created"),
)

# `digest` is that of what was asked for; `lock_json` what it came to, once that was found out.
Table(
    "environment_version",
    metadata,
    id_(),
    owner("environment"),
    Column("version", Integer, nullable=False),
    text("kind"),
    text("specification_json"),
    text("variables_json", "{}"),
    text("digest"),
    Column("lock_json", Text),
    text("description", ""),
    text("tags_json", "{}"),
    text("user"),
    time_("created"),
    UniqueConstraint("environment", "version"),
    UniqueConstraint("environment", "digest"),
)

# The registered environment of a run by name, so that it is known when that has gone; `digest`
# names the record of what was found, `fingerprint` where the same record will be found again.
Table(
    "run_environment",
    metadata,
    Column("run", BIG, ForeignKey("run.id", ondelete="CASCADE"), primary_key=True),
    Column("name", Text),
    Column("version", Integer),
    Column("digest", Text),
    Column("fingerprint", Text),
    Index("run_environment_digest", "digest"),
    Index("run_environment_fingerprint", "fingerprint", "run"),
    Index("run_environment_name", "name", "version"),
)
