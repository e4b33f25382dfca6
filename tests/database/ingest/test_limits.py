from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest

from whiteline.database.ingest.limits import Limits, check_lines, read_bytes, read_text, unpacked_name
from whiteline.errors import ParseError

SMALL = Limits(max_bytes=1000, max_line=50)


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
}


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_packed_file_has_the_content_of_the_plain_one(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"xmu.dat{suffix}"
    path.write_bytes(PACKERS[suffix]("8979 1.0 Å\n".encode()))
    assert read_text(path, SMALL) == "8979 1.0 Å\n"


def test_what_unpacks_to_more_than_the_limit_is_refused_before_it_is_held(tmp_path: Path) -> None:
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(b"\n" * 20_000_000))
    with pytest.raises(ParseError, match="unpacks to more than"):
        read_bytes(path, Limits(max_bytes=5_000_000))
    assert len(read_bytes(path, Limits.none())) == 20_000_000


def test_a_long_line_is_named_even_where_it_spans_several_reads(tmp_path: Path) -> None:
    path = tmp_path / "line.dat"
    path.write_bytes(b"1 2\r\n3 4\n" + b"5" * 3_000_000 + b"\n6 7\n")
    with pytest.raises(ParseError, match="line 3: the line has more than 2500000 characters"):
        check_lines(path, Limits(max_line=2_500_000))
    check_lines(path, Limits(max_line=3_000_000))


@pytest.mark.parametrize("content", [b"", b"\x1f\x8b", b"\x1f\x8b\x08\x00garbage", gzip.compress(b"x" * 500)[:-9]])
def test_damaged_packing_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file.gz"
    path.write_bytes(content)
    if content:
        with pytest.raises(ParseError, match="cannot be read or unpacked"):
            read_bytes(path, SMALL)
    else:
        assert read_bytes(path, SMALL) == b""


def test_folders_missing_files_and_binary_data_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ParseError, match="expected a regular file"):
        read_bytes(tmp_path, SMALL)
    with pytest.raises(ParseError, match="No such file"):
        read_bytes(tmp_path / "nothing", SMALL)
    (tmp_path / "noise").write_bytes(b"text\n\x00")
    with pytest.raises(ParseError, match="line 2: expected text, got binary data"):
        read_text(tmp_path / "noise", SMALL)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_lines_are_counted_whatever_ends_them(tmp_path: Path, end: bytes) -> None:
    path = tmp_path / "line.dat"
    path.write_bytes(end.join([b"1", b"2", b"", b"3" * 60]))
    with pytest.raises(ParseError, match="line 4: the line has more than 50"):
        check_lines(path, SMALL)


@pytest.mark.parametrize("name", [".gz", "..gz", "...gz"])
def test_a_name_that_is_nothing_but_a_suffix_stays(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"text")
    assert unpacked_name(name) == name
    assert read_bytes(tmp_path / name, SMALL) == b"text"
