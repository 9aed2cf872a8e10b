"""A page for phone developers in a run's folder: how to call its .tflite files."""

import hashlib
import logging
from pathlib import Path

import numpy as np

from keras_seg.export.delegates import fallbacks
from keras_seg.inference.export_notes import read_notes
from keras_seg.run_files import write_text

log = logging.getLogger("keras_seg")
PAGE = "phone.md"
_RGB = "(p shr 16 and 255)", "(p shr 8 and 255)", "(p and 255)"  # of a pixel p of a Bitmap
# ITU-R 601 in 1/65536, as files are read in training.
_GRAY = "val gray = 19595 * {} + 38470 * {} + 7471 * {}".format(*_RGB)
_MARK = "<!-- written by keras_seg; checksum of what follows: {} -->\n"
_INTRODUCTION = """# Calling the .tflite files

Names, sizes and numbers below are those in the files. Pixels are red, green, blue in 0..255,
without scaling; the class of a pixel is the channel with the highest score. On a CPU, int8 is
fastest; on a GPU, fp16. Operations that a delegate does not take fall back on the CPU, according to
the published lists of `keras_seg.export.delegates`; NNAPI is deprecated since Android 15. Each file
also contains the class names (`labels.txt`) and, in `keras_seg.json`, the colors.

The code takes pictures of the file's size. Kotlin cannot read a Bitmap with `Config.HARDWARE`.
"""


def write_phone_page(folder):
    """Write `phone.md`, with a Kotlin and a Swift snippet for each .tflite file of a folder.

    A page that was edited is kept, and a warning says so.

    Args:
        folder: folder of a run.

    Returns:
        `pathlib.Path` of the page; None if it was kept or there is no file of keras_seg.
    """
    path = Path(folder) / PAGE
    if path.exists() and not _is_ours(path.read_text("utf-8")):
        log.warning("%s was edited and is kept. Move it to have it written again.", path)
        return None
    files = [file for file in sorted(Path(folder).glob("*.tflite")) if read_notes(file)]
    if not files:
        return None
    sections = [_section(file) for file in files]
    text = "\n".join([_INTRODUCTION, *sections])
    write_text(path, _MARK.format(_checksum(text)) + text)
    return path


def _is_ours(text):
    """Whether a page is as it was written."""
    first, _, rest = text.partition("\n")
    return first + "\n" == _MARK.format(_checksum(rest))


