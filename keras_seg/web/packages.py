"""The npm packages of LiteRT.js that the page uses, kept in a folder of this machine.

They are unpacked once, from archives whose checksums are known, so that the page loads everything
from its own server.
"""

import base64
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import NamedTuple

import pooch

VERSION = "2.5.3"
# With and without relaxed SIMD, and with threads; the page's browser takes one of them.
_WASM = ("litert_wasm_internal", "litert_wasm_compat_internal", "litert_wasm_threaded_internal")


class Package(NamedTuple):
    """A package of the npm registry: its checksum there, and the files that the page uses."""

    name: str
    integrity: str
    files: tuple

    @property
    def wanted(self):
        """Name and version, as npm takes them."""
        return f"{self.name}@{VERSION}"

    @property
    def archive(self):
        """Name of the archive that `npm pack` writes."""
        return f"{self.name.removeprefix('@').replace('/', '-')}-{VERSION}.tgz"

    @property
    def folder(self):
        """Name of its folder among the unpacked packages."""
        return self.name.rpartition("/")[2]


PACKAGES = (
    Package(
        "@litertjs/core",
        "sha512-PlGmbMOq9WitX7FO0jhbdJw9GthatsyuCQXjTt/wJZo0FLaw48q4tz8IwqgqCIkviYGr9OFDL1kCnN4nzWoyJQ==",
        ("dist/index.js", *(f"wasm/{name}.{end}" for name in _WASM for end in ("js", "wasm"))),
    ),
    Package(
        "@litertjs/wasm-utils",
        "sha512-4fJiw6tBQnIs+0jH/OQ16nYOiSl8/+zZnn5h2ul8aTKHi05sVqZW580Tmk78pC2kT39A9OYBVdFawteZ/sI1kQ==",
        ("dist/index.js",),
    ),
)
_NPM_PACK = f"npm pack {' '.join(package.wanted for package in PACKAGES)}"


def packages_folder():
    """The folder in which the unpacked packages are kept, in the user's cache.

    Returns:
        `pathlib.Path`.

    >>> packages_folder().name
    'litertjs-2.5.3'
    """
    return Path(pooch.os_cache("keras_seg")) / f"litertjs-{VERSION}"


def package_files(folder=None):
    """The files of the packages, by the path that the page has for them.

    Args:
        folder: folder of the unpacked packages; None for that of the cache.

    Returns:
        dict {"core/dist/index.js": `pathlib.Path`, ...}.

    Raises:
        ValueError: a file is missing.
    """
    folder = packages_folder() if folder is None else Path(folder)
    names = [f"{package.folder}/{file}" for package in PACKAGES for file in package.files]
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise ValueError(
            f"`demo-web` needs the npm packages {' and '.join(p.wanted for p in PACKAGES)}. "
            f"Received: no {missing[0]} in '{folder}'. Run `python -m keras_seg demo-web "
            "--install` once, which calls npm. On a machine without npm or network: run "
            f"`{_NPM_PACK}` on another one, and pass the folder with the two archives: "
            "`demo-web --install FOLDER`."
        )
    return {name: folder / name for name in names}


def install(archives=None, folder=None):
    """Unpack the packages, after a comparison of their checksums.

    Args:
        archives: folder with the archives that `npm pack` wrote; None to get them with npm.
        folder: where to unpack; None for the cache.

    Returns:
        `pathlib.Path` of the folder.

    Raises:
        ValueError: an archive is missing or has another checksum, or npm failed.
        OSError: npm is not installed.
    """
    folder = packages_folder() if folder is None else Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".part_") as place:
        if archives is None:
            archives = place
            _fetch(place)
        draft = Path(place) / "unpacked"
        for package in PACKAGES:
            _unpack(package, Path(archives) / package.archive, draft / package.folder)
        shutil.rmtree(folder, ignore_errors=True)
        draft.rename(folder)
    return folder


def _fetch(place):
    """Let npm write the archives to a folder."""
    npm = shutil.which("npm")
    if npm is None:
        raise OSError(
            "`demo-web --install` needs npm, which comes with Node.js. Received: no program npm. "
            f"Install Node.js, or run `{_NPM_PACK}` on another machine and pass the folder with "
            "the two archives, `demo-web --install FOLDER`."
        )
    words = [npm, *_NPM_PACK.split()[1:], "--ignore-scripts"]
    done = subprocess.run(words, cwd=place, capture_output=True, text=True, check=False)
    if done.returncode:
        last = " ".join(done.stderr.split()[-40:])
        raise ValueError(
            f"`{_NPM_PACK}` needs the npm registry. Received: {last!r}. Try it by hand."
        )


def _unpack(package, archive, target):
    """Write the files of an archive that the page uses."""
    if not archive.is_file():
        raise ValueError(
            f"`demo-web --install FOLDER` needs the archives of `{_NPM_PACK}`. "
            f"Received: no file '{archive}'. Run that command in the folder."
        )
    found = "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if found != package.integrity:
        raise ValueError(
            f"The archive of {package.wanted} has the checksum {package.integrity}. "
            f"Received: '{archive}' with {found}. Get it again with `{_NPM_PACK}`."
        )
    with tarfile.open(archive) as file:
        for name in package.files:
            content = file.extractfile(f"package/{name}")
            path = target / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.read() if content else b"")
