// Runs the .tflite file: pixels of a picture in, the class of each pixel out.

import {loadAndCompile, loadLiteRt, supportsFeature, Tensor} from "@litertjs/core";

export class Segmenter {
  /** Load the file of this server, which `description` (model.json) describes. */
  static async load(description) {
    await loadLiteRt("/packages/core/wasm/", {threads: await hasThreads()});
    const model = await loadAndCompile("/model.tflite", {accelerator: "wasm"});
    const segmenter = new Segmenter(model, description);
    await segmenter.labels(segmenter.canvas); // the first run is slow
    return segmenter;
  }

  constructor(model, description) {
    this.model = model;
    this.description = description;
    [this.height, this.width] = description.size;
    const {channels} = description;
    const takesBytes = model.getInputDetails()[0].dtype === "uint8";
    const count = this.height * this.width * channels;
    this.input = takesBytes ? new Uint8Array(count) : new Float32Array(count);
    // Of the file's size: a picture of another size is drawn into it.
    this.canvas = new OffscreenCanvas(this.width, this.height);
    this.context = this.canvas.getContext("2d", {alpha: false, willReadFrequently: true});
    this.context.imageSmoothingQuality = "high";
  }

  /** The class ids of a picture, video or canvas, row by row, in the file's size. */
  async labels(source) {
    this.context.drawImage(source, 0, 0, this.width, this.height);
    const {data} = this.context.getImageData(0, 0, this.width, this.height);
    fill(this.input, data, this.description);
    const input = new Tensor(this.input, [1, this.height, this.width, this.description.channels]);
    let outputs = [];
    try {
      outputs = await this.model.run([input]);
      const values = await outputs[0].data();
      const {classes} = this.description;
      return this.description.has_scores ? highest(values, classes.length) : values.slice();
    } finally {
      input.delete();
      outputs.forEach((output) => output.delete());
    }
  }
}

/** Threads need a page that is isolated from others, which is so on https and localhost only. */
async function hasThreads() {
  return globalThis.crossOriginIsolated && (await supportsFeature("relaxedSimd")) &&
    (await supportsFeature("threads"));
}

/** Write red, green and blue, or gray, of RGBA pixels into the file's input. */
export function fill(input, pixels, {channels, scale, zero}) {
  const exact = scale === 1 && zero === 0;
  const stored = (value) => (exact ? value : Math.round(value / scale + zero));
  for (let from = 0, to = 0; from < pixels.length; from += 4) {
    if (channels === 1) {
      // ITU-R BT.601, in whole numbers as Pillow computes it.
      const sum = pixels[from] * 19595 + pixels[from + 1] * 38470 + pixels[from + 2] * 7471;
      input[to++] = stored((sum + 32768) >> 16);
    } else {
      input[to++] = stored(pixels[from]);
      input[to++] = stored(pixels[from + 1]);
      input[to++] = stored(pixels[from + 2]);
    }
  }
}

/** The index of the highest score of each pixel; the first one of equal scores. */
export function highest(scores, numClasses) {
  const labels = new Uint16Array(scores.length / numClasses);
  for (let pixel = 0, start = 0; pixel < labels.length; pixel++, start += numClasses) {
    let best = start;
    for (let index = start + 1; index < start + numClasses; index++) {
      if (scores[index] > scores[best]) {
        best = index;
      }
    }
    labels[pixel] = best - start;
  }
  return labels;
}
