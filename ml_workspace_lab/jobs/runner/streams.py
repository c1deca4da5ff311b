"""What a cell prints, joined into one output as a notebook shows it.

nbclient's own way looks for carriage returns with a pattern that takes the square of a line's
length: minutes for one line of some hundred thousand characters.
"""

from typing import Any


class Stream:
    """The last stream output of a cell, to which more may come."""

    def __init__(self, output: Any) -> None:
        self.output = output
        self._more: list[str] = []

    def takes(self, outputs: list[Any], content: dict[str, Any]) -> bool:
        """Whether this text goes on where the last output ended."""
        return bool(outputs) and outputs[-1] is self.output and self.output.name == content["name"]

    def add(self, text: str) -> None:
        self._more.append(text)

    def join(self) -> None:
        """Put what has come into the output. Done now and then, since it copies all of it."""
        if self._more:
            self.output["text"] = overwritten(self.output["text"] + "".join(self._more))
            self._more.clear()


def overwritten(text: str) -> str:
    """The text as a terminal leaves it: a carriage return goes back to the start of its line."""
    if "\r" not in text:
        return text
    *lines, last = text.split("\n")
    shown = [line.rstrip("\r").rpartition("\r")[2] for line in lines]
    # At the end of the last line it waits for what comes next.
    body = last.rstrip("\r")
    shown.append(body.rpartition("\r")[2] + last[len(body) :][:1])
    return "\n".join(shown)
