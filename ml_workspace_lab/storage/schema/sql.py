"""The schema as SQL, for each database."""

from typing import Literal

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import CreateIndex, CreateTable

from ml_workspace_lab.storage.schema import metadata

DatabaseKind = Literal["sqlite", "postgresql"]
DIALECTS: dict[DatabaseKind, type[Dialect]] = {
    "sqlite": sqlite.dialect,
    "postgresql": postgresql.dialect,
}


def sql(kind: DatabaseKind) -> str:
    """The statements that make an empty database of this schema."""
    dialect = DIALECTS[kind]()
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
    return f"-- Generated from the package `schema`; change that one.\n\n{body};\n"
