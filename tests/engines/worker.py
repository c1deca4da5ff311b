"""A runner in small, for tests of what engines do: `python3 worker.py URL RUN ATTEMPT [stubborn]`.

It claims its attempt, asks again and again whether to go on, and says how it ends. One that is
refused ends at once, having done nothing. The standard library alone, since it runs anywhere.
"""

import ctypes
import itertools
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid

URL, RUN, ATTEMPT, *MANNERS = sys.argv[1:]
NONCE = uuid.uuid4().hex
NUMBERS = itertools.count()
PATIENCE = 120.0
PR_SET_PDEATHSIG = 1


def ask(what: str) -> str:
    """The server's word; tried again for a while where it can't be reached. Its number says that
    it is the same question."""
    number = next(NUMBERS)
    until = time.monotonic() + PATIENCE
    while True:
        try:
            question = f"{URL}/{what}/{RUN}/{ATTEMPT}/{NONCE}/{number}"
            with urllib.request.urlopen(question, timeout=3) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            return f"refused {error.code}"
        except OSError as error:
            if isinstance(getattr(error, "reason", error), ConnectionRefusedError):
                sys.exit(0)  # The test is over.
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


def die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def on_term(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ask("termed")
    if "stubborn" not in MANNERS:
        ask("ended")
        sys.exit(0)


signal.signal(signal.SIGTERM, on_term)
if ask("claim") != "yours":
    sys.exit(0)
child = subprocess.Popen(["sleep", "1000"], preexec_fn=die_with_parent, start_new_session=True)
sys.stdout.write("began\n")
sys.stdout.flush()
while True:
    match ask("orders").split():
        case ["on"]:
            time.sleep(0.1)
        case ["exit", code]:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            ask("ended")
            child.kill()
            child.wait()
            sys.exit(int(code))
        case ["kill"]:
            os.kill(os.getpid(), signal.SIGKILL)
        case _:  # superseded: nothing of it counts any more
            child.kill()
            sys.exit(0)
