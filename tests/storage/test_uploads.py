"""Contents that come in parts."""

import os
import time
from io import BytesIO
from pathlib import Path

import pytest

from ml_workspace_lab.errors import Conflict, Denied, InvalidInput, NotFound, TooLarge
from ml_workspace_lab.storage import uploads as module
from ml_workspace_lab.storage.uploads import Link, Uploads


@pytest.fixture
def uploads(tmp_path: Path) -> Uploads:
    return Uploads(tmp_path)


def send(uploads: Uploads, links: list[Link], *contents: bytes) -> dict[int, str]:
    return {
        link.part: uploads.put(link, BytesIO(content))
        for link, content in zip(links, contents, strict=True)
    }


def taken(uploads: Uploads, links: list[Link], digests: dict[int, str]) -> bytes | None:
    with uploads.whole(links[0].upload_id, "a/b", digests) as stream:
        return None if stream is None else stream.read()


def kept(tmp_path: Path) -> list[str]:
    return [path.name for path in tmp_path.rglob("0*-*")]


def test_parts_are_joined_in_their_order_however_they_came(
    uploads: Uploads, tmp_path: Path
) -> None:
    links = uploads.begin("a/b", 3)
    digests = send(uploads, links[::-1], b"three", b"", b"one")
    assert taken(uploads, links, digests) == b"onethree"
    assert kept(tmp_path) == []


def test_an_end_that_is_told_twice_is_one_end(uploads: Uploads) -> None:
    links = uploads.begin("a/b", 1)
    digests = send(uploads, links, b"x")
    assert taken(uploads, links, digests) == b"x"
    assert taken(uploads, links, digests) is None
    with pytest.raises(Conflict):
        taken(uploads, links, {1: "0" * 64})
    with pytest.raises(Conflict, match="has been ended"):
        uploads.put(links[0], BytesIO(b"late"))


def test_an_end_that_fails_leaves_the_parts(uploads: Uploads) -> None:
    links = uploads.begin("a/b", 1)
    digests = send(uploads, links, b"x")
    with (
        pytest.raises(ZeroDivisionError),
        uploads.whole(links[0].upload_id, "a/b", digests) as stream,
    ):
        assert stream is not None
        raise ZeroDivisionError
    assert taken(uploads, links, digests) == b"x"


def test_a_part_sent_again_takes_the_place_of_the_earlier(uploads: Uploads, tmp_path: Path) -> None:
    links = uploads.begin("a/b", 1)
    earlier = send(uploads, links, b"cut off")
    later = send(uploads, links, b"whole")
    assert len(kept(tmp_path)) == 1
    with pytest.raises(InvalidInput, match="part 1 is not here"):
        taken(uploads, links, earlier)
    assert taken(uploads, links, later) == b"whole"


@pytest.mark.parametrize(
    "digests", [{}, {1: "0" * 64}, {1: "../about.json", 2: "x"}, {0: "0" * 64, 1: "0" * 64}]
)
def test_an_end_names_every_part_as_it_was_sent(uploads: Uploads, digests: dict[int, str]) -> None:
    links = uploads.begin("a/b", 2)
    send(uploads, links, b"1", b"2")
    with pytest.raises(InvalidInput, match="parts"):
        taken(uploads, links, digests)


@pytest.mark.parametrize("parts", [-1, 0, 10_001])
def test_the_number_of_parts_is_limited(uploads: Uploads, parts: int) -> None:
    with pytest.raises(InvalidInput, match="num_parts"):
        uploads.begin("a/b", parts)


def test_the_size_of_the_whole_is_limited(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path, limit=5)
    links = uploads.begin("a/b", 2)
    uploads.put(links[0], BytesIO(b"1234"))
    uploads.put(links[0], BytesIO(b"123"))
    with pytest.raises(TooLarge):
        uploads.put(links[1], BytesIO(b"123"))
    assert len(kept(tmp_path)) == 1
    assert not list(tmp_path.rglob(".*"))
    uploads.put(links[1], BytesIO(b"12"))


def test_an_address_is_good_for_one_part_of_one_upload_for_some_hours(
    uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = uploads.begin("a/b", 2)
    other = uploads.begin("a/b", 2)[0]
    for forged in (
        Link(first.upload_id, 2, first.until, first.signature),
        Link(first.upload_id, 1, first.until + 1, first.signature),
        Link(other.upload_id, 1, first.until, first.signature),
        Link(first.upload_id, 1, first.until, ""),
        Link(first.upload_id, 1, first.until, "ä"),
    ):
        with pytest.raises(Denied):
            uploads.put(forged, BytesIO(b"x"))
    later = time.time() + module.LINK_SECONDS + 1
    monkeypatch.setattr(module.time, "time", lambda: later)
    with pytest.raises(Denied, match="no longer valid"):
        uploads.put(second, BytesIO(b"x"))


@pytest.mark.parametrize("upload_id", ["", "..", "0" * 32, "../uploads"])
def test_an_upload_that_is_not_there_is_not_found(uploads: Uploads, upload_id: str) -> None:
    uploads.begin("a/b", 1)
    with pytest.raises(NotFound):
        uploads.drop(upload_id, "a/b")
    with pytest.raises(NotFound):
        uploads.put(Link(upload_id, 1, 0, ""), BytesIO())


def test_an_upload_is_of_the_file_that_it_was_begun_for(uploads: Uploads) -> None:
    links = uploads.begin("somebody/else", 1)
    digests = send(uploads, links, b"x")
    with pytest.raises(NotFound):
        taken(uploads, links, digests)
    with pytest.raises(NotFound):
        uploads.drop(links[0].upload_id, "a/b")


def test_what_was_given_up_is_removed_and_what_goes_on_stays(
    uploads: Uploads, tmp_path: Path
) -> None:
    old, new = uploads.begin("a/b", 1), uploads.begin("a/b", 1)
    send(uploads, old, b"x" * 5000)
    send(uploads, new, b"y")
    folder = tmp_path / "uploads" / old[0].upload_id
    before = time.time() - module.KEPT_SECONDS - 1
    os.utime(folder, (before, before))
    freed = uploads.sweep()
    assert not folder.exists()
    assert freed.bytes >= 5000
    assert len(kept(tmp_path)) == 1
    assert module.LINK_SECONDS < module.KEPT_SECONDS < 23 * 3600
