"""What TensorFlow Addons computes, for comparison: its functions that segmentation used.

TensorFlow Addons 0.23, its last release, cannot be imported beside Keras 3. In an environment of
its own with Python 3.11,

    pip install tensorflow==2.15.1 tensorflow-addons==0.23.0
    python tests/reference/addons.py

writes addons.npz beside this file; tests/test_addons.py compares it with what takes its place.
"""

from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_addons as tfa

STEPS = 6


def main():
    """Compute all outputs and write them with their inputs."""
    random = np.random.default_rng(0)
    found = {**losses(random), **layers(random), **pictures(random), **optimizers(random)}
    found["f1_labels"] = random.integers(0, 4, 200)
    found["f1_predictions"] = np.where(random.random(200) < 0.6, found["f1_labels"], 0)
    metric = tfa.metrics.F1Score(num_classes=4, average=None)
    metric.update_state(*(tf.one_hot(found[f"f1_{x}"], 4) for x in ("labels", "predictions")))
    found["f1"] = metric.result().numpy()
    np.savez_compressed(Path(__file__).with_suffix(".npz"), **found)


def losses(random):
    """The focal loss of each pixel, of one logit per pixel."""
    logits = random.normal(0, 3, (2, 5, 6)).astype("float32")
    labels = random.integers(0, 2, logits.shape)
    found = {"focal_logits": logits, "focal_labels": labels.astype("uint8")}
    for name, alpha in (("plain", None), ("weighted", 0.25)):
        loss = tfa.losses.SigmoidFocalCrossEntropy(
            from_logits=True, alpha=alpha, gamma=2.0, reduction="none"
        )
        # It adds along the last axis.
        found[f"focal_{name}"] = loss(labels[..., None], logits[..., None]).numpy()
    return found


def layers(random):
    """Unpooling by indices, and adaptive pooling of sizes that divide the map's."""
    x = random.normal(size=(2, 6, 12, 3)).astype("float32")
    pooled, indices = tf.nn.max_pool_with_argmax(x, 2, 2, "SAME")
    return {
        "map": x,
        "unpooled": tfa.layers.MaxUnpooling2D()(2 * pooled, indices).numpy(),
        "adaptive": tfa.layers.AdaptiveAveragePooling2D((3, 3))(x).numpy(),
    }


def pictures(random):
    """A rotation, a shift and a blur; masks by nearest neighbor, with a rim of zeros."""
    image = random.integers(0, 256, (15, 20, 3)).astype("float32")
    image = tf.image.resize(image[::3, ::4], image.shape[:2]).numpy().round()
    mask = 1 + random.integers(0, 5, (15, 20)).astype("float32")[..., None]
    found = {"image": image.astype("uint8"), "mask": mask[..., 0].astype("uint8")}
    for name, angle in (("turned_little", 0.2), ("turned_far", -1.3)):
        found[f"{name}_image"] = tfa.image.rotate(
            image, angle, interpolation="bilinear", fill_mode="nearest"
        ).numpy()
        found[f"{name}_mask"] = tfa.image.rotate(mask, angle).numpy()[..., 0]
    found["shifted_image"] = tfa.image.translate(
        image, [3.5, -2.25], interpolation="bilinear", fill_mode="nearest"
    ).numpy()
    found["shifted_mask"] = tfa.image.translate(mask, [3.0, -2.0]).numpy()[..., 0]
    found["blurred"] = tfa.image.gaussian_filter2d(
        image, (13, 13), sigma=1.5, padding="CONSTANT"
    ).numpy()
    return found


def optimizers(random):
    """Weights after a few steps with fixed gradients."""
    start = random.normal(size=7).astype("float32")
    gradients = random.normal(size=(STEPS, 7)).astype("float32")
    made = {
        # It takes weight_decay * w, where Keras takes learning_rate * weight_decay * w.
        "adamw": tfa.optimizers.AdamW(weight_decay=0.01 * 0.3, learning_rate=0.01),
        "average": tfa.optimizers.MovingAverage(
            tf.keras.optimizers.legacy.SGD(0.1), average_decay=0.8, dynamic_decay=False
        ),
        "swa": tfa.optimizers.SWA(
            tf.keras.optimizers.legacy.SGD(0.1), start_averaging=2, average_period=1
        ),
    }
    found = {"start": start, "gradients": gradients}
    for name, optimizer in made.items():
        variable = tf.Variable(start)
        for gradient in gradients:
            optimizer.apply_gradients([(tf.constant(gradient), variable)])
        if hasattr(optimizer, "assign_average_vars"):
            optimizer.assign_average_vars([variable])
        found[name] = variable.numpy()
    return found


if __name__ == "__main__":
    main()
