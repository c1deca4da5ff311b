"""Rules of every folder together."""

from pathlib import Path

from ml_workspace_lab.snapshots import stat_cache
from ml_workspace_lab.snapshots.capture import capture
from ml_workspace_lab.snapshots.ignoring import SECRET
from ml_workspace_lab.snapshots.preview import ignore_line, preview
from tests.snapshots.test_capture import write


def test_rules_of_a_folder_are_stronger_than_those_above_it(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", "d/b.csv", "d/keep.csv", "d/e/c.csv", "d/e/x.txt", "x.txt")
    (tmp_path / ".gitignore").write_text("*.csv\n")
    (tmp_path / ".amlignore").write_text("!a.csv\n")
    (tmp_path / "d/.gitignore").write_text("!/keep.csv\n")
    (tmp_path / "d/e/.amlignore").write_text("*.txt\n!c.csv\n")
    found = {path for path in capture(tmp_path).files if "ignore" not in path}
    assert found == {"a.csv", "d/keep.csv", "d/e/c.csv", "x.txt"}


def test_rules_of_the_repository_hold_in_its_folders(tmp_path: Path) -> None:
    write(tmp_path, ".git/HEAD", "code/a.py", "code/big.bin", "code/data/x", "code/excluded")
    (tmp_path / ".gitignore").write_text("*.bin\n/code/data/\n")
    (tmp_path / ".git/info").mkdir()
    (tmp_path / ".git/info/exclude").write_text("excluded\n")
    assert set(capture(tmp_path / "code").files) == {"a.py"}


def test_a_folder_that_the_repository_leaves_out_is_meant_all_the_same(tmp_path: Path) -> None:
    write(tmp_path, ".git/HEAD", "scratch/a.py")
    (tmp_path / ".gitignore").write_text("scratch/\n")
    assert set(capture(tmp_path / "scratch").files) == {"a.py"}


def test_a_line_takes_back_what_our_defaults_leave_out(tmp_path: Path) -> None:
    write(tmp_path, "outputs/a", "logs/b", ".env", "x.pyc")
    (tmp_path / ".amlignore").write_text("!outputs/\n!.env\n")
    assert set(capture(tmp_path).files) == {".amlignore", "outputs/a", ".env"}


def test_a_line_that_can_not_be_understood_is_no_reason_to_refuse(tmp_path: Path) -> None:
    write(tmp_path, "a.py", "b.txt")
    (tmp_path / ".gitignore").write_bytes(b"!\n/\n[\n\xff\xfe\nb.txt\n")
    assert "a.py" in capture(tmp_path).files
    assert "b.txt" not in capture(tmp_path).files


def test_what_may_hold_secrets_is_left_out_and_listed(tmp_path: Path) -> None:
    write(tmp_path, ".env", ".env.local", ".env.example", "id_rsa", "id_rsa.pub", "tls.key")
    write(tmp_path, ".aws/credentials", "d/.netrc", "code.py", "keys.py")
    found = capture(tmp_path)
    assert set(found.files) == {".env.example", "id_rsa.pub", "code.py", "keys.py"}
    assert {one.path for one in found.omitted if one.reason == SECRET} == {
        ".env", ".env.local", "id_rsa", "tls.key", ".aws", "d/.netrc",
    }  # fmt: skip


def test_verdicts_are_remembered_only_while_the_rules_hold(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", "d/b.csv")
    cache = stat_cache.StatCache(root=str(tmp_path), folders=capture(tmp_path).folders)
    assert set(capture(tmp_path, cache=cache).files) == {"a.csv", "d/b.csv"}
    (tmp_path / "d/.gitignore").write_text("*.csv\n")
    assert set(capture(tmp_path, cache=cache).files) == {"a.csv", "d/.gitignore"}
    (tmp_path / ".gitignore").write_text("a.*\n")
    assert set(capture(tmp_path, cache=cache).files) == {".gitignore", "d/.gitignore"}


def test_a_preview_says_what_takes_most_and_the_line_that_leaves_it_out(tmp_path: Path) -> None:
    write(tmp_path, "a.py", "data/deep/odd [1].bin", "data/b.bin")
    (tmp_path / "data/deep/odd [1].bin").write_bytes(b"x" * 2_000_000)
    with (tmp_path / "huge.bin").open("wb") as file:
        file.truncate(5 * 1024**3)
    found = preview(tmp_path)
    assert (found.files, found.size) == (3, 2_000_000 + len("a.py") + len("data/b.bin"))
    sizes = {one.path: one.size for one in found.tree}
    assert sizes["data/deep/"] == 2_000_000
    assert found.largest[0].path == "huge.bin"
    assert found.lines[:2] == ["/huge.bin", "/data/deep/odd \\[1\\].bin"]
    assert "huge.bin: is larger than 64 MiB" in str(found)
    (tmp_path / ".amlignore").write_text("\n".join(found.lines[:2]))
    after = preview(tmp_path)
    assert (after.files, after.omitted) == (3, [])


def test_the_line_for_an_odd_name_matches_it_alone(tmp_path: Path) -> None:
    names = ["a*b", "a?b", "end ", "#x", "!y", "[z]"]
    write(tmp_path, *names, "aXb")
    (tmp_path / ".amlignore").write_text("\n".join(map(ignore_line, names)))
    assert set(capture(tmp_path).files) == {".amlignore", "aXb"}
