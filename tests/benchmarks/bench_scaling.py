"""Pictures a second with more cores, processes, Ray workers and devices, side by side in one run.

    python tests/benchmarks/bench_scaling.py [--counts 1 2] [--num-pictures 400] [--rounds 3]
        [--pictures path/to/CamVid/test] [--fit] [--write]

"predict, cores" is the command `predict` on so many cores, "predict, processes" so many commands
of one core each that divide the pictures, "predict --ray, workers" `predict_dataset` with so many
workers, which share all cores. Their rate is that of the label maps, by the times at which the
files were written, without the first third, in which programs start. "fit, devices" (`--fit`) is a
training step of `fit(devices=...)` on parts of the processor that TensorFlow takes for devices.

The ways take turns; prints a JSON line for each way and round, then a table, which `--write` puts
into docs/scaling.md. Pictures are 360x480: those of a folder, or noise. Ray is measured by the
Python that RAY_PYTHON names, or this one. Linux only, as processes are bound to cores.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# As `import keras_seg` sets it; here tensorflow is imported first.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import cv2
import numpy as np
from bench_fit import streets
from bench_predict import processor, versions

ROOT = Path(__file__).parents[2]
SIZE = (360, 480)
PAGE = ROOT / "docs" / "scaling.md"
BEGIN = "<!-- `python tests/benchmarks/bench_scaling.py --write` writes this table -->\n"
END = "<!-- end of table -->"
EPOCHS = 3  # of `fit`; the first one compiles
ON_RAY = """
import sys
import ray
from keras_seg.ray_files import predict_dataset

if __name__ == "__main__":
    network, engine, workers, out, *paths = sys.argv[1:]
    ray.init(include_dashboard=False, log_to_driver=False, logging_level="error")
    ray.data.DataContext.get_current().enable_progress_bars = False
    rows = ray.data.from_items([{"path": path} for path in paths])
    found = predict_dataset(rows, network, out, engine=engine, workers=int(workers))
    for row in found.iter_rows():
        assert not row["error"], row
