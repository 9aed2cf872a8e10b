"""Unpack archives safely: no paths outside of the folder, limited size, no file replaced."""

import filecmp
import os
import shutil
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

from tqdm import tqdm

_BLOCK = 1 << 20
_MOST_BYTES_PER_BYTE = 100  # of an archive; pictures hardly shrink
_ALWAYS_ALLOWED = 1 << 30  # bytes


def unpack(
    archive: str | os.PathLike, folder: str | os.PathLike, most_bytes: int | None = None
) -> None:
    """Unpack a zip or tar archive.

    Args:
        archive: the file.
        folder: where its files go. Existing files are not changed.
        most_bytes: most bytes of its files; None for a hundred times those of the archive, and
            1 GiB at least.

    Raises:
        ValueError: if it is damaged, larger than the disk or than `most_bytes`, contains a path
            outside of the folder, or a file that exists with other content. Nothing is unpacked
            then.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with zipfile.ZipFile(folder / "a.zip", "w") as file:
    ...     file.writestr("b/c.txt", "one")
    >>> unpack(folder / "a.zip", folder)
    >>> (folder / "b" / "c.txt").read_text()
    'one'
    """
    archive, folder = Path(archive), Path(folder)
    fresh = folder / f".{archive.name}.unpacking"
    try:
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        if most_bytes is None:
            most_bytes = max(_ALWAYS_ALLOWED, _MOST_BYTES_PER_BYTE * archive.stat().st_size)
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as file:
                _unpack_zip(file, archive, fresh, most_bytes)
        else:
            with tarfile.open(archive) as file:
                _unpack_tar(file, archive, fresh, most_bytes)
        _move(fresh, folder, archive)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError, RuntimeError) as error:
        raise ValueError(
            f"An archive cannot be unpacked. Received: {str(archive)!r} ({error}). "
            "Remove it and download it again."
        ) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _unpack_zip(file: zipfile.ZipFile, archive: Path, folder: Path, most_bytes: int) -> None:
    members = file.infolist()
    # zipfile gives no more bytes of a member than it declares.
    _check_room(archive, folder, sum(member.file_size for member in members), most_bytes)
    for member in tqdm(members, archive.name, unit="file", leave=False):
        target = _target(archive, folder, member.filename)
        is_link = member.external_attr >> 28 == 0o12
        if member.is_dir() or is_link:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        with file.open(member) as source, open(target, "wb") as copy:
            shutil.copyfileobj(source, copy, _BLOCK)


def _unpack_tar(file: tarfile.TarFile, archive: Path, folder: Path, most_bytes: int) -> None:
    total = 0
    for member in tqdm(file, archive.name, unit="file", leave=False):
        _target(archive, folder, member.name)
        if not member.isreg():  # folders, links and devices
            continue
        total += member.size
        _check_room(archive, folder, member.size, most_bytes - total + member.size)
        file.extract(member, folder, filter="data")


def _target(archive: Path, folder: Path, name: str) -> Path:
    """Return the target of a member; raise if it is outside of the folder."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in name:
        raise ValueError(
            "An archive must not contain paths outside of its folder. "
            f"Received: a file {name!r} in {str(archive)!r}. Do not trust this archive."
        )
    return folder / path


def _check_room(archive: Path, folder: Path, needed: int, most_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise ValueError(
            f"An archive must fit on the disk. Received: {str(archive)!r} of {needed / 1e9:.1f} GB "
            f"unpacked, with {free / 1e9:.1f} GB free. Make room or choose another root."
        )
    if needed > most_bytes:
        raise ValueError(
            "An archive must not be much larger unpacked than packed. Received: "
            f"{str(archive)!r}, whose files have more bytes than allowed. If you trust it, pass "
            "`most_bytes` to `pipelines.unpack.unpack`."
        )


def _move(source: Path, folder: Path, archive: Path) -> None:
    """Move all files below one folder into another; existing files must be identical."""
    moves = [
        (path, folder / path.relative_to(source))
        for path in sorted(source.rglob("*"))
        if path.is_file()
    ]
    for path, target in moves:
        if target.exists() and not (target.is_file() and filecmp.cmp(path, target, shallow=False)):
            raise ValueError(
                "An archive must not replace files that exist with other content. "
                f"Received: {str(archive)!r} with a different {str(target)!r}. Move the existing "
                "file away, or choose another folder."
            )
    for path, target in moves:
        target.parent.mkdir(parents=True, exist_ok=True)
        path.replace(target)
