"""One page that runs a .tflite file in the browser, and the small server that offers it.

`python -m keras_seg demo-web <run>` starts it. Importing this package requires neither Keras nor
TensorFlow.
"""
