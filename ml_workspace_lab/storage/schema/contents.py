"""Contents that lie together in one file: where each begins."""

from sqlalchemy import Column, ForeignKey, Index, PrimaryKeyConstraint, Table, Text

from ml_workspace_lab.storage.schema.columns import BIG, count, id_, metadata, text
from ml_workspace_lab.storage.schema.columns import time as time_

# A file in `blobs/packs`; `size` is that of all contents which were put into it.
Table(
    "pack",
    metadata,
    id_(),
    Column("name", Text, nullable=False, unique=True),
    count("size"),
    time_("created"),
)

# `renewed` is when somebody last put the content, or asked whether it is here to refer to it.
Table(
    "packed",
    metadata,
    text("digest"),
    Column("pack", BIG, ForeignKey("pack.id"), nullable=False),
    count("start"),
    count("size"),
    time_("renewed"),
    PrimaryKeyConstraint("digest"),
    Index("packed_pack", "pack"),
)
