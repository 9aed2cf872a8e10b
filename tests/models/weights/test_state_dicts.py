"""PyTorch's files of weights, written here byte by byte after the format's description."""

import json
import struct
import sys

import numpy as np
import pytest

from keras_seg.models.weights.state_dicts import arrays, read_state_dict


def written(path, header, numbers=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + numbers)
    return path


def entry(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def test_safetensors_are_read_in_the_order_of_their_numbers(tmp_path):
    header = {
        "__metadata__": {"format": "pt"},
        "fc.bias": entry("F32", [2], 6, 14),
        "half": entry("F16", [1], 14, 16),
        "fc.weight": entry("BF16", [1, 3], 0, 6),
    }
    # bfloat16 is the upper half of float32: 1.0 is 3F80, -2.0 is C000, 0.5 is 3F00.
    numbers = b"\x80\x3f\x00\xc0\x00\x3f" + struct.pack("<2fe", 1.5, -2.5, 0.25)
    found = read_state_dict(written(tmp_path / "a.safetensors", header, numbers))
    assert list(found) == ["fc.weight", "fc.bias", "half"]
    assert found["fc.weight"].tolist() == [[1.0, -2.0, 0.5]]
    assert found["fc.bias"].tolist() == [1.5, -2.5]
    assert arrays(found)["half"].dtype == "float32"


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (b"{", "JSONDecodeError"),
        (b"[]", "TypeError"),
        ({"a": entry("F32", [2], 0, 9)}, "numbers from 0 to 9 of 8 bytes"),
        ({"a": entry("F32", [3], 0, 8)}, "cannot reshape"),
        ({"a": entry("F31", [2], 0, 8)}, "KeyError: 'F31'"),
        ({"a": {"dtype": "F32"}}, "KeyError"),
    ],
)
def test_damaged_safetensors_are_refused(tmp_path, header, words):
    path = written(tmp_path / "a.safetensors", header, bytes(8))
    with pytest.raises(
        ValueError, match=rf"Received: '.*a\.safetensors' \((ValueError: )?({words})"
    ):
        read_state_dict(path)


def test_a_header_longer_than_the_file_is_not_read(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(struct.pack("<Q", 2**40) + b"{}")
    with pytest.raises(ValueError, match=r"a header of 1099511627776 bytes in a file of 10"):
        read_state_dict(tmp_path / "a.safetensors")


def test_pth_files_ask_for_torch(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)  # as where it is not installed
    with pytest.raises(ImportError, match=r"needs torch. Received: '.*m\.pth'.*save_file"):
        read_state_dict(tmp_path / "m.pth")


def test_pth_files_are_read_by_torch(tmp_path, monkeypatch):
    class Torch:
        """What is used of torch."""

        @staticmethod
        def load(path, map_location, weights_only):
            if not weights_only or path.name == "damaged.pth":
                raise RuntimeError("not a zip file\nmore")
            return {"state_dict": {"fc.bias": np.ones(2)}, "epoch": 3}

    monkeypatch.setitem(sys.modules, "torch", Torch)
    assert list(read_state_dict(tmp_path / "m.pth")) == ["fc.bias"]
    with pytest.raises(ValueError, match=r"weights_only=True.*damaged\.pth' \(not a zip file\)"):
        read_state_dict(tmp_path / "damaged.pth")
