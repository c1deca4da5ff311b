"""What runs are put in order by: `key [ASC|DESC]`."""

from collections.abc import Sequence
from functools import lru_cache

from msgspec import Struct

from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.experiments.search.expression import Term
from ml_workspace_lab.experiments.search.parser import Reader
from ml_workspace_lab.experiments.search.vocabulary import Vocabulary

MAX_TERMS = 20


class OrderTerm(Struct, frozen=True):
    term: Term
    descending: bool


def parse_order(
    order_by: Sequence[str], vocabulary: Vocabulary, most: int = MAX_TERMS
) -> list[OrderTerm]:
    """Raises InvalidInput at what is no key, a key that comes twice, and more than `most`."""
    if len(order_by) > most:
        raise InvalidInput(f"order_by: has more than {most} keys.", field="order_by")
    found = [_parse(text, vocabulary) for text in order_by]
    for index, one in enumerate(found):
        if any(one.term == other.term for other in found[:index]):
            raise InvalidInput(
                f"order_by: {order_by[index][:80]!r} orders by a key again.", field="order_by"
            )
    return found


@lru_cache(256)
def _parse(text: str, vocabulary: Vocabulary) -> OrderTerm:
    reader = Reader(text, vocabulary, "order_by")
    term = reader.term()
    if term.entity not in ("attribute", *vocabulary.keyed):
        raise InvalidInput(f"order_by: there is no order by a {term.entity}.", field="order_by")
    word = reader.take("ASC", "DESC")
    reader.end()
    return OrderTerm(term, word == "DESC")
