"""Traces: what a call of an application did, span by span, what people think of it, and issues."""

from sqlalchemy import Column, Index, Integer, PrimaryKeyConstraint, Table, Text

from ml_workspace_lab.storage.schema.columns import BIG, count, id_, metadata, owner, text
from ml_workspace_lab.storage.schema.columns import time as time_

Table(
    "trace",
    metadata,
    id_(),
    Column("uid", Text, nullable=False, unique=True),
    owner("experiment"),
    time_("created"),
    Column("duration", BIG),  # milliseconds
    text("state"),
    Column("client_request_id", Text),
    Column("request_preview", Text),
    Column("response_preview", Text),
    Column("started", Integer, nullable=False),  # 0: only spans have told of it; -1: only its runs
    Index("trace_newest", "experiment", "created", "id"),
)

# Tags and metadata of traces.
Table(
    "trace_pair",
    metadata,
    owner("trace"),
    text("kind"),  # tag, metadata
    text("key"),
    text("value"),
    PrimaryKeyConstraint("trace", "kind", "key"),
)

Table(
    "trace_run",
    metadata,
    owner("trace"),
    text("run"),
    PrimaryKeyConstraint("trace", "run"),
    Index("trace_run_run", "run"),
)

# `body` is the span as OpenTelemetry's protocol has it in JSON; times are nanoseconds.
Table(
    "trace_span",
    metadata,
    owner("trace"),
    text("uid"),
    Column("parent", Text),
    text("name"),
    text("type"),
    text("status"),
    time_("started"),
    time_("ended"),
    text("body"),
    PrimaryKeyConstraint("trace", "uid"),
)

Table(
    "trace_file",
    metadata,
    owner("trace"),
    text("path"),
    text("digest"),
    count("size"),
    time_("created"),
    PrimaryKeyConstraint("trace", "path"),
)

# What somebody or something thinks of a trace, or of one span.
Table(
    "assessment",
    metadata,
    id_(),
    Column("uid", Text, nullable=False, unique=True),
    owner("trace"),
    text("kind"),  # feedback, expectation, issue
    text("name"),
    Column("value", Text),
    text("body_json"),
    Column("valid", Integer, nullable=False),
    time_("created"),
    time_("updated"),
    Index("assessment_trace", "trace", "kind", "name"),
    Index("assessment_name", "kind", "name", "trace"),
)

# A problem that was found in traces; those that have it say so by an assessment named by its `uid`.
Table(
    "issue",
    metadata,
    id_(),
    Column("uid", Text, nullable=False, unique=True),
    owner("experiment"),
    text("name"),
    text("description"),
    text("status"),  # pending, rejected, resolved
    Column("severity", Text),  # not_an_issue, low, medium, high
    text("root_causes_json"),
    text("categories_json"),
    Column("source_run", Text),
    Column("created_by", Text),
    time_("created"),
    time_("updated"),
    Index("issue_of_experiment", "experiment", "created"),
)
