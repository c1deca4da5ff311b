"""Whether a metric is better when it is lower, by its name."""

import re
from typing import Literal

LOWER_IS_BETTER = frozenset(
    word
    for line in (
        "loss cost error errors err mae mse rmse mape smape rmsle msle medae logloss",
        "perplexity ppl bpb bpc nll crossentropy entropy kl kld divergence distance fid kid",
        "wer cer ter eer fpr fnr fdr brier hinge deviance residual regret penalty",
        "latency time duration seconds ms aic bic rss sse",
    )
    for word in line.split()
)
"""Words that say so; any of them in a name decides, whatever stands before and after."""

_HIGHER = frozenset({"neg", "negative"})
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def goal(name: str) -> Literal["min", "max"]:
    """`min` where the name has a word of `LOWER_IS_BETTER` and doesn't begin with `neg`."""
    words = [word.lower() for word in _WORDS.findall(name)]
    if _HIGHER.intersection(words):
        return "max"
    whole = "".join(words)
    loss_like = whole.endswith("loss") or LOWER_IS_BETTER.intersection(words)
    return "min" if loss_like else "max"
