"""What people see of a span: its name and message, names and values of its attributes and events.

How the protocol spells them is no part of it, nor are the names that MLflow itself gives.
"""

from ml_workspace_lab.experiments.search.sql import Dialect, Sqlite

_PLAIN = r"replace(s.body, '\u0000', '\ufffd')"
"""JSON may have a NUL, which ends texts here and is refused by PostgreSQL."""

_SQLITE = f"""
    SELECT group_concat(CASE j.type WHEN 'true' THEN 'true' WHEN 'false' THEN 'false'
        ELSE j.atom END, char(10))
    FROM json_tree({_PLAIN}) j
    WHERE j.atom IS NOT NULL AND (j.fullkey IN ('$.name', '$.status.message')
        OR (j.fullkey GLOB '$.attributes[[]*' OR j.fullkey GLOB '$.events[[]*')
        AND j.key NOT IN ('time_unix_nano', 'dropped_attributes_count')
        AND NOT (j.key = 'key' AND j.atom GLOB 'mlflow.*'))
"""  # noqa: S608 - words of this file alone
_PATHS = (
    "$.name",
    "$.status.message",
    '$.attributes[*].key ? (!(@ starts with "mlflow."))',
    "$.attributes[*].value.**",
    "$.events[*].name",
    "$.events[*].attributes[*].key",
    "$.events[*].attributes[*].value.**",
)
_POSTGRESQL = (
    "SELECT string_agg(q.v #>> '{}', chr(10)) FROM"  # noqa: S608
    f" (SELECT {_PLAIN}::jsonb AS body) b, LATERAL ("
    + " UNION ALL ".join(f"SELECT jsonb_path_query(b.body, '{path}') AS v" for path in _PATHS)
    + ") q WHERE jsonb_typeof(q.v) IN ('string', 'number', 'boolean')"
)


def pairs(dialect: Dialect) -> str:
    """What stands after FROM to have the text of each span of the trace `x` as `t.value`."""
    text = _SQLITE if isinstance(dialect, Sqlite) else _POSTGRESQL
    spans = f"SELECT s.trace, 'text' AS key, ({text}) AS value FROM trace_span s"  # noqa: S608
    return f"({spans}) t WHERE t.trace = x.id"
