"""Downloads, from a server on this machine: resumed, checked, safely unpacked."""

import hashlib
import http.server
import io
import logging
import tarfile
import threading
import zipfile
from typing import ClassVar

import pytest

from pipelines import download
from pipelines.download import ARCHIVES, Archive, fetch
from pipelines.unpack import unpack

CONTENT = bytes(range(256)) * 4000


class Server(http.server.BaseHTTPRequestHandler):
    """Serves `files`; can break off after some bytes, and can know no ranges."""

    files: ClassVar[dict] = {}
    asked: ClassVar[list] = []
    breaks_after: int | None = None
    knows_ranges = True

    def do_GET(self):
        wanted = self.headers.get("Range")
        self.asked.append((self.path, wanted))
        if self.path not in self.files:
            self.send_error(404)
            return
        data, start = self.files[self.path], 0
        if wanted and self.knows_ranges:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(data):
                self.send_error(416)
                return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        stop = len(data) if self.breaks_after is None else start + self.breaks_after
        self.wfile.write(data[start:stop])

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    handler = type("Handler", (Server,), {"files": {"/data.bin": CONTENT}, "asked": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        handler.address = f"http://127.0.0.1:{running.server_address[1]}"
        yield handler
        running.shutdown()
        thread.join()


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def test_a_file_is_fetched_and_checked(server, tmp_path):
    path = fetch(f"{server.address}/data.bin", tmp_path / "data.bin", sha256(CONTENT))
    assert path.read_bytes() == CONTENT
    assert [file.name for file in tmp_path.iterdir()] == ["data.bin"]


BROKEN = (
    r"A download failed. Received: .*300000 bytes read, 724000 more expected.* from .*"
    r"data\.bin'. Try again to resume it"
)


def test_a_broken_download_goes_on_where_it_stopped(server, tmp_path):
    server.breaks_after = 300_000
    url = f"{server.address}/data.bin"
    with pytest.raises(ValueError, match=BROKEN):
        fetch(url, tmp_path / "data.bin")
    kept = (tmp_path / "data.bin.part").stat().st_size
    assert 300_000 - 2**16 < kept <= 300_000  # At most a block is lost.
    server.breaks_after = None
    fetch(url, tmp_path / "data.bin", sha256(CONTENT))
    assert server.asked[-1] == ("/data.bin", f"bytes={kept}-")


def test_a_server_without_ranges_starts_again(server, tmp_path):
    server.knows_ranges = False
    (tmp_path / "data.bin.part").write_bytes(b"from yesterday")
    path = fetch(f"{server.address}/data.bin", tmp_path / "data.bin", sha256(CONTENT))
    assert path.read_bytes() == CONTENT


def test_a_download_that_was_whole_already_is_taken(server, tmp_path):
    (tmp_path / "data.bin.part").write_bytes(CONTENT)
    fetch(f"{server.address}/data.bin", tmp_path / "data.bin", sha256(CONTENT))
    assert (tmp_path / "data.bin").read_bytes() == CONTENT


def test_another_checksum_is_refused_and_the_file_removed(server, tmp_path):
    with pytest.raises(ValueError, match=rf"checksum {'0' * 64}. Received: {sha256(CONTENT)}"):
        fetch(f"{server.address}/data.bin", tmp_path / "data.bin", "0" * 64)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_was_there_with_another_checksum_stays(server, tmp_path):
    (tmp_path / "data.bin").write_bytes(b"mine")
    with pytest.raises(ValueError, match=rf"{'0' * 64}. Received: {sha256(b'mine')}.*Move it away"):
        fetch(f"{server.address}/data.bin", tmp_path / "data.bin", "0" * 64)
    assert (tmp_path / "data.bin").read_bytes() == b"mine"
    assert server.asked == []


def test_without_a_published_checksum_the_first_one_is_kept(server, tmp_path, caplog):
    url = f"{server.address}/data.bin"
    with caplog.at_level(logging.WARNING):
        fetch(url, tmp_path / "data.bin")
    assert f"its owners publish no checksum; SHA-256 {sha256(CONTENT)} is kept" in caplog.text
    assert (tmp_path / "data.bin.sha256").read_text().startswith(sha256(CONTENT))
    (tmp_path / "data.bin").unlink()
    server.files["/data.bin"] = b"something else"
    with pytest.raises(ValueError, match=rf"checksum {sha256(CONTENT)}. Received"):
        fetch(url, tmp_path / "data.bin")


def test_servers_that_do_not_answer_are_named(server, tmp_path):
    with pytest.raises(ValueError, match=r"A download failed. Received: 404 Client Error.*nothing"):
        fetch(f"{server.address}/nothing", tmp_path / "x")
    with pytest.raises(ValueError, match=r"A download failed. Received: .*127\.0\.0\.1:9/"):
        fetch("http://127.0.0.1:9/x", tmp_path / "x")


def tar_of(members, path):
    with tarfile.open(path, "w:gz") as file:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            if data is None:
                member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
                file.addfile(member)
                continue
            member.size = len(data)
            file.addfile(member, io.BytesIO(data))
    return path


def zip_of(members, path):
    with zipfile.ZipFile(path, "w") as file:
        for name, data in members.items():
            file.writestr(name, data)
    return path


@pytest.mark.parametrize("pack", [tar_of, zip_of])
def test_archives_are_unpacked(tmp_path, pack):
    archive = pack({"a/b.txt": b"one", "c.txt": b"two"}, tmp_path / "x.archive")
    unpack(archive, tmp_path / "out")
    assert (tmp_path / "out/a/b.txt").read_bytes() == b"one"
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["a", "c.txt"]


@pytest.mark.parametrize("pack", [tar_of, zip_of])
@pytest.mark.parametrize("name", ["../out.txt", "/etc/out.txt", "a/../../out.txt", "..\\out.txt"])
def test_no_path_leaves_the_folder(tmp_path, pack, name):
    archive = pack({"good.txt": b"", name: b"bad"}, tmp_path / "x.archive")
    with pytest.raises(
        ValueError,
        match=r"paths outside of its folder. Received: a file '.*out\.txt'",
    ):
        unpack(archive, tmp_path / "out")
    assert not any((tmp_path / "out").iterdir())
    assert not (tmp_path / "out.txt").exists()


@pytest.mark.parametrize("pack", [tar_of, zip_of])
def test_files_that_are_there_are_not_replaced(tmp_path, pack):
    archive = pack({"a.txt": b"same", "b.txt": b"new"}, tmp_path / "x.archive")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/a.txt").write_bytes(b"same")
    unpack(archive, tmp_path / "out")  # As after an unpacking that was stopped.
    (tmp_path / "out/b.txt").write_bytes(b"dear")
    (tmp_path / "out/a.txt").unlink()
    with pytest.raises(ValueError, match=r"must not replace files.* Received: .*archive.*b\.txt"):
        unpack(archive, tmp_path / "out")
    assert [(file.name, file.read_bytes()) for file in (tmp_path / "out").iterdir()] == [
        ("b.txt", b"dear")
    ]


@pytest.mark.parametrize("pack", [tar_of, zip_of])
def test_archives_that_grow_beyond_measure_are_refused(tmp_path, pack):
    archive = pack({"a.txt": bytes(600), "b.txt": bytes(600)}, tmp_path / "x.archive")
    unpack(archive, tmp_path / "enough", most_bytes=1200)
    with pytest.raises(ValueError, match=r"much larger unpacked than packed.*x\.archive.*most_b"):
        unpack(archive, tmp_path / "out", most_bytes=1199)
    assert not any((tmp_path / "out").iterdir())


def test_links_are_left_out(tmp_path):
    unpack(tar_of({"link": None, "a.txt": b"1"}, tmp_path / "x.tar.gz"), tmp_path / "out")
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["a.txt"]


def test_damaged_archives_are_named(tmp_path):
    whole = tar_of({"a.txt": CONTENT}, tmp_path / "x.tar.gz").read_bytes()
    for content in (whole[: len(whole) // 2], b"no archive", b""):
        (tmp_path / "x.tar.gz").write_bytes(content)
        with pytest.raises(ValueError, match=r"cannot be unpacked. Received: .*x\.tar\.gz"):
            unpack(tmp_path / "x.tar.gz", tmp_path / "out")


def test_archives_larger_than_the_disk_are_refused(tmp_path, monkeypatch):
    archive = zip_of({"a.txt": CONTENT}, tmp_path / "x.zip")
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    with pytest.raises(ValueError, match=r"must fit on the disk. Received: .*x\.zip"):
        unpack(archive, tmp_path / "out")


def test_a_dataset_is_fetched_once(server, tmp_path, monkeypatch):
    data = zip_of({"CamVid/train/0001TP_1.png": b"x"}, tmp_path / "x.zip").read_bytes()
    server.files["/camvid.zip"] = data
    archive = Archive(f"{server.address}/camvid.zip", sha256(data))
    monkeypatch.setitem(ARCHIVES, "camvid", (archive,))
    folder = download("camvid", tmp_path / "datasets")
    assert folder == tmp_path / "datasets/camvid"
    assert (folder / "CamVid/train/0001TP_1.png").exists()
    download("camvid", tmp_path / "datasets")
    assert len(server.asked) == 1


def test_a_root_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ValueError, match=r"`download` needs a folder.*camvid' \(Not a directory\)"):
        download("camvid", tmp_path / "file")


def test_datasets_without_a_public_archive_are_refused(tmp_path):
    with pytest.raises(
        ValueError, match=r"no download for 'cityscapes'.*Available: \['camvid', 'ox"
    ):
        download("cityscapes", tmp_path)
