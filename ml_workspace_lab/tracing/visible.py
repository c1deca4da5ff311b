"""What people see of a span: its name and message, names and values of its attributes and events.

How the protocol spells them is no part of it, nor are the names that MLflow itself gives.
"""

from ml_workspace_lab.experiments.search.sql import Dialect, Sqlite

_PLAIN = r"replace(s.body, '\u0000', '\ufffd')"
"""JSON may have a NUL, which ends texts here and is refused by PostgreSQL."""

# A value is of one type or has others in it: each on a line.
_SQLITE_ATOMS = """group_concat(CASE j.type WHEN 'true' THEN 'true' WHEN 'false' THEN 'false'
        ELSE j.atom END, char(10))"""
_SQLITE_TEXT = f"""(SELECT {_SQLITE_ATOMS}
    FROM json_tree({_PLAIN}) j
    WHERE j.atom IS NOT NULL AND (j.fullkey IN ('$.name', '$.status.message')
        OR (j.fullkey GLOB '$.attributes[[]*' OR j.fullkey GLOB '$.events[[]*')
        AND j.key NOT IN ('time_unix_nano', 'dropped_attributes_count')
        AND NOT (j.key = 'key' AND j.atom GLOB 'mlflow.*')))
"""  # noqa: S608 - words of this file alone
_SQLITE_ATTRIBUTES = f"""(SELECT json_extract(a.value, '$.key') AS key, (SELECT {_SQLITE_ATOMS}
        FROM json_tree(a.value, '$.value') j WHERE j.atom IS NOT NULL) AS value
    FROM json_each({_PLAIN}, '$.attributes') a)
"""  # noqa: S608
_PATHS = (
    "$.name",
    "$.status.message",
    '$.attributes[*].key ? (!(@ starts with "mlflow."))',
    "$.attributes[*].value.**",
    "$.events[*].name",
    "$.events[*].attributes[*].key",
    "$.events[*].attributes[*].value.**",
)
_POSTGRESQL_ATOMS = (
    "string_agg(q.v #>> '{}', chr(10)) FILTER"
    " (WHERE jsonb_typeof(q.v) IN ('string', 'number', 'boolean'))"
)
_POSTGRESQL_TEXT = (
    f"(SELECT {_POSTGRESQL_ATOMS} FROM (SELECT {_PLAIN}::jsonb AS body) b, LATERAL ("  # noqa: S608
    + " UNION ALL ".join(f"SELECT jsonb_path_query(b.body, '{path}') AS v" for path in _PATHS)
    + ") q)"
)
_POSTGRESQL_ATTRIBUTES = (
    f"(SELECT a.v ->> 'key' AS key, (SELECT {_POSTGRESQL_ATOMS}"  # noqa: S608
    " FROM jsonb_path_query(a.v, '$.value.**') q(v)) AS value"
    f" FROM jsonb_path_query({_PLAIN}::jsonb, '$.attributes[*]') a(v))"
)


def text(dialect: Dialect) -> str:
    """The text of a span `s`."""
    return _SQLITE_TEXT if isinstance(dialect, Sqlite) else _POSTGRESQL_TEXT


def attributes(dialect: Dialect) -> str:
    """What stands after FROM to have the attributes of a span `s` as `t.key` and `t.value`."""
    found = _SQLITE_ATTRIBUTES if isinstance(dialect, Sqlite) else _POSTGRESQL_ATTRIBUTES
    return f"{found} t WHERE t.value IS NOT NULL"
