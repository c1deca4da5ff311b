"""What a model's files are, told from their names and first bytes: nothing is ever opened."""

import zipfile
from collections.abc import Iterable
from typing import BinaryIO

PICKLE_NAMES = (".pkl", ".pickle", ".joblib", ".pt", ".pth", ".pt2", ".ckpt")
FRAMEWORKS = {
    ".onnx": "Onnx",
    ".skops": "ScikitLearn",
    ".pt": "PyTorch",
    ".pth": "PyTorch",
    ".pt2": "PyTorch",
    ".safetensors": "PyTorch",
    ".keras": "TfKeras",
    ".h5": "TfKeras",
    ".ubj": "XGBoost",
    ".cbm": "CatBoost",
}
UNKNOWN = "Custom"

_ZLIB = (b"x\x01", b"x\x5e", b"x\x9c", b"x\xda")
_COMPRESSED = (*_ZLIB, b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x04\x22\x4d\x18")
HEAD = 64 * 1024


def executes_code(path: str, content: BinaryIO) -> bool:
    """Whether loading the file may run what it holds: a pickle, an archive with one inside, Python.

    A file that hides a pickle better than that is still not safe to load: this is a warning for
    people, and nothing in the server process loads any model whatever it says.
    """
    head = content.read(HEAD)
    content.seek(0)
    if path.lower().endswith((*PICKLE_NAMES, ".py")) or _is_pickle(head):
        return True
    if head.startswith(_COMPRESSED):
        return True  # joblib compresses its pickles; what else it may be can't be told unopened
    return head.startswith(b"PK\x03\x04") and _zip_has_pickle(content)


def framework(paths: Iterable[str], heads: Iterable[bytes]) -> str:
    """The framework that the files speak of, `Custom` where they don't."""
    for path in paths:
        dot = path.lower().rfind(".")
        if dot >= 0 and path.lower()[dot:] in FRAMEWORKS:
            return FRAMEWORKS[path.lower()[dot:]]
    if any(b"sklearn." in head for head in heads):
        return "ScikitLearn"
    return UNKNOWN


def _is_pickle(head: bytes) -> bool:
    """Protocol 2 and later begin with PROTO; older ones are text that ends with STOP."""
    if len(head) >= 2 and head[0] == 0x80 and head[1] <= 5:
        return True
    return head[:1] in (b"(", b"c", b"]", b"}") and head.rstrip(b"\n").endswith(b".")


def _zip_has_pickle(content: BinaryIO) -> bool:
    try:
        with zipfile.ZipFile(content) as archive:
            return any(name.lower().endswith(PICKLE_NAMES) for name in archive.namelist())
    except Exception:  # noqa: BLE001 - odd archives make zipfile raise almost anything
        return True  # an archive that can't be listed may hold anything
    finally:
        content.seek(0)
