"""Rows beside the real ones that two engines are compared on: near ones, where a value decides
otherwise if a digit is lost, and far ones."""

from typing import Any

SEEDS = 48
COLUMNS = 32
IDENTIFIERS = 1e9
"""Where whole numbers have more digits than 32 bits can hold."""


def near(real: Any) -> Any:
    """Perturbed rows: a little noise, more of it, other combinations, and the middles between two,
    which is where trees decide."""
    import numpy as np

    random = np.random.default_rng(1)
    base = np.resize(real[:SEEDS], (SEEDS, real.shape[1]))
    spread = np.nanstd(base, axis=0)
    spread = np.where(spread > 0, spread, np.maximum(np.nanmean(np.abs(base), axis=0), 1))
    mixed = np.stack([random.permutation(column) for column in base.T], axis=1)
    return np.concatenate(
        [
            base * (1 + 1e-6 * random.standard_normal(base.shape)),
            base * (1 + 1e-2 * random.standard_normal(base.shape)),
            base + spread * random.standard_normal(base.shape),
            mixed,
            (base + mixed) / 2,
        ]
    )


def far(real: Any) -> Any:
    """Rows of other ranges: nothing, large, small and negative values, and identifiers of ten
    digits in each column, one at a time and all together."""
    import numpy as np

    random = np.random.default_rng(2)
    base = real[: SEEDS // 6]
    width = base.shape[1]

    def identifiers(shape: tuple[int, ...]) -> Any:
        return IDENTIFIERS + random.integers(0, 1000, shape)

    found = [np.zeros((1, width)), base * 1e3, base * 1e6, base * 1e-3, -base]
    found.append(identifiers((len(base), width)))
    for at in range(min(width, COLUMNS)):
        some = base[:4].copy()
        some[:, at] = identifiers((len(some),))
        found.append(some)
    return np.concatenate(found)


def holes(real: Any, value: float) -> Any:
    """The first row with that value in each of the columns, and in all of them."""
    import numpy as np

    width = min(real.shape[1], COLUMNS)
    found = np.repeat(real[:1], width + 1, axis=0)
    for at in range(width):
        found[at, at] = value
    found[-1, :] = value
    return found
