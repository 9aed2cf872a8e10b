"""tf.data graphs of batches from pairs of pictures and masks."""
