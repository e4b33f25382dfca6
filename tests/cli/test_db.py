from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from whiteline.database import open_store
from whiteline.database.administration.entries import EVERYTHING

from .conftest import Command

COMMANDS = ["init", "status", "migrate", "copy", "backup", "restore", "verify"]
OLD_FILE = Path(__file__).parents[1] / "data" / "stores" / "v1.db"


def execute(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
        connection.commit()


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A store as the first schema version wrote it."""
    return Path(shutil.copy(OLD_FILE, tmp_path / "old.db"))


@pytest.fixture
def archive(whiteline: Command, store: Path, tmp_path: Path) -> Iterator[Path]:
    assert whiteline("db", "backup", "backup.tar").code == 0
    yield tmp_path / "backup.tar"


def test_init_makes_a_store_once_and_says_so(whiteline: Command, tmp_path: Path) -> None:
    made = whiteline("db", "init", "new.db")
    assert (made.code, made.err) == (0, "")
    assert "made sqlite:///" in made.out
    again = whiteline("db", "init", "--db", "new.db")
    assert again.code == 0
    assert "is there already and lacks nothing" in again.out
    assert whiteline("db", "status", "new.db").code == 0


def test_init_leaves_a_file_of_somebody_else_alone(whiteline: Command, tmp_path: Path) -> None:
    (tmp_path / "notes.db").write_text("my notes" * 100)
    answer = whiteline("db", "init", "notes.db")
    assert answer.code == 1
    assert "not a Whiteline database" in answer.err
    assert (tmp_path / "notes.db").read_text() == "my notes" * 100


def test_status_counts_by_status_code_and_element(whiteline: Command, store: Path) -> None:
    answer = whiteline("db", "status")
    assert (answer.code, answer.err) == (0, "")
    words = " ".join(answer.out.split())
    assert "spectra 4, newest of 20" in words
    assert "by kind material 2, site 2 by code feff 4 by absorber Cu 4" in words


def test_status_as_json_is_one_object(whiteline: Command, store: Path) -> None:
    found = json.loads(whiteline("db", "status", "--json").out)
    assert found["status"]["n_spectra"] == 4
    assert sum(found["counts"]["code"].values()) == 4
    assert found["missing_indexes"] == []


def test_status_of_a_store_without_an_index_names_the_command_that_mends_it(whiteline: Command, store: Path) -> None:
    execute(store, "DROP INDEX spectra_by_formula")
    answer = whiteline("db", "status")
    assert answer.code == 1
    assert "spectra_by_formula" in answer.err
    command = answer.err.partition("`whiteline ")[2].partition("`")[0].split()
    mended = whiteline(*command)
    assert (mended.code, "spectra_by_formula" in mended.out) == (0, True)
    assert whiteline("db", "status").code == 0


def test_status_of_no_store_is_one_clear_message(whiteline: Command) -> None:
    answer = whiteline("db", "status", "none.db")
    assert (answer.code, answer.out) == (1, "")
    assert "there is no store at" in answer.err


def test_status_of_an_old_store_names_the_migration_that_then_works(whiteline: Command, old: Path) -> None:
    answer = whiteline("db", "status", old)
    assert answer.code == 1
    assert f"whiteline db migrate {old}" in answer.err
    done = whiteline("db", "migrate", old)
    assert (done.code, done.err) == (0, "")
    assert "from schema version 1 to 3" in done.out
    assert list(old.parent.glob("old.db.v1-*.bak"))
    assert whiteline("db", "status", old).code == 0
    assert whiteline("db", "verify", old).code == 0
    assert "nothing to do" in whiteline("db", "migrate", old).out


def test_copy_tells_both_sides_and_then_has_nothing_to_do(whiteline: Command, store: Path, tmp_path: Path) -> None:
    answer = whiteline("db", "copy", store, "copy.db")
    assert (answer.code, answer.err) == (0, "")
    assert "4 new, 0 completed, 0 replaced, 0 there already" in answer.out
    ours, theirs = (line.split()[1:] for line in answer.out.splitlines() if line.startswith("sqlite:"))
    assert ours == theirs
    assert "0 new, 0 completed, 0 replaced, 4 there already" in whiteline("db", "copy", store, "copy.db").out


def test_copy_of_a_part_takes_what_the_options_say(whiteline: Command, store: Path, tmp_path: Path) -> None:
    answer = whiteline("db", "copy", store, "part.db", "--kind", "site", "--absorber", "Cu", "--json")
    assert json.loads(answer.out)["n_new"] == 2
    with open_store("part.db") as part:
        assert {document.kind.value for document in part.query(EVERYTHING)} == {"site"}
    assert "did you mean 'site'?" in whiteline("db", "copy", store, "part.db", "--kind", "sight").err


def test_copy_reports_another_document_and_replaces_it_on_demand(
    whiteline: Command, store: Path, ids: dict[str, str]
) -> None:
    assert whiteline("db", "copy", store, "copy.db").code == 0
    execute(Path("copy.db"), "UPDATE spectra SET source = 'mine' WHERE kind = 'material'")
    answer = whiteline("db", "copy", store, "copy.db")
    assert answer.code == 1
    assert f"{ids['copper material']} is another document there: --replace" in answer.err
    replaced = whiteline("db", "copy", store, "copy.db", "--replace")
    assert (replaced.code, "2 replaced" in replaced.out) == (0, True)


def test_copy_from_no_store_makes_no_target(whiteline: Command, tmp_path: Path) -> None:
    answer = whiteline("db", "copy", "none.db", "target.db")
    assert answer.code == 1
    assert "there is no store at" in answer.err
    assert not (tmp_path / "target.db").exists()


def test_a_backup_is_verified_and_restored(whiteline: Command, archive: Path, store: Path) -> None:
    verified = whiteline("db", "verify", archive)
    assert verified.code == 0
    assert "4 spectra" in verified.out
    assert "no faults" in verified.out
    restored = whiteline("db", "restore", archive, "--db", "new.db")
    assert (restored.code, restored.err) == (0, "")
    again = whiteline("db", "copy", store, "new.db")
    assert "0 new, 0 completed, 0 replaced, 4 there already" in again.out


def test_the_checksum_that_backup_prints_is_that_of_verify(whiteline: Command, archive: Path) -> None:
    made = json.loads(whiteline("db", "backup", "other.tar", "--json").out)
    checked = json.loads(whiteline("db", "verify", "other.tar", "--json").out)
    assert made["checksum"] == checked["checksum"]
    assert checked["faults"] == []


def test_a_cut_backup_is_one_clear_message_and_makes_no_store(
    whiteline: Command, archive: Path, tmp_path: Path
) -> None:
    archive.write_bytes(archive.read_bytes()[:9000])
    for command in (("verify", archive), ("restore", archive, "--db", "new.db")):
        answer = whiteline("db", *command)
        assert answer.code == 1
        assert "backup.tar is damaged" in answer.err
        assert "use the untouched file or another backup" in answer.err
    assert not (tmp_path / "new.db").exists()


def test_restore_into_a_store_with_spectra_asks_for_a_word(whiteline: Command, archive: Path) -> None:
    answer = whiteline("db", "restore", archive)
    assert answer.code == 1
    assert "--into-existing" in answer.err
    assert "4 there already" in whiteline("db", "restore", archive, "--into-existing").out


def test_verify_names_each_fault_with_its_remedy(whiteline: Command, store: Path, ids: dict[str, str]) -> None:
    assert whiteline("db", "verify").code == 0
    execute(store, "UPDATE spectra SET n_points = 3 WHERE kind = 'material'")
    answer = whiteline("db", "verify")
    assert answer.code == 1
    assert f"{ids['copper material']}: states 3 points" in answer.err
    assert "whiteline db restore" in answer.err
    assert "2 faults" in answer.out


def test_two_different_stores_are_refused(whiteline: Command) -> None:
    answer = whiteline("db", "status", "a.db", "--db", "b.db")
    assert answer.code == 1
    assert "two stores are given" in answer.err


def test_messages_never_show_a_password(whiteline: Command) -> None:
    address = "mongodb://me:secret@127.0.0.1:1/spectra?serverSelectionTimeoutMS=50&connectTimeoutMS=50"
    for command in (("status", address), ("init", address), ("status", "a.db", "--db", address)):
        answer = whiteline("db", *command)
        assert answer.code == 1
        assert "secret" not in answer.out + answer.err


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_subcommand_has_an_example(whiteline: Command, command: str) -> None:
    answer = whiteline("db", command, "-h")
    assert answer.code == 0
    assert f"whiteline db {command} " in answer.out.partition("Example")[2] + " "
