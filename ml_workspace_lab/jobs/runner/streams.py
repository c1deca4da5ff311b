"""What a cell prints, joined into one output as a notebook shows it.

nbclient's own way looks for carriage returns with a pattern that takes the square of a line's
length: minutes for one line of some hundred thousand characters.
"""

from typing import Any

MOST = 16 * 1024**2
"""Characters of one output that a notebook keeps; the log has more."""
LEFT_OUT = "\n[{:,} characters were left out of the notebook here; the log has more.]\n"


class Stream:
    """The last stream output of a cell, to which more may come."""

    def __init__(self, output: Any, most: int = MOST) -> None:
        self.output = output
        self._most = min(most, MOST)
        self._more: list[str] = []
        self._size = 0
        self._end = ""
        self._kept = ""
        self._left_out = 0

    def takes(self, outputs: list[Any], content: dict[str, Any]) -> bool:
        """Whether this text goes on where the last output ended."""
        return bool(outputs) and outputs[-1] is self.output and self.output.name == content["name"]

    def add(self, text: str) -> None:
        """Take text, and let it wait for `join` where it isn't much."""
        self._more.append(text)
        self._size += len(text)
        if self._size > self._most:
            self.join()

    def join(self) -> None:
        """Put what has come into the output. Done now and then, since it copies all of it."""
        if not self._more:
            return
        more = "".join(self._more)
        self._more.clear()
        self._size = 0
        if self._kept:
            self._trim(more)
            return
        text = overwritten(self.output["text"] + more)
        if len(text) <= self._most:
            self.output["text"] = text
        else:
            self._kept, rest = text[: self._most // 2], text[self._most // 2 :]
            self._trim(rest)

    def _trim(self, more: str) -> None:
        """Keep the beginning and the end of what is too long."""
        end = overwritten(self._end + more)
        cut = max(len(end) - self._most // 2, 0)
        self._left_out += cut
        self._end = end[cut:]
        note = LEFT_OUT.format(self._left_out) if self._left_out else ""
        self.output["text"] = f"{self._kept}{note}{self._end}"


class Together:
    """Texts of several streams as one log: where one begins while the line of another is not ended,
    it begins a line of its own. Bars go to one stream and what is printed to another."""

    def __init__(self) -> None:
        self._unfinished = ""
        self._ended_early: set[str] = set()

    def text(self, stream: str, text: str) -> str:
        """What to add to the log for a text of a stream."""
        if stream in self._ended_early and text:
            self._ended_early.discard(stream)
            text = text.removeprefix("\n")  # The line that this would end has been ended.
        if not text:
            return ""
        start = ""
        if self._unfinished not in ("", stream):
            self._ended_early.add(self._unfinished)
            start = "\n"
        self._unfinished = "" if text.endswith("\n") else stream
        return start + text


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
