from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from whiteline.errors import MissingDependencyError, ParameterError, ParseError, StoreError
from whiteline.models import pretrained
from whiteline.models.pretrained import (
    KNOWN_WEIGHTS,
    PretrainedModel,
    fetch_weights,
    fetched_folder,
    find_pretrained,
    find_weights,
    identify_weights,
)

NAME = "M3GNet-MP-2021.2.8-PES"


def write_model(folder: Path, card: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "model.json").write_text(card, encoding="utf-8")
    (folder / "state.pt").write_bytes(b"weights")
    return folder


def test_a_model_is_named_by_its_folder_and_class(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "models" / "M3GNet-MP", json.dumps({"@class": "M3GNet"}))
    assert find_pretrained(tmp_path) == [PretrainedModel("M3GNet-MP", "M3GNet", folder)]


def test_models_come_in_the_order_of_their_paths(tmp_path: Path) -> None:
    for name in ("b", "c", "a"):
        write_model(tmp_path / name, json.dumps({"@class": "MEGNet"}))
    assert [model.name for model in find_pretrained(tmp_path)] == ["a", "b", "c"]


def test_a_card_without_weights_is_no_model(tmp_path: Path) -> None:
    (write_model(tmp_path / "half", json.dumps({"@class": "M3GNet"})) / "state.pt").unlink()
    assert find_pretrained(tmp_path) == []


@pytest.mark.parametrize("card", ["", "{", "[1, 2]", "{}", '"M3GNet"', "3", '{"@class": null}'])
def test_a_card_that_names_no_class_is_left_out(tmp_path: Path, card: str) -> None:
    write_model(tmp_path / "broken", card)
    assert find_pretrained(tmp_path) == []


def test_a_card_in_another_encoding_is_left_out(tmp_path: Path) -> None:
    (write_model(tmp_path / "broken", "") / "model.json").write_bytes(b"\xff\xfe{}")
    assert find_pretrained(tmp_path) == []


@pytest.mark.parametrize("data", [None, Path("no-such-folder")])
def test_without_a_data_folder_there_are_none(data: Path | None) -> None:
    assert find_pretrained(data) == []


@dataclass
class Server:
    """A folder served on this machine, and the paths that were asked for."""

    folder: Path
    url: str
    asked: list[str] = field(default_factory=list)

    def offer(self, state: bytes) -> None:
        """Put a model into the folder."""
        (self.folder / "model.json").write_text(json.dumps({"@class": "Potential"}))
        (self.folder / "state.pt").write_bytes(state)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    folder = tmp_path / "served"
    folder.mkdir()
    found: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(folder))

        def log_message(self, *_arguments: Any) -> None:
            found.append(self.path)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield Server(folder, f"http://127.0.0.1:{running.server_port}", found)
        running.shutdown()
        thread.join()


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> bytes:
    """The content of weights that count as published, and a machine that has none."""
    content = b"weights of a test"
    known = replace(KNOWN_WEIGHTS[NAME], sha256=hashlib.sha256(content).hexdigest(), url="http://127.0.0.1:9/nowhere")
    monkeypatch.setattr(pretrained, "KNOWN_WEIGHTS", {NAME: known})
    monkeypatch.setattr(pretrained, "user_cache_path", lambda name: tmp_path / "cache" / name)
    monkeypatch.delenv("WHITELINE_MODELS", raising=False)
    monkeypatch.delenv("WHITELINE_DATA", raising=False)
    return content


def write_known(folder: Path, content: bytes) -> Path:
    write_model(folder, json.dumps({"@class": "Potential"}))
    (folder / "state.pt").write_bytes(content)
    return folder


def test_fetched_weights_are_found_without_being_named(published: bytes, server: Server) -> None:
    server.offer(published)
    folder = fetch_weights(NAME, url=server.url)
    assert folder == fetched_folder() / NAME
    assert sorted(path.name for path in folder.parent.rglob("*")) == [NAME, "model.json", "state.pt"]
    assert find_weights(NAME) == folder


def test_weights_that_are_there_are_not_fetched_again(published: bytes, server: Server) -> None:
    server.offer(published)
    fetch_weights(NAME, url=server.url)
    n_asked = len(server.asked)
    fetch_weights(NAME, url=server.url)
    assert len(server.asked) == n_asked == 2


def test_a_damaged_copy_is_fetched_again(published: bytes, server: Server, tmp_path: Path) -> None:
    server.offer(published)
    folder = write_known(tmp_path / "models" / NAME, b"damaged")
    assert fetch_weights(NAME, folder=tmp_path / "models", url=server.url) == folder
    assert (folder / "state.pt").read_bytes() == published


def test_a_folder_with_other_files_is_left_alone(published: bytes, server: Server, tmp_path: Path) -> None:
    server.offer(published)
    folder = write_known(tmp_path / "models" / NAME, b"retrained")
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(StoreError, match=r"also holds notes\.txt, which would be lost"):
        fetch_weights(NAME, folder=tmp_path / "models", url=server.url)
    assert (folder / "state.pt").read_bytes() == b"retrained"
    assert [path.name for path in folder.parent.iterdir()] == [NAME]


