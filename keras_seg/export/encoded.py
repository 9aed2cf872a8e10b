"""Pictures from JPEG and PNG bytes, and label maps as PNG bytes, as parts of a TensorFlow graph.

A server that takes files instead of pixels needs them: a 360x480 picture is 2 MB of JSON as
pixels, and 50 kB as a JPEG. The pixels are those of `pipelines.read.read_image`.
"""

import struct
import zlib

import numpy as np

_LUMA = (19595, 38470, 7471)  # as pipelines.read: ITU-R 601, in 1/65536
_HEAD = 1 << 16  # bytes in which a JPEG's EXIF data are searched
_ORIENTATION = 0x0112
_MAX_ENTRIES = 256


def decoded(image_bytes, channels):
    """Pixels of a JPEG or PNG file, turned as its EXIF data say.

    Args:
        image_bytes: scalar string tensor.
        channels: 1 for gray, 3 for RGB; files of the other kind are converted.

    Returns:
        uint8 tensor (h, w, channels).
    """
    import tensorflow as tf

    start = tf.strings.join([tf.strings.substr(image_bytes, 0, 32), b"\0" * 32])
    is_png = tf.strings.substr(start, 0, 4) == b"\x89PNG"
    has_16_bits = tf.strings.substr(start, 24, 1) == b"\x10"

    def deep():
        values = tf.cast(tf.io.decode_png(image_bytes, 3, tf.uint16), tf.int32)
        return tf.cast((values + 128) // 257, tf.uint8)

    def usual():
        # It reads PNG, too. The default is a faster transform with other pixels.
        return tf.io.decode_jpeg(image_bytes, 3, dct_method="INTEGER_ACCURATE")

    image = tf.cond(is_png & has_16_bits, deep, usual)
    exif = tf.cond(is_png, lambda: _exif_of_png(image_bytes), lambda: _exif_of_jpeg(image_bytes))
    image = _turned(image, _orientation(exif))
    if channels == 1:
        gray = tf.reduce_sum(tf.cast(image, tf.int32) * tf.constant(_LUMA), -1, keepdims=True)
        image = tf.cast((gray + 0x8000) // 0x10000, tf.uint8)
    return tf.ensure_shape(image, (None, None, channels))


def label_png(labels, palette, num_classes):
    """A label map as the bytes of a PNG file.

    Up to 256 classes, a pixel of the PNG is a class id, and the palette gives its color: browsers
    show colors, and `numpy.asarray(PIL.Image.open(file))` gives ids. Without a palette, and beyond
    256 classes, the file is gray.

    Args:
        labels: int32 tensor (h, w).
        palette: colors (r, g, b) 0..255 in the order of ids, or None.
        num_classes: number of classes; beyond 256 the file has 16 bits.

    Returns:
        scalar string tensor.
    """
    import tensorflow as tf

    if num_classes > 256:
        return tf.io.encode_png(tf.cast(labels, tf.uint16)[..., tf.newaxis])
    png = tf.io.encode_png(tf.cast(labels, tf.uint8)[..., tf.newaxis])
    if palette is None:
        return png
    # Bytes of every value, to turn numbers into a string.
    every = tf.constant([bytes([value]) for value in range(256)])
    header = tf.io.decode_raw(tf.strings.substr(png, 0, 33), tf.uint8)
    indexed = tf.bitwise.bitwise_xor(header, tf.constant(_gray_to_indexed()))
    parts = [
        tf.strings.reduce_join(tf.gather(every, tf.cast(indexed, tf.int32))),
        tf.constant(_palette_chunk(palette)),
        tf.strings.substr(png, 33, tf.strings.length(png) - 33),
    ]
    return tf.strings.join(parts)


def _gray_to_indexed():
    """The bits that differ between the first 33 bytes of a gray PNG and of one with a palette.

    Both store 8 bits per pixel; the header differs in the color type, 0 and 3, and in its check
    sum. A CRC is linear: it changes by the same bits for every height and width.
    """
    gray, indexed = (struct.pack(">4sIIBBBBB", b"IHDR", 1, 1, 8, kind, 0, 0, 0) for kind in (0, 3))
    difference = [a ^ b for a, b in zip(gray, indexed, strict=True)]
    check = struct.pack(">I", zlib.crc32(gray) ^ zlib.crc32(indexed))
    return np.array([*[0] * 12, *difference, *check], np.uint8)


def _palette_chunk(palette):
    """The PLTE chunk of a PNG, W3C PNG (Third Edition), section 11.2.2."""
    content = b"PLTE" + np.asarray(palette, np.uint8).tobytes()
    return struct.pack(">I", len(content) - 4) + content + struct.pack(">I", zlib.crc32(content))


def _turned(image, orientation):
    """Turn a picture (h, w, c) as an EXIF orientation 1..8 says."""
    import tensorflow as tf

    def branch(number):
        turned = tf.transpose(image, (1, 0, 2)) if number in (5, 6, 7, 8) else image
        axes = [0] * (number in (3, 4, 7, 8)) + [1] * (number in (2, 3, 6, 7))
        return tf.reverse(turned, axes) if axes else turned

    ways = [lambda number=number: branch(number) for number in range(9)]
    return tf.switch_case(orientation, ways, default=lambda: image)


def _orientation(content):
    """The orientation in EXIF data, a TIFF structure as numbers; 1 if it has none."""
    import tensorflow as tf

    # Damaged files may point behind the end: there are zeros.
    content = tf.pad(content, [[0, 1]])
    little_endian = content[0] == ord("I")

    def numbers(first, count, num_bytes):
        """`count` unsigned numbers that are 12 bytes apart, the size of a directory's entries."""
        places = first + 12 * tf.range(count)[:, tf.newaxis] + tf.range(num_bytes)
        values = tf.gather(content, tf.clip_by_value(places, 0, tf.size(content) - 1))
        values = tf.cond(little_endian, lambda: values[:, ::-1], lambda: values)
        return tf.reduce_sum(values * [256**i for i in reversed(range(num_bytes))], -1)

    directory = numbers(4, 1, 4)[0]
    count = tf.minimum(numbers(directory, 1, 2)[0], _MAX_ENTRIES)
    tags, values = numbers(directory + 2, count, 2), numbers(directory + 10, count, 2)
    return tf.concat([tf.boolean_mask(values, tags == _ORIENTATION), [1]], 0)[0]


def _part(content, first, count):
    """Bytes of a string; fewer of them at its end."""
    import tensorflow as tf

    return tf.strings.substr(content, tf.minimum(first, tf.strings.length(content)), count)


def _numbers(content):
    """Bytes as numbers int32."""
    import tensorflow as tf

    return tf.cast(tf.io.decode_raw(content, tf.uint8), tf.int32)


def _exif_of_png(png):
    """The EXIF data of a PNG's bytes, the chunk eXIf; empty if it has none.

    (W3C PNG (Third Edition), section 11.3.3.6: it may also be behind the pixels.)
    """
    import tensorflow as tf

    size = tf.strings.length(png)

    def is_another_chunk(first):
        return (first + 8 <= size) & (_part(png, first + 4, 4) != b"eXIf")

    def length(first):
        # Damaged files may have any number: without its sign, the next chunk is always behind it.
        parts = tf.pad(_numbers(_part(png, first, 4)), [[0, 4]])[:4] & [127, 255, 255, 255]
        return tf.minimum(tf.reduce_sum(parts * [1 << 24, 1 << 16, 1 << 8, 1]), size)

    first = tf.while_loop(is_another_chunk, lambda first: [first + 12 + length(first)], [8])[0]
    return _numbers(_part(png, first + 8, length(first)))


def _exif_of_jpeg(jpeg):
    """The EXIF data of a JPEG's bytes; empty if it has none.

    (Exif 2.3, section 4.5: it is in the segment APP1, which begins with "Exif".)
    """
    import tensorflow as tf

    head = _numbers(_part(jpeg, 0, _HEAD))
    last = tf.size(head) - 1

    def part(first, count):
        return tf.gather(head, tf.clip_by_value(first + tf.range(count), 0, last))

    def is_exif(first):
        return tf.reduce_all(part(first, 10)[4:] == list(b"Exif\0\0"))

    def is_another_segment(first):
        marker = part(first, 2)
        image_data = marker[1] == 0xDA
        return (first < last) & (marker[0] == 0xFF) & ~image_data & ~is_exif(first)

    def end(first):
        length = part(first + 2, 2)
        return first + 2 + length[0] * 256 + length[1]

    first = tf.while_loop(is_another_segment, lambda first: [end(first)], [2])[0]
    return tf.cond(is_exif(first), lambda: head[first + 10 : end(first)], lambda: head[:0])
