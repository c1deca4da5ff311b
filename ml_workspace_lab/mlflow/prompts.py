"""The rule by which clients tell models from prompts, which are models with a tag."""

from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.experiments.search.expression import (
    And,
    Comparison,
    Expression,
    conjuncts,
    text,
)
from ml_workspace_lab.experiments.search.parser import parse
from ml_workspace_lab.experiments.search.vocabulary import Vocabulary
from ml_workspace_lab.models.model import PROMPT_TAG, ModelKind


def asked_for(wanted: str, vocabulary: Vocabulary) -> tuple[ModelKind, str]:
    """Which kind a filter asks for, and the rest of it.

    Every search of newer clients says `tags.mlflow.prompt.is_prompt != 'true'`, which is meant to
    match models that have no such tag; a search that says nothing of it is for models, too.
    """
    parts = conjuncts(parse(wanted, vocabulary))
    said = [part for part in parts if _is_about_prompts(part)]
    rest = tuple(part for part in parts if part not in said)
    kinds = {_kind(part) for part in said}
    if len(kinds) > 1:
        raise InvalidInput("filter: asks for models and prompts at once.", field="filter")
    kind = kinds.pop() if kinds else "model"
    return kind, text(rest[0] if len(rest) == 1 else And(rest)) if rest else ""


def _is_about_prompts(part: Expression) -> bool:
    return isinstance(part, Comparison) and part.term.name == PROMPT_TAG


def _kind(part: Expression) -> ModelKind:
    assert isinstance(part, Comparison)
    is_true = [str(value).lower() == "true" for value in part.values] == [True]
    return "prompt" if part.operator == "=" and is_true is not part.negated else "model"
