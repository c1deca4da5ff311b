"""What the tables are made of: the one registry of them, and columns that many have.

Times are milliseconds since 1970-01-01 UTC; `*_json` columns hold JSON text.
"""

from sqlalchemy import BigInteger, Column, Double, ForeignKey, Integer, MetaData, Text

metadata = MetaData()
BIG = BigInteger().with_variant(Integer, "sqlite")
REAL: Double[float] = Double()


def id_() -> Column[int]:
    return Column("id", BIG, primary_key=True)


def text(name: str, default: str | None = None) -> Column[str]:
    return Column(name, Text, nullable=False, server_default=default)


def time(name: str, *, nullable: bool = False) -> Column[int]:
    return Column(name, BIG, nullable=nullable)


def count(name: str, default: int | None = None) -> Column[int]:
    return Column(
        name, BIG, nullable=False, server_default=None if default is None else str(default)
    )


def owner(table: str) -> Column[int]:
    """The row of `table` that this one belongs to, and goes with."""
    return Column(table, BIG, ForeignKey(f"{table}.id", ondelete="CASCADE"), nullable=False)
