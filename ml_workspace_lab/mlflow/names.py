"""Names for what a client left without one."""

import secrets

_WORDS = (
    "amber bold brave bright calm clear clever crisp daring deep eager early fair fast fine fond"
    " gentle glad golden grand green happy keen kind lively lucky mellow merry mild neat nimble"
    " noble proud quick quiet rapid rare ready silver smart smooth steady still strong sunny"
    " swift tidy warm wise"
)
_THINGS = (
    "ant bear bee bird brook cloud crane crow deer dove dune eagle elk falcon fern finch fox frog"
    " gull hare hawk heron hill jay lake lark leaf lynx mole moon moth newt oak otter owl pine"
    " pond quail rain raven reed river robin seal snail star stone stork swan tide trout wave"
    " wind wolf wren"
)


def random_name() -> str:
    """Two words and a number, to tell runs apart by eye; not unique."""
    word, thing = secrets.choice(_WORDS.split()), secrets.choice(_THINGS.split())
    return f"{word}-{thing}-{secrets.randbelow(1000)}"
