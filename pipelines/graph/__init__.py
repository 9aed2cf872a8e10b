"""From pairs of pictures and masks to tf.data graphs of batches."""
