"""What runs are put in order by: `key [ASC|DESC]`."""

from collections.abc import Collection, Sequence
from functools import lru_cache

from msgspec import Struct

from ml_workspace_lab.errors import InvalidInput, shown
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


def by_attributes(
    order_by: Sequence[str],
    sortable: Collection[str],
    ties: Sequence[str],
    vocabulary: Vocabulary,
) -> list[OrderTerm]:
    """An order by `sortable` attributes alone; `ties` decide what it leaves open. Raises
    InvalidInput at any other key."""
    wanted = parse_order(order_by, vocabulary)
    for text, one in zip(order_by, wanted, strict=True):
        if one.term.entity != "attribute" or one.term.name not in sortable:
            raise InvalidInput(
                f"order_by: {shown(text)} is nothing to put in order by.",
                field="order_by",
                hint=f"There are {', '.join(sortable)}.",
            )
    named = {one.term for one in wanted}
    return [*wanted, *(one for one in parse_order(ties, vocabulary) if one.term not in named)]


@lru_cache(256)
def _parse(text: str, vocabulary: Vocabulary) -> OrderTerm:
    reader = Reader(text, vocabulary, "order_by")
    term = reader.term()
    if term.entity not in ("attribute", *vocabulary.keyed):
        raise InvalidInput(f"order_by: there is no order by a {term.entity}.", field="order_by")
    word = reader.take("ASC", "DESC")
    reader.end()
    return OrderTerm(term, word == "DESC")