def test_other_weights_than_the_published_are_not_kept(published: bytes, server: Server) -> None:
    server.offer(published + b" that somebody changed")
    with pytest.raises(ParseError, match="nothing was kept"):
        fetch_weights(NAME, url=server.url)
    assert list(fetched_folder().iterdir()) == []


@pytest.mark.parametrize("url", [None, "http://127.0.0.1:9/nowhere"])
def test_without_a_network_the_remedy_is_named(published: bytes, url: str | None) -> None:
    with pytest.raises(MissingDependencyError, match=r"cannot download .* WHITELINE_MODELS"):
        fetch_weights(NAME, url=url)
    assert list(fetched_folder().iterdir()) == []


def test_a_file_that_the_server_lacks_is_named(published: bytes, server: Server) -> None:
    with pytest.raises(MissingDependencyError, match=r"model\.json \(HTTP Error 404"):
        fetch_weights(NAME, url=server.url)


def test_a_folder_that_cannot_be_made_is_named(published: bytes, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot write below"):
        fetch_weights(NAME, folder=tmp_path / "file")


@pytest.mark.parametrize("variable", ["WHITELINE_MODELS", "WHITELINE_DATA"])
def test_weights_are_found_below_the_named_folders(
    published: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    folder = write_known(tmp_path / "large" / "m3gnet" / NAME, published)
    monkeypatch.setenv(variable, str(tmp_path / "large"))
    assert find_weights(NAME) == folder


def test_a_folder_of_models_comes_before_data_and_what_was_fetched(
    published: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = {name: tmp_path / name for name in ("models", "data")}
    for place in (*places.values(), fetched_folder()):
        write_known(place / NAME, published)
    found = []
    for name, place in places.items():
        monkeypatch.setenv(f"WHITELINE_{name.upper()}", str(place))
    for name in (*places, "fetched"):
        found.append(find_weights(NAME).parent)
        monkeypatch.delenv(f"WHITELINE_{name.upper()}", raising=False)
    assert found == [*places.values(), fetched_folder()]


def test_a_folder_that_is_given_is_the_only_one(published: bytes, tmp_path: Path) -> None:
    write_known(fetched_folder() / NAME, published)
    here = write_known(tmp_path / "here", published)
    assert find_weights(NAME, folder=here) == here
    with pytest.raises(MissingDependencyError, match=f"no weights {NAME} in {tmp_path / 'served'}"):
        find_weights(NAME, folder=tmp_path / "served")


def test_weights_of_another_release_are_no_match(
    published: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHITELINE_MODELS", str(tmp_path / "models"))
    write_known(tmp_path / "models" / NAME, b"retrained")
    with pytest.raises(ParseError, match="damaged or of another release"):
        find_weights(NAME)
    right = write_known(fetched_folder() / NAME, published)
    assert find_weights(NAME) == right


def test_missing_weights_say_how_to_get_them(published: bytes) -> None:
    with pytest.raises(MissingDependencyError, match=rf"whiteline models fetch {NAME}.*WHITELINE_MODELS"):
        find_weights(NAME)


def test_looking_for_weights_asks_no_network(published: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **options: Any) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr("socket.socket.connect", refuse)
    with pytest.raises(MissingDependencyError):
        find_weights(NAME)


@pytest.mark.parametrize("call", [find_weights, fetch_weights])
def test_an_unknown_name_names_the_nearest(call: Callable[[str], Path]) -> None:
    with pytest.raises(ParameterError, match=f"did you mean '{NAME}'"):
        call("M3GNet-MP-2021.2.8")


@pytest.mark.parametrize("url", ["weights", "ftp://example.org"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ParameterError, match="is no address"):
        fetch_weights(NAME, url=url)


def test_weights_are_identified_by_their_checksum() -> None:
    known = KNOWN_WEIGHTS[NAME]
    assert identify_weights(known.sha256) is known
    assert identify_weights("0" * 64) is None


def run_command(*words: str) -> Result:
    from whiteline.cli.commands.models import models

    return CliRunner().invoke(models, words, env={"COLUMNS": "400"})


def test_the_command_fetches_and_lists_weights(published: bytes, server: Server) -> None:
    server.offer(published)
    missing = run_command("list-pretrained").output
    assert "whiteline models fetch" in missing
    fetched = run_command("fetch", NAME, "--url", server.url)
    assert (fetched.exit_code, f"{NAME} is in {fetched_folder() / NAME}" in fetched.output) == (0, True)
    listed = run_command("list-pretrained").output
    assert str(fetched_folder() / NAME) in "".join(listed.split())  # long paths take several lines
    assert "whiteline models fetch" not in listed


def test_the_command_says_how_a_folder_is_found(published: bytes, server: Server, tmp_path: Path) -> None:
    server.offer(published)
    answer = run_command("fetch", NAME, "--url", server.url, "--folder", str(tmp_path / "mine"))
    assert f"WHITELINE_MODELS={tmp_path / 'mine'}" in answer.output
