"""What several processes count, as one text in Prometheus' format."""

from collections.abc import Callable, Iterable, Sequence

OF_WORKER = b"/metrics?of=worker"
"""Where a process tells what it counts itself."""
Family = tuple[list[str], dict[str, str]]
"""The lines that describe a family, and its numbers by name and labels."""
_OLDEST = "start_time_seconds"
"""Of this the least is taken, of all else the sum."""


class Gathering:
    """Texts that are waited for; `done` is called with all of them as one. It has begun with one
    that is its maker's own."""

    def __init__(self, done: Callable[[str], None]) -> None:
        self._done = done
        self._texts: list[str] = []
        self._awaited = 1

    def wait_for(self, count: int) -> None:
        self._awaited += count

    def add(self, text: str | None) -> None:
        """Take one; None from who has none."""
        if text is not None:
            self._texts.append(text)
        self._awaited -= 1
        if self._awaited == 0:
            self._done(merged(self._texts))


def merged(texts: Sequence[str]) -> str:
    """Several texts as one: each family of numbers stands together and is described once; numbers
    of one name with the same labels are added up."""
    if len(texts) == 1:
        return texts[0]
    families: dict[str, Family] = {}
    for text in texts:
        for head, values in _families(text):
            heads, sums = families.setdefault(head[0], ([], {}))
            heads += [line for line in head if line not in heads]
            for key, value in values.items():
                sums[key] = _added(key, sums[key], value) if key in sums else value
    return _joined(families.values())


def counters(text: str) -> str:
    """What of a text only grows: what is the case now is left out."""
    growing = ("counter", "histogram")
    return _joined(one for one in _families(text) if one[0][-1].rpartition(" ")[2] in growing)


def _families(text: str) -> list[Family]:
    found: list[Family] = []
    for line in text.splitlines():
        if line.startswith("# HELP "):
            found.append(([line], {}))
        elif line.startswith("#"):
            found[-1][0].append(line)
        else:
            key, _, value = line.rpartition(" ")
            found[-1][1][key] = value
    return found


def _added(key: str, one: str, other: str) -> str:
    numbers = [int(text) if text.isdecimal() else float(text) for text in (one, other)]
    return repr(min(numbers) if _OLDEST in key.partition("{")[0] else sum(numbers))


def _joined(families: Iterable[Family]) -> str:
    lines: list[str] = []
    for heads, values in families:
        lines += heads
        lines += [f"{key} {value}" for key, value in values.items()]
    return "".join(f"{line}\n" for line in lines)
