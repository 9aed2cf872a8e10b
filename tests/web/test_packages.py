"""The npm packages: archives are compared with their checksums before anything is unpacked."""

import base64
import hashlib
import io
import os
import tarfile

import pytest

from keras_seg.web import packages
from keras_seg.web.packages import install, package_files


def archive(path, files):
    """Write an archive as `npm pack` does; return the checksum that npm shows."""
    with tarfile.open(path, "w:gz") as file:
        for name in files:
            entry = tarfile.TarInfo(f"package/{name}")
            entry.size = len(name)
            file.addfile(entry, io.BytesIO(name.encode()))
    return "sha512-" + base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()


@pytest.fixture
def archives(tmp_path, monkeypatch):
    """A folder with archives whose checksums are the expected ones."""
    folder = tmp_path / "archives"
    folder.mkdir()
    made = [
        package._replace(
            integrity=archive(folder / package.archive, [*package.files, "../evil.js"])
        )
        for package in packages.PACKAGES
    ]
    monkeypatch.setattr(packages, "PACKAGES", tuple(made))
    return folder


def test_archives_are_unpacked_to_the_files_of_the_page(archives, tmp_path):
    folder = install(archives, tmp_path / "cache/litertjs")
    files = package_files(folder)
    assert files["core/dist/index.js"].read_text() == "dist/index.js"
    assert files["core/wasm/litert_wasm_internal.wasm"].read_text().startswith("wasm/")
    found = {path for path in folder.rglob("*") if path.is_file()}
    assert found == set(files.values())  # nothing else of the archives
    assert sorted(path.name for path in folder.parent.iterdir()) == ["litertjs"]
    (folder / "core/dist/index.js").write_text("changed")
    install(archives, folder)
    assert files["core/dist/index.js"].read_text() == "dist/index.js"


def test_a_changed_archive_is_refused_and_the_earlier_files_stay(archives, tmp_path):
    folder = install(archives, tmp_path / "litertjs")
    path = archives / packages.PACKAGES[1].archive
    assert path.name == "litertjs-wasm-utils-2.5.3.tgz"
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(ValueError, match=r"wasm-utils@2.5.3 has the checksum .*Get it again with"):
        install(archives, folder)
    assert package_files(folder)
    path.unlink()
    with pytest.raises(ValueError, match=r"needs the archives of `npm pack .*Received: no file"):
        install(archives, folder)


@pytest.mark.skipif(os.name == "nt", reason="the program is a shell script")
def test_npm_writes_the_archives(archives, tmp_path, monkeypatch):
    program = tmp_path / "bin" / "npm"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho \"$@\" > '{tmp_path}/said'\ncp '{archives}'/*.tgz .\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    folder = install(folder=tmp_path / "litertjs")
    assert len(package_files(folder)) == 8
    said = (tmp_path / "said").read_text().split()
    assert said[:3] == ["pack", "@litertjs/core@2.5.3", "@litertjs/wasm-utils@2.5.3"]
    program.write_text("#!/bin/sh\necho 'npm error network down' >&2\nexit 1\n")
    with pytest.raises(ValueError, match=r"needs the npm registry. Received: 'npm error network"):
        install(folder=tmp_path / "litertjs")


def test_without_npm_the_error_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(packages.shutil, "which", lambda name: None)
    with pytest.raises(OSError, match=r"needs npm, which comes with Node.js.*--install FOLDER"):
        install(folder=tmp_path / "litertjs")
    assert list(tmp_path.iterdir()) == []


def test_the_checksums_are_those_of_sha512():
    for package in packages.PACKAGES:
        assert len(base64.b64decode(package.integrity.removeprefix("sha512-"))) == 64
