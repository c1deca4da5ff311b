"""Attempts at runs, as the processes that make them report."""

from sqlalchemy import Column, Integer, PrimaryKeyConstraint, Table, Text

from ml_workspace_lab.storage.schema.columns import BIG, count, metadata, owner, text
from ml_workspace_lab.storage.schema.columns import time as time_

# One row for each attempt that a process has claimed. `nonce` is the claimer's own, by which its
# second try is told from another process; `seq` is the number of its last event that is kept here.
Table(
    "attempt",
    metadata,
    owner("run"),
    Column("attempt", Integer, nullable=False),
    text("nonce"),
    text("native_id"),
    text("host"),
    text("version"),
    time_("claimed"),
    count("seq", 0),
    count("log_size", 0),  # bytes of the run's log up to and with its last event
    time_("reported", nullable=True),  # the end, as it said itself
    Column("state", Text),
    text("reason", ""),
    Column("exit_code", Integer),
    Column("signal", Integer),
    Column("peak_rss", BIG),
    Column("oom_kills", Integer),
    count("dropped_lines", 0),
    count("dropped_bytes", 0),
    PrimaryKeyConstraint("run", "attempt"),
)