"""


def main():
    """Measure every way in every round."""
    options = arguments()
    if options.devices:
        print(json.dumps(fit(options)))
        return
    ways = {
        ("predict, cores", on_cores): options.counts,
        ("predict, processes", in_processes): [n for n in options.counts if n > 1],
        ("predict --ray, workers", on_ray): options.counts,
    }
    if options.fit:
        ways["fit, devices", on_devices] = options.counts
    facts = {"device": processor(), "versions": versions(), "name": options.name}
    rates = {}
    with tempfile.TemporaryDirectory() as folder:
        pictures = write_pictures(Path(folder, "pictures"), options)
        for turn in range(options.rounds):
            for (way, measure), counts in ways.items():
                for count in counts:
                    out = Path(folder, f"{turn}-{measure.__name__}-{count}")
                    load = os.getloadavg()[0]
                    try:
                        rate = measure(count, pictures, out, options)
                    except subprocess.CalledProcessError as error:
                        last = (error.stderr.strip().splitlines() or [""])[-1]
                        print(f"{way} {count}: not measured: {last}", file=sys.stderr)
                        continue
                    rates.setdefault(way, {}).setdefault(count, []).append(rate)
                    line = {"what": way, "count": count, "round": turn, "images_per_s": rate}
                    print(json.dumps({**line, "load_before": load, **facts}), flush=True)
    written = table(rates, options)
    print(written)
    if options.write:
        before, rest = PAGE.read_text(encoding="utf8").split(BEGIN)
        PAGE.write_text(before + BEGIN + written + rest[rest.index(END) :], encoding="utf8")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--name", default="contextnet_cn14-camvid", help="a run")
    parser.add_argument("--engine", default="litert-int8")
    parser.add_argument("--counts", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--num-pictures", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pictures", help="folder of pictures")
    parser.add_argument("--fit", action="store_true", help="`fit`, too: compiles for minutes")
    parser.add_argument("--architecture", default="contextnet_cn14", help="of `fit`")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--steps", type=int, default=15, help="in an epoch")
    parser.add_argument("--write", action="store_true", help="write the table into docs/scaling.md")
    parser.add_argument("--devices", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


def write_pictures(folder, options):
    """Pictures of one size as PNG files."""
    folder.mkdir()
    random = np.random.default_rng(0)
    given = sorted(Path(options.pictures).iterdir()) if options.pictures else []
    paths = [folder / f"{number:05d}.png" for number in range(options.num_pictures)]
    for number, path in enumerate(paths):
        picture = random.integers(0, 256, (SIZE[0] // 8, SIZE[1] // 8, 3), np.uint8)
        if given:
            picture = cv2.imread(str(given[number % len(given)]))
        cv2.imwrite(str(path), cv2.resize(picture, SIZE[::-1], interpolation=cv2.INTER_CUBIC))
    return list(map(str, paths))


def on_cores(count, pictures, out, options):
    cores = sorted(os.sched_getaffinity(0))[:count]
    return rate_of([predict(pictures, out, options, cores)], out, pictures)


def in_processes(count, pictures, out, options):
    cores = sorted(os.sched_getaffinity(0))
    commands = [
        predict(pictures[number::count], out / str(number), options, [cores[number % len(cores)]])
        for number in range(count)
    ]
    return rate_of(commands, out, pictures)


def predict(pictures, out, options, cores):
    """The command `predict` on some cores."""
    command = [sys.executable, "-m", "keras_seg", "predict", options.name, *pictures]
    return [*command, "--out", str(out), "--engine", options.engine, "--no-overlay"], cores


def on_ray(count, pictures, out, options):
    python = os.environ.get("RAY_PYTHON", sys.executable)
    network = str(ROOT / "saved_models" / options.name)
    command = [python, "-c", ON_RAY, network, options.engine, str(count), str(out), *pictures]
    return rate_of([(command, os.sched_getaffinity(0))], out, pictures)


def rate_of(commands, out, pictures):
    """Run commands at the same time: label maps a second, without the first third of them."""
    running = [started(*command) for command in commands]
    for process in running:
        finished(process)
    times = sorted(path.stat().st_mtime_ns / 1e9 for path in out.rglob("*_labels.png"))
    if len(times) != len(pictures):
        raise RuntimeError(f"{len(times)} label maps of {len(pictures)} pictures in '{out}'")
    first = len(times) // 3
    return round((len(times) - 1 - first) / (times[-1] - times[first]), 2)


def on_devices(count, pictures, out, options):
    words = [f"--{name}={getattr(options, name)}" for name in ("architecture", "steps")]
    words += [f"--batch-size={options.batch_size}", f"--devices={count}"]
    process = started([sys.executable, __file__, *words], os.sched_getaffinity(0))
    return json.loads(finished(process).strip().splitlines()[-1])


def started(command, cores):
    """A process that may use some cores."""
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )  # fmt: skip


def finished(process):
    """What a process printed."""
    out, errors = process.communicate()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args, out, errors)
    return out


def fit(options):
    """Pictures a second of the epochs of `fit` after the first one, in this process."""
    import tensorflow as tf

    parts = [tf.config.LogicalDeviceConfiguration()] * options.devices
    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, parts)
    import keras_seg

    chosen = {"devices": options.devices} if options.devices > 1 else {}
    data = streets(SimpleNamespace(steps=options.steps, batch_size=options.batch_size), SIZE)
    with tempfile.TemporaryDirectory() as folder:
        run = keras_seg.fit(
            options.architecture, data, folder=folder, epochs=EPOCHS,
            batch_size=options.batch_size, **chosen,
        )  # fmt: skip
        seconds = run.history["train_seconds"].iloc[1:].median()
    return round(options.steps * options.batch_size / seconds, 2)


def table(rates, options):
    """The table of the page: medians, with the slowest and the fastest round."""
    packages = ", ".join(f"{name} {number}" for name, number in versions().items())
    lines = [
        f"{processor()}; {packages}; `{options.name}` with engine `{options.engine}` on "
        f"{options.num_pictures} pictures of 360x480"
        + f", `fit` of `{options.architecture}` with batch {options.batch_size}" * options.fit
        + f"; median of {options.rounds} rounds (least, most).\n",
        "| way | number | pictures a second | ratio |",
        "|---|---|---|---|",
    ]
    for way, by_count in rates.items():
        # One process of one core is `predict` on one core.
        base = by_count.get(1) or rates.get("predict, cores", {}).get(1)
        for count, found in by_count.items():
            middle = statistics.median(found)
            ratio = f"{middle / statistics.median(base):.2f}" if base else ""
            spread = f"{middle:.1f} ({min(found):.1f}, {max(found):.1f})"
            lines.append(f"| {way} | {count} | {spread} | {ratio} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
