"""Files to arrays: the only reader of files of the project, without TensorFlow and Keras."""
