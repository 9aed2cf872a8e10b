"""Reads PyTorch's files of weights; .safetensors without PyTorch."""

import json
from pathlib import Path

import numpy as np

# Numbers of .safetensors by NumPy's names; BF16 is the upper half of a float32.
_DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2",
    "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U8": "u1", "BOOL": "?",
}  # fmt: skip
LARGEST_HEADER = 100 * 2**20  # bytes, as in the format's own library


def read_state_dict(path):
    """Read a file of weights.

    Args:
        path: .safetensors, or .pth or .pt as `torch.save(model.state_dict(), path)` writes them.

    Returns:
        dict of arrays by name, in the file's order.

    Raises:
        ValueError: the file is damaged, or holds something else.
        ImportError: the file needs torch, which is not installed.

    >>> read_state_dict("nowhere.safetensors")
    Traceback (most recent call last):
    ValueError: ...
    """
    path = Path(path)
    return _safetensors(path) if path.suffix == ".safetensors" else _torch(path)


def arrays(state_dict):
    """A state dict as arrays of float32 or float64.

    Args:
        state_dict: dict of tensors or arrays by name.

    Returns:
        dict of arrays by name.

    >>> arrays({"bias": [0, 1]})["bias"].dtype
    dtype('float32')
    """
    found = {}
    for name, value in state_dict.items():
        if hasattr(value, "detach"):
            value = value.detach().cpu()
            value = value.numpy() if str(value.dtype) != "torch.bfloat16" else value.float().numpy()
        value = np.asarray(value)
        found[name] = value if value.dtype in ("float32", "float64") else value.astype("float32")
    return found


def _safetensors(path):
    """Length of the header, 8 bytes; the header, JSON; the numbers."""
    try:
        data = np.memmap(path, "u1", "r")
        length = int(data[:8].view("<u8")[0])
        if length > min(LARGEST_HEADER, len(data) - 8):
            raise ValueError(f"a header of {length} bytes in a file of {len(data)}")
        header = json.loads(bytes(data[8 : 8 + length]))
        header.pop("__metadata__", None)
        entries = sorted(header.items(), key=lambda item: item[1]["data_offsets"][0])
        return {name: _array(data[8 + length :], entry) for name, entry in entries}
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise ValueError(
            f"A .safetensors file holds a header and the numbers that it lists. Received: '{path}' "
            f"({type(error).__name__}: {error}). Copy it or download it again."
        ) from error


def _array(data, entry):
    begin, end = entry["data_offsets"]
    if not 0 <= begin <= end <= len(data):
        raise ValueError(f"numbers from {begin} to {end} of {len(data)} bytes")
    values = np.frombuffer(bytes(data[begin:end]), _DTYPES[entry["dtype"]])
    if entry["dtype"] == "BF16":
        values = (values.astype("<u4") << 16).view("<f4")
    return values.reshape(entry["shape"])


def _torch(path):
    try:
        import torch  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ImportError(
            f"Reading .pth and .pt files needs torch. Received: '{path}'. Install torch, or write "
            "the weights as .safetensors where it is installed: "
            "safetensors.torch.save_file(model.state_dict(), 'model.safetensors')."
        ) from error
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # Damage appears as any error of zipfile or pickle.
        raise ValueError(
            f"A .pth file must hold a state dict that `torch.load(weights_only=True)` reads. "
            f"Received: '{path}' ({str(error).strip().splitlines()[0]}). Save "
            "`model.state_dict()` again."
        ) from error
    for key in ("state_dict", "model", "model_state_dict"):
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    return found
