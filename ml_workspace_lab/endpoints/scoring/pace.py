"""Whether a model is quick enough to be asked in the event loop itself."""

QUICK_MS = 2.0
QUICK_IN_THREAD_MS = 4.0
"""What comes from a thread has waited for the interpreter, too."""
AWFUL_MS = 50.0
_WEIGHT = 0.02
_FIRST, _SOME, _FEW = 0.03, 0.05, 0.01


class Pace:
    """Watches the times that a model takes. It begins as one that is not quick, becomes quick once
    next to none of the last hundred calls was slow, and stops to be when one in twenty is, or a
    single one takes so long that others would notice."""

    def __init__(self) -> None:
        self.is_quick = False
        self._slow_share = _FIRST

    def took(self, milliseconds: float, computed: float) -> None:
        """Take note of one call, with the milliseconds that the process computed meanwhile: where
        other programs had the processor, it is not the model that is slow."""
        if milliseconds > AWFUL_MS:
            self._slow_share, self.is_quick = 1.0, False
            return
        limit = QUICK_MS if self.is_quick else QUICK_IN_THREAD_MS
        self._slow_share += _WEIGHT * ((min(milliseconds, computed) > limit) - self._slow_share)
        self.is_quick = self._slow_share < (_SOME if self.is_quick else _FEW)
