"""The vocabulary of traces: what a filter and an order may name."""

from ml_workspace_lab.experiments.search.vocabulary import (
    Attribute,
    Attributes,
    Vocabulary,
    fields,
    spellings,
)

_NAME = (
    "(SELECT n.value FROM trace_pair n WHERE n.trace = x.id AND n.kind = 'tag'"
    " AND n.key = 'mlflow.traceName')"
)
ATTRIBUTES: Attributes = {
    "number": Attribute("number", "x.id"),
    "request_id": Attribute("text", "x.uid", ("trace_id", "id")),
    "timestamp_ms": Attribute("time", "x.created", ("timestamp", "request_time", "created")),
    "execution_time_ms": Attribute(
        "number", "x.duration", ("execution_time", "execution_duration")
    ),
    "end_time_ms": Attribute("time", "(x.created + x.duration)", ("end_time",)),
    "status": Attribute("text", "x.state", ("state",)),
    "client_request_id": Attribute("text", "x.client_request_id"),
    "name": Attribute("text", _NAME),
    "experiment_id": Attribute("number", "x.experiment"),
}
"""In terms of the row `x` of `trace`."""

_SPELLINGS = {
    "attribute": ("attribute", "attributes", "attr", "trace"),
    "tag": ("tag", "tags"),
    "metadata": ("metadata", "request_metadata"),
    "span": ("span",),
    "feedback": ("feedback",),
    "expectation": ("expectation",),
    "issue": ("issue",),
}
_LINKED: Attributes = dict.fromkeys(("run_id", "prompt", "text"), Attribute("text"))
"""What is asked of a trace and lies in other tables."""

SPAN_ATTRIBUTE = "attributes."
"""How the names begin that spans give their own attributes."""

TRACES = Vocabulary(
    spellings=spellings(_SPELLINGS),
    fields={
        "attribute": fields({**ATTRIBUTES, **_LINKED}),
        "span": fields(dict.fromkeys(("name", "type", "status", "content"), Attribute("text"))),
        "issue": fields({"id": Attribute("text")}),
    },
    keyed={"tag": "text", "metadata": "text", "feedback": "either", "expectation": "either"},
    below={"span": SPAN_ATTRIBUTE},
)
