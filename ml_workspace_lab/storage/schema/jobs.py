"""Compute targets, and the queue of work for them."""

from sqlalchemy import Column, ForeignKey, Index, Integer, PrimaryKeyConstraint, Table, Text

from ml_workspace_lab.storage.schema.columns import (
    BIG,
    REAL,
    count,
    id_,
    metadata,
    owner,
    text,
)
from ml_workspace_lab.storage.schema.columns import time as time_

Table(
    "compute_target",
    metadata,
    id_(),
    Column("name", Text, nullable=False, unique=True),
    text("kind"),
    text("description"),
    text("settings_json"),  # of the kind's own type
    text("quotas_json"),
    text("problems_json"),  # what the last look at its engine found missing
    text("tags_json"),
    text("user"),
    time_("created"),
    time_("updated"),
    Column("workspace_url", Text),  # how its machines reach the workspace
)

# `stage` says whose turn it is: held (for other runs), waiting, begun (an attempt is, or has left
# something behind on the target), over. What is asked for is repeated from `spec_json`, so that the
# next one is found without reading them all.
job = Table(
    "job",
    metadata,
    Column("run", BIG, ForeignKey("run.id", ondelete="CASCADE"), primary_key=True),
    text("spec_json"),
    text("target"),
    text("owner"),
    text("stage"),
    Column("priority", Integer, nullable=False, server_default="0"),
    Column("cores", REAL, nullable=False, server_default="1"),
    count("memory", 0),  # bytes; 0: nothing was said
    Column("gpus", Integer, nullable=False, server_default="0"),
    Column("nodes", Integer, nullable=False, server_default="1"),
    Column("attempt", Integer, nullable=False, server_default="0"),
    Column("native_id", Text),
    time_("enqueued"),
    count("not_before", 0),  # ms; an attempt that failed is made again then
    time_("begun", nullable=True),
    time_("cancel_requested", nullable=True),
)
Index("job_turn", job.c.target, job.c.stage, job.c.owner, job.c.priority.desc(), job.c.run)

# A run that waits for another, until that has `succeeded` or just `ended`.
Table(
    "job_after",
    metadata,
    owner("run"),
    Column("upstream", BIG, ForeignKey("run.id", ondelete="CASCADE"), nullable=False),
    text("condition"),
    PrimaryKeyConstraint("run", "upstream"),
    Index("job_after_upstream", "upstream"),
)
