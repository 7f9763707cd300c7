"""Pulling base models: the table, the lock file, and files from a server on this machine."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from file_server import FileServer, file_server
from upstream_files import save, save_gpt, save_sovits

from gpt_sovits.speaker_encoder import SpeakerEncoder, SpeakerEncoderConfig
from gpt_sovits.weights.base import SHARED_PARTS, load_base
from gpt_sovits.weights.errors import WeightsError
from gpt_sovits.weights.network.download import RetryPolicy, UnreachableError
from gpt_sovits.weights.network.model_table import Pin, RemoteModel, load_pins, load_table, save_pins
from gpt_sovits.weights.network.pull import MIRROR_VARIABLE, pull
from gpt_sovits.weights.upstream.importing import import_pair
from gpt_sovits.weights.upstream.torch_file import file_sha256

QUICK = RetryPolicy(attempts=2, pause_seconds=0.01, timeout_seconds=5.0)
HUB = "https://hub.example"


def entry(kind: str, files: dict[str, dict[str, object]], needs: tuple[str, ...] = ()) -> RemoteModel:
    entries = {name: {"url": f"{HUB}/m/{name}", "max_mb": 5} | more for name, more in files.items()}
    return RemoteModel.model_validate({"kind": kind, "files": entries, "needs": needs})


TABLE = {
    "tiny": entry("pair", {"a.ckpt": {"role": "gpt"}, "b.pth": {"role": "sovits"}}, ("judge",)),
    "judge": entry("files", {"model.bin": {}, "config.json": {}}),
    "sv": entry("part", {"sv.ckpt": {}, "notes.json": {"keep": True}}),
}


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FileServer]:
    folder = tmp_path_factory.mktemp("hub")
    with file_server() as running:
        running.files = {
            "/m/a.ckpt": save_gpt(folder / "a.ckpt").read_bytes(),
            "/m/b.pth": save_sovits(folder / "b.pth", "v2Pro").read_bytes(),
            "/m/model.bin": b"weights",
            "/m/config.json": b"{}",
        }
        yield running


@pytest.fixture
def bases(tmp_path: Path) -> Path:
    return tmp_path / "base_models"


def get(name: str, server: FileServer, bases: Path, **options: object) -> list[tuple[str, bool]]:
    done = pull(name, bases, **({"mirror": server.url, "table": TABLE, "retry_policy": QUICK} | options))
    return [(one.name, one.is_new) for one in done]


def lock_of(bases: Path) -> Path:
    return bases.parent / "base_models.lock"


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


# ---- the table ---------------------------------------------------------------------------------------------------


def test_the_committed_table_is_complete() -> None:
    table = load_table()
    wanted = {"v2", "v2Pro", "v2ProPlus", "whisper-large-v3", "faster-whisper-large-v3", "spkrec-ecapa-voxceleb"}
    assert table.keys() == wanted | set(SHARED_PARTS.values())
    for name in ("v2", "v2Pro", "v2ProPlus"):
        assert {file.role for file in table[name].files.values()} == {"gpt", "sovits", "discriminator"}
        assert SHARED_PARTS["content_encoder"] in table[name].needs
    for model in table.values():
        for name, file in model.files.items():
            assert urlsplit(file.url).path.replace("%3D", "=").rpartition("/")[2] == name


def test_the_address_of_whisper_is_that_of_its_package() -> None:
    source = (Path(pytest.importorskip("whisper").__file__).parent / "__init__.py").read_text(encoding="utf-8")
    (file,) = load_table()["whisper-large-v3"].files.values()
    assert re.search(rf'"large-v3": "{re.escape(file.url)}"', source)
    assert file.sha256 in file.url


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("x: {kind: pair, files: {a: {url: 'https://h/a', max_mb: 1, role: gpt}}}", "one gpt, one sovits"),
        ("x: {kind: files, files: {a: {url: 'http://h/a', max_mb: 1}}}", "url"),
        ("x: {kind: files, files: {../a: {url: 'https://h/a', max_mb: 1}}}", "are not valid file names"),
        ("x: {kind: files, files: {a: {url: 'https://h/a', max_mb: 1, md5: 3}}}", "md5"),
        ("x: {kind: files, files: {}}", "files"),
        ("x: {kind: files, needs: [y], files: {a: {url: 'https://h/a', max_mb: 1}}}", "y is needed but not in"),
        ("x: [", "not a table"),
        ("", "not a table"),
    ],
)  # fmt: skip
def test_a_wrong_table_is_refused(text: str, match: str, tmp_path: Path) -> None:
    (tmp_path / "models.yaml").write_text(text)
    with pytest.raises(WeightsError, match=match):
        load_table(tmp_path / "models.yaml")


# ---- pulling -----------------------------------------------------------------------------------------------------


def test_a_pair_is_pulled_with_what_it_needs_and_pinned(server: FileServer, bases: Path) -> None:
    names: list[str] = []
    done = get("tiny", server, bases, progress=lambda name, n, total: names.append(name))
    assert done == [("judge", True), ("tiny", True)]
    assert set(names) == {"a.ckpt", "b.pth", "model.bin", "config.json"}
    assert load_base("tiny", bases).sovits_config.speaker_dim == 30
    assert {path.name for path in bases.iterdir()} == {"tiny", "judge"}
    pins = load_pins(lock_of(bases))
    assert pins.keys() == {"tiny/a.ckpt", "tiny/b.pth", "judge/model.bin", "judge/config.json"}
    assert pins["judge/model.bin"].n_bytes == 7
    assert pins["tiny/b.pth"].url == f"{HUB}/m/b.pth"  # not the mirror's
    n_requests = len(server.requests)
    assert get("tiny", server, bases) == [("judge", False), ("tiny", False)]
    assert len(server.requests) == n_requests


def test_only_the_pinned_file_is_pulled_again(server: FileServer, bases: Path, tmp_path: Path) -> None:
    get("judge", server, bases)
    before = lock_of(bases).read_bytes()
    elsewhere = tmp_path / "other machine" / "base_models"
    for same_size in (True, False):
        server.files["/m/model.bin"] = b"WEIGHTS" if same_size else b"more weights"
        with pytest.raises(WeightsError, match=r"is expected; the file was changed|12 bytes where 7 are expected"):
            get("judge", server, elsewhere, lock_file=lock_of(bases))
        assert not (elsewhere / "judge").exists()
        assert lock_of(bases).read_bytes() == before
    server.files["/m/model.bin"] = b"weights"
    assert get("judge", server, elsewhere, lock_file=lock_of(bases)) == [("judge", True)]
    assert lock_of(bases).read_bytes() == before


def test_a_file_that_is_refused_is_not_pinned(server: FileServer, bases: Path, tmp_path: Path) -> None:
    right = server.files["/m/b.pth"]
    server.files["/m/b.pth"] = right[:-100]
    with pytest.raises(WeightsError, match="cut off or damaged"):
        get("tiny", server, bases)
    assert load_pins(lock_of(bases)).keys() == {"judge/model.bin", "judge/config.json"}
    assert not (bases / "tiny").exists()
    (bases / ".incoming" / "tiny" / "b.pth").unlink()
    server.files["/m/b.pth"] = right
    assert get("tiny", server, bases) == [("judge", False), ("tiny", True)]


def test_a_folder_of_another_origin_is_not_touched(server: FileServer, bases: Path, tmp_path: Path) -> None:
    import_pair(save_gpt(tmp_path / "x.ckpt"), save_sovits(tmp_path / "y.pth"), "tiny", bases)
    before = files_in(bases)
    with pytest.raises(WeightsError, match=r"exists and is not what base_models\.lock pins as tiny"):
        get("tiny", server, bases)
    assert before <= files_in(bases)
    assert load_base("tiny", bases).sovits_config.speaker_dim == 0
    assert get("tiny", server, bases, replace=True) == [("judge", False), ("tiny", True)]
    assert load_base("tiny", bases).sovits_config.speaker_dim == 30


def test_a_pull_killed_before_it_pinned_is_completed(
    server: FileServer, bases: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_arguments: object) -> None:
        raise KeyboardInterrupt

    for name in ("judge", "tiny"):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr("gpt_sovits.weights.network.pull.save_pins", killed)
            get(name, server, bases)
        assert (bases / name).exists()
        n_requests = len(server.requests)
        assert get(name, server, bases)[-1] == (name, True)
        assert len(server.requests) == n_requests
    assert not (bases / ".incoming").exists()


def test_a_damaged_model_is_found(server: FileServer, bases: Path) -> None:
    get("tiny", server, bases)
    (bases / "judge" / "config.json").write_text("[]")
    with pytest.raises(WeightsError, match="is not what"):
        get("judge", server, bases)
    get("judge", server, bases, replace=True)
    assert (bases / "judge" / "config.json").read_bytes() == b"{}"
    (bases / "tiny" / "gpt" / "config.json").write_text("{}")
    with pytest.raises(WeightsError, match="is not what"):
        get("tiny", server, bases)


def test_an_encoder_is_pulled_with_the_files_to_keep(
    server: FileServer, bases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = SpeakerEncoderConfig(n_channels=8, n_blocks=(1, 1, 1, 1))
    monkeypatch.setattr("gpt_sovits.weights.parts.SPEAKER_ENCODER", small)
    weights = save(tmp_path / "sv.ckpt", SpeakerEncoder(small).state_dict())
    server.files |= {"/m/sv.ckpt": weights.read_bytes(), "/m/notes.json": b"{}"}
    assert get("sv", server, bases) == [("sv", True)]
    assert files_in(bases / "sv") >= {"notes.json", "speaker_encoder/model.safetensors"}
    assert get("sv", server, bases) == [("sv", False)]
    (bases / "sv" / "notes.json").unlink()
    with pytest.raises(WeightsError, match="is not what"):
        get("sv", server, bases)


# ---- without a network -------------------------------------------------------------------------------------------


def test_without_a_network_the_message_says_where_to_place_files_by_hand(server: FileServer, bases: Path) -> None:
    with pytest.raises(UnreachableError) as caught:
        get("judge", server, bases, mirror="http://127.0.0.1:9/")
    message = str(caught.value)
    incoming = bases / ".incoming" / "judge"
    for name in ("model.bin", "config.json"):
        assert f"{HUB}/m/{name} as {incoming / name}" in message
    assert "then run `vox pull judge` again" in message
    incoming.mkdir(parents=True, exist_ok=True)
    (incoming / "model.bin").write_bytes(b"weights")
    (incoming / "config.json").write_bytes(b"{}")
    assert get("judge", server, bases, mirror="http://127.0.0.1:9/") == [("judge", True)]
    assert load_pins(lock_of(bases))["judge/model.bin"].n_bytes == 7
    assert server.requests == []


def test_a_file_placed_by_hand_is_checked(server: FileServer, bases: Path) -> None:
    incoming = bases / ".incoming" / "judge"
    incoming.mkdir(parents=True)
    (incoming / "model.bin").write_bytes(b"other!!")
    lock = lock_of(bases)
    save_pins(lock, {"judge/model.bin": Pin(7, "a" * 64, f"{HUB}/m/model.bin")})
    with pytest.raises(WeightsError, match=r"but aaaaaaaaaaaaaaaa\.\.\. is pinned; delete it"):
        get("judge", server, bases)
    (incoming / "model.bin").write_bytes(bytes(5_000_001))
    with pytest.raises(WeightsError, match="may have at most 5 MB"):
        get("judge", server, bases)


def test_a_missing_file_is_reported_with_its_address(server: FileServer, bases: Path) -> None:
    del server.files["/m/config.json"]
    with pytest.raises(UnreachableError, match=r"answers 404 .* fetch https://hub\.example/m/config\.json as"):
        get("judge", server, bases)
    assert not (bases / "judge").exists()


def test_the_mirror_can_come_from_the_environment_and_must_be_an_address(
    server: FileServer, bases: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files = {f"/mirror{path}": data for path, data in server.files.items()}
    monkeypatch.setenv(MIRROR_VARIABLE, f"{server.url}/mirror/")
    assert get("judge", server, bases, mirror=None) == [("judge", True)]
    with pytest.raises(WeightsError, match="the mirror 'file:///etc' is not an address"):
        get("tiny", server, bases, mirror="file:///etc")


def test_an_unknown_name_is_refused_with_the_known_ones(server: FileServer, bases: Path) -> None:
    with pytest.raises(WeightsError, match="there is no base model 'v9' to pull; there are tiny, judge, sv"):
        get("v9", server, bases)


# ---- the lock file -----------------------------------------------------------------------------------------------


def test_the_lock_file_is_sorted_and_restored(tmp_path: Path) -> None:
    lock = tmp_path / "base_models.lock"
    pins = {"b/x": Pin(1, "0" * 64, f"{HUB}/x"), "a/y": Pin(2, "1" * 64, f"{HUB}/y")}
    assert load_pins(lock) == {}
    save_pins(lock, pins)
    assert load_pins(lock) == pins
    text = lock.read_text()
    save_pins(lock, dict(reversed(pins.items())))
    assert lock.read_text() == text and text.index('"a/y"') < text.index('"b/x"')
    assert list(tmp_path.iterdir()) == [lock]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2, "files": {}}', '{"format": 1, "files": {"a": {}}}'])
def test_a_broken_lock_file_stops_everything(text: str, server: FileServer, bases: Path) -> None:
    lock_of(bases).write_text(text)
    with pytest.raises(WeightsError, match=r"base_models\.lock is not a lock file"):
        get("judge", server, bases)
    assert lock_of(bases).read_text() == text and server.requests == []


def test_a_lock_that_contradicts_the_publisher_is_refused(server: FileServer, bases: Path) -> None:
    table = {"judge": entry("files", {"model.bin": {"sha256": "b" * 64}})}
    save_pins(lock_of(bases), {"judge/model.bin": Pin(7, "a" * 64, "")})
    with pytest.raises(WeightsError, match="find out why"):
        get("judge", server, bases, table=table)
    lock_of(bases).unlink()
    with pytest.raises(WeightsError, match=r"bbbbbbbbbbbbbbbb\.\.\. is expected"):
        get("judge", server, bases, table=table)
    assert not lock_of(bases).exists()


def test_pins_are_those_of_the_files(server: FileServer, bases: Path, tmp_path: Path) -> None:
    get("judge", server, bases)
    lock = json.loads(lock_of(bases).read_text())
    assert lock["files"]["judge/model.bin"]["sha256"] == file_sha256(bases / "judge" / "model.bin")
