"""Serve a trained network to other programs over HTTP and gRPC, and call such a server.

`python -m keras_seg serve <run>` starts a server; `Client` calls one, also TensorFlow Serving.
Importing this package requires neither Keras nor TensorFlow.
"""

from keras_seg.serve.client import Client

__all__ = ["Client"]
