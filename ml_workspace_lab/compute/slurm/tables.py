"""Tables that Slurm's commands print in columns of given widths (`--Format=NAME:WIDTH,…`)."""

from collections.abc import Iterator, Mapping


def format_of(widths: Mapping[str, int]) -> str:
    return ",".join(f"{name}:{width}" for name, width in widths.items())


def rows(text: str, widths: Mapping[str, int]) -> Iterator[dict[str, str]]:
    """The cells of each line by the names of their columns."""
    for line in filter(None, text.splitlines()):
        cells = {}
        at = 0
        for name, width in widths.items():
            cells[name] = line[at : at + width].strip()
            at += width
        yield cells
