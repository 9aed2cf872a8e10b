import json
import os
import re
import socket
import subprocess
import sys

import psutil
import pytest

from keras_seg.training import lock


def write(folder, **changes):
    """A lock of this process, or of another one."""
    mine = {"pid": os.getpid(), "host": socket.gethostname()}
    mine["created"] = psutil.Process().create_time()
    folder.mkdir(exist_ok=True)
    (folder / ".lock").write_text(json.dumps(mine | changes))


def test_lock_is_there_while_it_is_held_and_leaves_nothing(tmp_path):
    with lock.held(tmp_path / "run"):
        assert lock.holder(tmp_path / "run")["pid"] == os.getpid()
    assert list(tmp_path.iterdir()) == []


def test_folder_with_files_stays(tmp_path):
    with lock.held(tmp_path / "run"):
        (tmp_path / "run" / "run.json").write_text("{}")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["run.json"]


@pytest.mark.parametrize("changes", [{}, {"host": "elsewhere", "pid": 5}])
def test_lock_of_a_living_process_is_respected(tmp_path, changes):
    write(tmp_path, **changes)
    pid = changes.get("pid", os.getpid())
    words = rf"one process at a time.*'{re.escape(str(tmp_path))}', which process {pid} on '.*tag="
    with pytest.raises(ValueError, match=words), lock.held(tmp_path):
        pass
    assert (tmp_path / ".lock").is_file()


def test_lock_of_an_ended_process_is_replaced(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    for changes in ({"pid": process.pid}, {"created": 0.0}):  # The second: the number came again.
        write(tmp_path, **changes)
        with lock.held(tmp_path):
            assert lock.holder(tmp_path)["pid"] == os.getpid()


@pytest.mark.parametrize("text", ["", "{half", '{"pid": 3}', "[1]"])
def test_lock_without_content_is_respected_for_some_seconds(tmp_path, text):
    path = tmp_path / ".lock"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"which process unknown.*delete '.*\.lock'"):
        lock.held(tmp_path).__enter__()
    os.utime(path, (0, 0))
    with lock.held(tmp_path):
        assert lock.holder(tmp_path)["pid"] == os.getpid()


def test_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("in the way")
    words = r"`fit` needs a writable folder.*Received: '.*file/runs' \(Not a dir.*Choose another"
    with pytest.raises(ValueError, match=words):
        lock.held(tmp_path / "file" / "runs").__enter__()
