// The page: a source is opened, and each of its frames is segmented and shown.

import {Legend} from "./legend.js";
import {Segmenter} from "./segmenter.js";
import {close, nextFrame, openCamera, openPicture, openVideo, sizeOf} from "./sources.js";

const LONGEST_SIDE = 1600; // of the shown picture, in pixels
const LEGEND_MS = 250; // between changes of the shares
const RATE_MS = 2000; // over which frames are counted

const at = (id) => document.getElementById(id);
const picture = at("picture").getContext("2d", {alpha: false});
const overlay = at("overlay").getContext("2d");

let segmenter, legend, source, labels;
let running = 0; // a new source ends the loop of the one before it
let times = []; // when the latest frames were shown
let counted = 0; // when the shares were written

start();

async function start() {
  try {
    const description = await (await fetch("/model.json")).json();
    describe(description);
    legend = new Legend(at("legend"), description.classes, draw);
    segmenter = await Segmenter.load(description);
    at("about").textContent += ". Pictures stay on this device.";
    at("file").disabled = at("camera").disabled = false;
    document.body.dataset.state = "ready";
  } catch (error) {
    report(`The network could not be loaded: ${error.message ?? error}`);
  }
}

function describe({name, file, size, classes}) {
  document.title = at("name").textContent = name;
  at("about").textContent = `${file}, ${size.join("x")} pixels, ${classes.length} classes`;
}

at("file").addEventListener("change", async () => {
  const [file] = at("file").files;
  if (file) {
    const opens = file.type.startsWith("video/") ? openVideo : openPicture;
    await show(() => opens(file));
  }
});

at("camera").addEventListener("click", async () => {
  const isOn = Boolean(source?.srcObject);
  at("file").value = "";
  if (isOn) {
    stop();
  } else {
    await show(openCamera);
  }
});

at("pause").addEventListener("click", async () => {
  if (source.paused) {
    await source.play();
  } else {
    source.pause();
  }
  times = [];
  at("pause").textContent = source.paused ? "Play" : "Pause";
});

at("opacity").addEventListener("input", () => {
  const value = at("opacity").value;
  at("opacity-value").textContent = `${value} %`;
  at("overlay").style.opacity = value / 100;
});
at("overlay").style.opacity = at("opacity").value / 100;
at("all").addEventListener("click", () => legend?.showAll(true));
at("none").addEventListener("click", () => legend?.showAll(false));

/** Open a source, and show its frames until another one is opened. */
async function show(open) {
  stop();
  const turn = running;
  document.body.dataset.state = "busy";
  try {
    const opened = await open();
    if (turn !== running) {
      close(opened);
      return;
    }
    source = opened;
    const moves = "play" in source;
    at("pause").hidden = !moves;
    at("camera").textContent = source.srcObject ? "Stop the camera" : "Use the camera";
    do {
      await segment();
      if (moves) {
        await nextFrame(source);
      }
    } while (moves && turn === running);
  } catch (error) {
    if (turn === running) {
      stop();
      report(error.message ?? String(error));
    }
  }
}

/** Forget the source. */
function stop() {
  running += 1;
  close(source);
  source = undefined;
  times = [];
  at("pause").hidden = true;
  at("pause").textContent = "Pause";
  at("camera").textContent = "Use the camera";
  report("");
}

/** Segment the present frame, and show both. */
async function segment() {
  const [width, height] = sizeOf(source);
  if (!width || (source.paused && times.length)) {
    return;
  }
  const started = performance.now();
  const found = await segmenter.labels(source);
  const took = performance.now() - started;
  if (!source) {
    return;
  }
  labels = found;
  fit(width, height);
  picture.drawImage(source, 0, 0, picture.canvas.width, picture.canvas.height);
  draw();
  tell(took);
}

/** Give the canvases their sizes: the picture's aspect, and the file's size. */
function fit(width, height) {
  at("stage").style.setProperty("--ratio", width / height);
  const factor = Math.min(1, LONGEST_SIDE / Math.max(width, height));
  resize(picture.canvas, Math.round(width * factor), Math.round(height * factor));
  resize(overlay.canvas, segmenter.width, segmenter.height);
}

function resize(canvas, width, height) {
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
}

/** Draw the colors of the classes that are shown. */
function draw() {
  if (labels) {
    overlay.putImageData(legend.paint(labels, segmenter.width, segmenter.height), 0, 0);
  }
}

/** Write the speed, and at intervals the shares of the classes. */
function tell(took) {
  const now = performance.now();
  times = [...times, now].filter((time) => now - time <= RATE_MS);
  const rate = times.length > 1 ? ((times.length - 1) * 1000) / (now - times[0]) : 0;
  const speed = `${took.toFixed(0)} ms for each picture`;
  if (now - counted > LEGEND_MS || !("play" in source)) {
    counted = now;
    const largest = legend.count(labels);
    at("stage").setAttribute("aria-label", `Mostly ${largest.join(", ")}`);
    at("speed").textContent = rate ? `${rate.toFixed(1)} frames/s, ${speed}` : speed;
  }
  document.body.dataset.state = "shown";
}

function report(text) {
  at("error").textContent = text;
  if (text) {
    document.body.dataset.state = "failed";
  }
}
