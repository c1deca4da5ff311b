"""Random expressions over the runs that `population` makes."""

from typing import Any

from hypothesis import strategies as st

from ml_workspace_lab.experiments.search.expression import And, Comparison, Not, Or, Term

FUNCTIONS = ("last", "min", "max", "best", "count")
METRICS = ("loss", "acc", "a.b c`", "none", "flat")
KEYS = ("lr", "model", "ü `x`", "none")
TEXTS = (
    "0.1",
    "cnn",
    "CNN",
    "Ünï%_",
    "a\\b",
    "rnn",
    "",
    "x" * 64,
    "x" * 70,
    "1",
    "straße",
    "\u03c2",
)
NUMBERS: tuple[float, ...] = (0.1, 0.5, 1, -1, 0, 2.5, float("inf"), float("-inf"), 3, 100)
PATTERNS = (
    "%",
    "",
    "c%",
    "%N%",
    "_nn",
    "Ü%\\%\\_",
    "a\\\\b",
    "a\\b",
    "x%x",
    "%ï%",
    "[cC]nn",
    "*",
    "S",
    "STRAßE",
    "\u03a3",
    "\u03c3",
)
EXPRESSIONS = (
    "", "^$", "nn", "^c.n$", "[A-Z]+", "(cnn|rnn)$", "x{65,}", r"^\d\.\d$", r"\\", r"[^\w]",
    "ü", "Ü|ß", r"\u03c2", "[Σ-ω]", "^.{2,4}$", "((a|c)n*)+$", r"[\x00-\U0010ffff]",
    r"[^\x00-\U0010ffff]",
)  # fmt: skip
WORDS = (
    "run_id", "run_name", "status", "kind", "experiment", "user_id", "parent", "notebook",
    "description", "artifact_uri", "experiment_id", "snapshot_id", "reason",
)  # fmt: skip
WORD_TEXTS = (
    *TEXTS, "FINISHED", "RUNNING", "Completed", "KILLED", "Canceled", "external", "one", "two",
    "run 1", "00000000000000000000000000000003", "SCHEDULED",
)  # fmt: skip
STATUSES = ("FINISHED", "RUNNING", "Completed", "KILLED", "Canceled", "SCHEDULED", "Running")
AMOUNTS = ("number", "start_time", "end_time", "duration", "started", "deleted")
MOMENTS = (0, 5, 1_790_000_000_000, 1_790_000_010_000, 1_790_000_020_500, 60_000, 2.5, 10)


def texts(term: Term, values: tuple[str, ...]) -> st.SearchStrategy[Comparison]:
    negated = st.booleans()
    one = st.sampled_from(values).map(lambda value: (value,))
    many = st.lists(st.sampled_from(values), min_size=1, max_size=3).map(tuple)
    pattern = st.sampled_from((*PATTERNS, *values)).map(lambda value: (value,))
    regular = st.sampled_from(EXPRESSIONS).map(lambda value: (value,))
    return st.one_of(
        st.builds(Comparison, st.just(term), st.just("="), one, negated),
        st.builds(Comparison, st.just(term), st.just("IN"), many, negated),
        st.builds(Comparison, st.just(term), st.just("RLIKE"), regular, negated),
        st.builds(Comparison, st.just(term), st.sampled_from(["LIKE", "ILIKE"]), pattern, negated),
        st.builds(Comparison, st.just(term), st.just("NULL"), st.just(()), negated),
    )


def numbers(term: Term, values: tuple[float, ...]) -> st.SearchStrategy[Comparison]:
    negated = st.booleans()
    some = st.sampled_from(values)
    one = some.map(lambda value: (value,))
    return st.one_of(
        st.builds(Comparison, st.just(term), st.sampled_from(["<", "<=", ">", ">="]), one),
        st.builds(Comparison, st.just(term), st.just("="), one, negated),
        st.builds(
            Comparison, st.just(term), st.just("IN"),
            st.lists(some, min_size=1, max_size=3).map(tuple), negated,
        ),
        st.builds(Comparison, st.just(term), st.just("BETWEEN"), st.tuples(some, some), negated),
        st.builds(Comparison, st.just(term), st.just("NULL"), st.just(()), negated),
    )  # fmt: skip


def comparisons() -> st.SearchStrategy[Comparison]:
    keyed = st.builds(Term, st.sampled_from(["param", "tag", "property"]), st.sampled_from(KEYS))
    metric = st.builds(
        Term, st.just("metric"), st.sampled_from(METRICS), st.sampled_from(FUNCTIONS)
    )
    return st.one_of(
        metric.flatmap(lambda term: numbers(term, (*NUMBERS, float("nan")))),
        keyed.flatmap(lambda term: st.one_of(texts(term, TEXTS), numbers(term, NUMBERS))),
        st.sampled_from(WORDS).flatmap(
            lambda name: texts(
                Term("attribute", name), STATUSES if name == "status" else WORD_TEXTS
            )
        ),
        st.sampled_from(AMOUNTS).flatmap(lambda name: numbers(Term("attribute", name), MOMENTS)),
        st.sampled_from(["name", "digest", "context"]).flatmap(
            lambda name: texts(Term("dataset", name), TEXTS)
        ),
    )


def expressions() -> st.SearchStrategy[Any]:
    def combined(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        parts = st.lists(inner, min_size=2, max_size=3).map(tuple)
        return st.one_of(st.builds(And, parts), st.builds(Or, parts), st.builds(Not, inner))

    return st.recursive(comparisons(), combined, max_leaves=8)