def _checksum(text):
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _section(file):
    """The description of a file, and the two snippets."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(file))
    signature, names = next(iter(interpreter.get_signature_list().items()))
    image, found = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    image_name, found_name = names["inputs"][0], names["outputs"][0]
    notes = read_notes(file) or {}
    height, width, channels = (int(n) for n in image["shape"][1:])
    values = {
        "file": file.name,
        "height": height, "width": width, "channels": channels,
        "float_in": image["dtype"] == np.float32,
        "float_out": found["dtype"] == np.float32,
        "scores": found_name == "logits",
        "classes": int(found["shape"][-1]),
        "bytes": int(np.prod(found["shape"])) * np.dtype(found["dtype"]).itemsize,
    }  # fmt: skip
    return "\n".join(
        [
            f"\n## {file.name}\n",
            "| | name | type and shape | scale, zero point |",
            "|---|---|---|---|",
            f"| input | `{image_name}` | {_words(image)} | {_quantization(image)} |",
            f"| output | `{found_name}` | {_words(found)} | {_quantization(found)} |",
            f"\nSignature `{signature}`.\n",
            *_delegates(file),
            *_classes(notes),
            *_snippets(values, found["dtype"]),
        ]
    )


def _snippets(values, dtype):
    """Kotlin and Swift, for what a bitmap holds and a byte or a float32 gives."""
    if values["channels"] not in (1, 3) or dtype not in (np.float32, np.uint8):
        return ["No snippets: its pixels are not a bitmap's, or it has more than 256 classes.\n"]
    return [
        "Kotlin (`com.google.ai.edge.litert:litert` 1.x, or from 2.1 on for CPUs):\n",
        f"```kotlin\n{_kotlin(values)}\n```\n",
        "Swift (`TensorFlowLiteSwift`):\n",
        f"```swift\n{_swift(values)}\n```\n",
    ]


def _words(tensor):
    return f"{np.dtype(tensor['dtype']).name} ({', '.join(str(n) for n in tensor['shape'])})"


def _quantization(tensor):
    scale, zero = tensor["quantization"]
    return f"{scale:.6g}, {zero}" if scale else "none"


def _delegates(file):
    rows = [f"| {name} | {text} |" for name, text in fallbacks(file).items()]
    return ["| delegate | operations |", "|---|---|", *rows, ""]


def _classes(notes):
    names, palette = notes.get("class_names"), notes.get("palette")
    if not names:
        return []
    rows = ["| id | class | color |", "|---|---|---|"]
    for number, name in enumerate(names):
        color = "#{:02x}{:02x}{:02x}".format(*palette[number]) if palette else "-"
        rows.append(f"| {number} | {name} | {color} |")
    return [*rows, ""]


def _kotlin(v):
    """A class from a Bitmap of the file's size to class ids."""
    height, width, n = v["height"], v["width"], v["classes"]
    put = "input.putFloat({}.toFloat())" if v["float_in"] else "input.put({}.toByte())"
    puts = "\n            ".join(put.format(part) for part in _RGB)
    if v["channels"] == 1:
        puts = f"{_GRAY}\n            {put.format('(gray + 32768 shr 16)')}"
    size = height * width * v["channels"] * (4 if v["float_in"] else 1)
    number = "output.getFloat(4 * i)" if v["float_out"] else "output.get(i).toInt() and 255"
    ids = f"""val ids = IntArray({height * width})
        for (i in ids.indices) {{
            for (c in 1 until {n}) {{
                if (number({n} * i + c) > number({n} * i + ids[i])) ids[i] = c
            }}
        }}
        return ids"""
    if not v["scores"]:
        ids = f"return IntArray({height * width}) {{ number(it) }}"
    return f"""import android.graphics.Bitmap
import org.tensorflow.lite.Interpreter
import java.nio.ByteBuffer
import java.nio.ByteOrder

class Segmenter(model: ByteBuffer) : AutoCloseable {{  // {v["file"]}, memory-mapped
    private val interpreter = Interpreter(model)
    private val pixels = IntArray({height * width})
    private val input = ByteBuffer.allocateDirect({size}).order(ByteOrder.nativeOrder())
    private val output = ByteBuffer.allocateDirect({v["bytes"]}).order(ByteOrder.nativeOrder())

    /** The class of each pixel, row by row. */
    fun classIds(bitmap: Bitmap): IntArray {{
        require(bitmap.width == {width} && bitmap.height == {height})
        bitmap.getPixels(pixels, 0, {width}, 0, 0, {width}, {height})
        input.rewind()
        for (p in pixels) {{
            {puts}
        }}
        output.rewind()
        interpreter.run(input, output)
        {ids}
    }}

    private fun number(i: Int) = {number}

    override fun close() = interpreter.close()
}}"""


def _swift(v):
    """A class from pixels of the file's size to class ids."""
    height, width, n = v["height"], v["width"], v["classes"]
    kind = "gray" if v["channels"] == 1 else "red, green, blue"
    data = "Data(pixels)"
    if v["float_in"]:
        data = "pixels.map { Float32($0) }.withUnsafeBufferPointer { Data(buffer: $0) }"
    type_out = "Float32" if v["float_out"] else "UInt8"
    ids = f"""var ids = [Int](repeating: 0, count: {height * width})
        for i in 0..<{height * width} {{
            for c in 1..<{n} where numbers[{n} * i + c] > numbers[{n} * i + ids[i]] {{
                ids[i] = c
            }}
        }}
        return ids"""
    if not v["scores"]:
        ids = "return numbers.map { Int($0) }"
    return f"""import Foundation
import TensorFlowLite

final class Segmenter {{
    private let interpreter: Interpreter

    init(modelPath: String) throws {{  // {v["file"]}
        interpreter = try Interpreter(modelPath: modelPath)
        try interpreter.allocateTensors()
    }}

    /// The class of each pixel, row by row.
    /// pixels: {height} rows of {width}, {kind}: {height * width * v["channels"]} numbers
    func classIds(pixels: [UInt8]) throws -> [Int] {{
        let input: Data = {data}
        try interpreter.copy(input, toInputAt: 0)
        try interpreter.invoke()
        let output: Data = try interpreter.output(at: 0).data
        let numbers = output.withUnsafeBytes {{ Array($0.bindMemory(to: {type_out}.self)) }}
        {ids}
    }}
}}"""
