"""The command `serve` before a server starts; tests/serve has the servers."""

import pytest
from _serving import RUN

from keras_seg.cli import serving
from keras_seg.cli.main import main
from keras_seg.serve import docker
from keras_seg.serve.versions import find_file


def draw_run(folder):
    (folder / "2").mkdir(parents=True)
    (folder / "2" / "saved_model.pb").write_bytes(b"")
    for name in ("run.json", "models.config"):
        (folder / name).write_text("{}")
    return folder


def test_the_command_for_docker_mounts_the_run(tmp_path, monkeypatch, caplog):
    folder = draw_run(tmp_path / "my streets")
    monkeypatch.setattr(docker.shutil, "which", lambda name: f"/usr/bin/{name}")
    assert main(["serve", str(folder), "--port", "81", "--grpc-port", "80"]) == 0
    words = "docker run --rm -p 127.0.0.1:80:8500 -p 127.0.0.1:81:8501 -v "
    assert words in caplog.text
    assert f"'{folder}:/models/my streets:ro' tensorflow/serving" in caplog.text
    assert "'--model_config_file=/models/my streets/models.config'" in caplog.text


def test_without_docker_ray_takes_its_place_and_must_be_installed(tmp_path, monkeypatch, capsys):
    folder = draw_run(tmp_path / "run")
    monkeypatch.setattr(docker.shutil, "which", lambda name: None)
    monkeypatch.setattr(serving, "PACKAGES", ("no_such_package",))
    assert main(["serve", str(folder)]) == 2
    assert "no_such_package, ray. Received: no no_such_package" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--single", "--ray"], "needs one of --single and --ray"),
        (["--single", "--workers", "0"], "needs workers to be a whole number of at least 1"),
        (["--single", "--file", "no.tflite"], "No such file"),
        (["--single", "--port", "70000"], "from 0 to 65535 as --port. Received: 70000"),
        (["--ray", "--grpc-port", "-1"], "from 0 to 65535 as --grpc-port. Received: -1"),
    ],
)
def test_wrong_arguments_are_errors(arguments, words, capsys):
    pytest.importorskip("fastapi", reason="needs the extra `serve`")
    assert main(["serve", str(RUN), *arguments]) == 2
    assert words in capsys.readouterr().err


def test_a_run_without_a_file_is_an_error(tmp_path):
    (tmp_path / "model_int8.tflite").write_bytes(b"of another program")
    with pytest.raises(ValueError, match=r"that keras_seg exported. Received: folder='.*' without"):
        find_file(tmp_path)


def test_the_fastest_kind_of_file_is_taken(tmp_path):
    content = (RUN / "model_int8.tflite").read_bytes()
    for name in ("model_fp32", "model_int8_64x96", "model_fp16"):
        (tmp_path / f"{name}.tflite").write_bytes(content)
    assert find_file(tmp_path).name == "model_fp16.tflite"
    (tmp_path / "model_int8.tflite").write_bytes(content)
    assert find_file(tmp_path).name == "model_int8.tflite"
