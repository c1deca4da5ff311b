"""Packages go into an image with what they need, and without what tells who installed them."""

from pathlib import Path

import pytest
from packaging.requirements import Requirement

from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.models.packages.distributions import files, needed
from ml_workspace_lab.models.packages.interpreters import Interpreter


def python(folder: Path) -> Interpreter:
    return Interpreter("3.11", "3.11.9", [str(folder)], "/bin/python3", "/", "/lib/python3.11")


def install(folder: Path, name: str, *needs: str, record: str | None = None) -> None:
    """A package as pip leaves it."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    lines = "".join(f"Requires-Dist: {need}\n" for need in needs)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{lines}")
    (info / "INSTALLER").write_text("somebody")
    (folder / f"{name}.py").write_text("")
    own = f"{name}.py,,\n{info.name}/METADATA,,\n{info.name}/INSTALLER,,\n{info.name}/RECORD,,\n"
    own += f"__pycache__/{name}.cpython-311.pyc,,\n../../../bin/{name},sha256=differs,9\n"
    (info / "RECORD").write_text(own if record is None else record)


def test_what_is_needed_is_found_with_its_conditions(tmp_path: Path) -> None:
    install(tmp_path, "a", "b", 'c; python_version < "3"', 'd; extra == "more"')
    install(tmp_path, "b", "a")
    install(tmp_path, "d", "mlflow")
    found = needed(python(tmp_path), [Requirement("A[more]==1.0")], left_out=["mlflow"])
    assert [one.name for one in found] == ["a", "b", "d"]
    assert [one.name for one in needed(python(tmp_path), [Requirement("a")])] == ["a", "b"]
    for wanted in ("a==2", "c"):
        with pytest.raises(InvalidInput, match="The image needs"):
            needed(python(tmp_path), [Requirement(wanted)])


def test_a_package_has_its_files_and_nothing_of_its_installation(tmp_path: Path) -> None:
    install(tmp_path, "a")
    (found,) = needed(python(tmp_path), [Requirement("a")])
    entries = {entry.name: entry for entry in files(found, "root")}
    info = "root/a-1.0.dist-info"
    assert set(entries) == {"root/a.py", f"{info}/METADATA", f"{info}/RECORD"}
    with entries[f"{info}/RECORD"].open() as record:
        assert record.read() == b"a-1.0.dist-info/METADATA,,\na-1.0.dist-info/RECORD,,\na.py,,\n"


def test_what_is_not_installed_as_a_wheel_is_refused(tmp_path: Path) -> None:
    install(tmp_path, "a", record="__editable__.a.pth,,\n")
    (found,) = needed(python(tmp_path), [Requirement("a")])
    with pytest.raises(InvalidInput, match="editable"):
        list(files(found, "root"))
