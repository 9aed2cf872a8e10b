"""The metadata of .tflite files, read with a reader of FlatBuffers by the schema's numbers."""

import zipfile

import numpy as np
import pytest
from _export import NAMES, network
from flatbuffers import encode, number_types
from flatbuffers.table import Table

from keras_seg.export import metadata, tflite

pytestmark = pytest.mark.export


class Reader:
    """A table of metadata_schema.fbs; fields are read by their number there."""

    def __init__(self, content, place=None):
        if place is None:
            place = encode.Get(number_types.UOffsetTFlags.packer_type, content, 0)
        self.table = Table(content, place)

    def _place(self, number):
        offset = self.table.Offset(4 + 2 * number)
        return offset + self.table.Pos if offset else None

    def text(self, number):
        return self.table.String(self._place(number)).decode()

    def byte(self, number):
        place = self._place(number)
        return 0 if place is None else self.table.Get(number_types.Int8Flags, place)

    def child(self, number):
        return Reader(self.table.Bytes, self.table.Indirect(self._place(number)))

    def children(self, number):
        if self._place(number) is None:
            return []
        vector = self.table.Vector(self._place(number) - self.table.Pos)
        count = self.table.VectorLen(self._place(number) - self.table.Pos)
        places = [self.table.Indirect(vector + 4 * index) for index in range(count)]
        return [Reader(self.table.Bytes, place) for place in places]

    def numbers(self, number, flags=number_types.Float32Flags):
        return self.table.GetVectorAsNumpy(flags, self._place(number) - self.table.Pos)


def stored(path):
    """The bytes of a file's entry TFLITE_METADATA."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(path.read_bytes(), 0)
    entries = [model.Metadata(index) for index in range(model.MetadataLength())]
    (buffer,) = [entry.Buffer() for entry in entries if entry.Name() == b"TFLITE_METADATA"]
    return model.Buffers(buffer).DataAsNumpy().tobytes()


@pytest.mark.long
def test_mediapipe_finds_what_it_needs(tmp_path):
    path = tmp_path / "model.tflite"
    tflite(network(0), path, size=(64, 80), class_names=NAMES)
    content = stored(path)
    assert content[4:8] == b"M001"
    (subgraph,) = Reader(content).children(3)
    (picture,), (scores,) = subgraph.children(2), subgraph.children(3)
    # ContentProperties: 2 is ImageProperties; ColorSpaceType: 1 is RGB, 2 GRAYSCALE.
    assert (picture.child(3).byte(0), picture.child(3).child(1).byte(0)) == (2, 1)
    (unit,) = picture.children(4)
    assert unit.byte(0) == 1  # NormalizationOptions
    assert (unit.child(1).numbers(0), unit.child(1).numbers(1)) == ([0], [1])  # mean, std
    assert (scores.text(0), scores.child(3).child(1).byte(0)) == ("logits", 2)
    (labels,) = scores.children(6)
    assert (labels.text(0), labels.byte(2)) == ("labels.txt", 2)  # TENSOR_AXIS_LABELS
    (custom,) = subgraph.children(9)
    assert custom.text(0) == "SEGMENTER_METADATA"
    options = custom.numbers(1, number_types.Uint8Flags).tobytes()
    assert options[4:8] == b"V001"
    assert Reader(options).byte(0) == 2  # SOFTMAX
    with zipfile.ZipFile(path) as archive:
        assert archive.getinfo("labels.txt").compress_type == zipfile.ZIP_STORED
        assert archive.read("labels.txt").decode().split() == list(NAMES)


def test_uint8_input_has_no_normalization_and_labels_no_activation():
    content = metadata.segmenter_metadata(["labels"], 1, float_input=False, has_labels=False)
    (subgraph,) = Reader(content).children(3)
    (picture,), (labels,) = subgraph.children(2), subgraph.children(3)
    assert picture.child(3).child(1).byte(0) == 2  # GRAYSCALE
    assert picture.children(4) == []
    assert (labels.text(0), labels.children(6)) == ("labels", [])
    assert subgraph.children(9) == []


def test_scores_of_a_classifier_are_no_segmentation():
    content = metadata.segmenter_metadata(["logits"], 3, True, True, is_map=False)
    assert Reader(content).children(3)[0].children(9) == []


def test_numbers_are_written_as_they_are():
    content = metadata.segmenter_metadata(["logits"], 3, True, True)
    (subgraph,) = Reader(content).children(3)
    stats = subgraph.children(2)[0].child(5)
    np.testing.assert_array_equal([stats.numbers(0), stats.numbers(1)], [[255], [0]])
