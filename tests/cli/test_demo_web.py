"""The command `demo-web`, in a process in which neither Keras nor TensorFlow can be imported."""

import re
import signal
import subprocess
import sys
import urllib.request

import pytest
from _serving import BLOCKED, FILE, ROOT, RUN

from keras_seg.cli.main import main
from keras_seg.web import packages


def draw_packages(cache):
    for package in packages.PACKAGES:
        for name in package.files:
            path = cache / "keras_seg" / packages.packages_folder().name / package.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)


def test_a_run_or_install_is_needed(capsys):
    assert main(["demo-web"]) == 2
    assert "needs a run or --install. Received: neither" in capsys.readouterr().err


def test_a_port_that_there_is_not_is_an_error(capsys):
    assert main(["demo-web", str(RUN), "--port", "70000"]) == 2
    assert "`demo-web` needs a port from 0 to 65535 as --port" in capsys.readouterr().err


def test_without_the_packages_the_command_says_what_to_do(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert main(["demo-web", str(RUN), "--port", "0"]) == 2
    assert "Run `python -m keras_seg demo-web --install` once" in capsys.readouterr().err


def test_archives_that_are_missing_are_an_error(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert main(["demo-web", "--install", str(tmp_path)]) == 2
    assert "Received: no file" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is another signal")
@pytest.mark.parametrize("arguments", [[], ["--file", str(FILE)]])
def test_the_page_is_served_until_ctrl_c(arguments, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    draw_packages(tmp_path)
    words = [sys.executable, "-c", BLOCKED, "demo-web", str(RUN), "--port", "0", *arguments]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            line = next((line for line in process.stderr if "http://" in line), "")
            address = re.search(r"http://127.0.0.1:\d+/", line)
            assert address, "the server did not start"
            with urllib.request.urlopen(f"{address[0]}model.tflite", timeout=20) as answer:
                assert answer.read() == FILE.read_bytes()
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
        finally:
            process.kill()
