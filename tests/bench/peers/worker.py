# SPDX-License-Identifier: MIT
"""Runs networks with one peer, in one thread, as it is told on standard input: a JSON object a line, answered by one.

    worker.py litert|onnxruntime|ncnn

{"do": "load", "net": FOLDER, "type": "int8"|"float"} loads; the answer tells how far the outputs are from what they must
be, how many bytes the process grew since it began, and, where ../peer_cpu.c is preloaded, what share of its time goes into
instructions of AVX-512. {"do": "run", "net": ..., "type": ..., "ms": N} runs it for N ms.
"""

import ctypes
import json
import os
import sys
import time
from pathlib import Path

import numpy as np
from prepare import channels_first

WARM_UP_RUNS = 3
SAMPLE_MS = 200


class LiteRt:
    """TensorFlow Lite with its XNNPACK delegate, which is its default."""

    def __init__(self, folder, kind):
        from ai_edge_litert.interpreter import Interpreter

        self.interpreter = Interpreter(str(folder / f"{kind}.tflite"), num_threads=1)
        self.interpreter.allocate_tensors()
        self.input, self.output = self.interpreter.get_input_details()[0], self.interpreter.get_output_details()[0]
        self.run = self.interpreter.invoke

    def set(self, sample):
        if self.input["dtype"] == np.int8:
            scale, zero = self.input["quantization"]
            sample = np.clip(np.rint(sample / scale) + zero, -128, 127).astype(np.int8)
        self.interpreter.set_tensor(self.input["index"], sample)

    def get(self):
        values = self.interpreter.get_tensor(self.output["index"])
        if self.output["dtype"] == np.int8:
            scale, zero = self.output["quantization"]
            values = (values.astype(np.float32) - zero) * scale
        return values


class OnnxRuntime:
    def __init__(self, folder, kind):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(folder / f"{kind}.onnx", options, ["CPUExecutionProvider"])
        self.binding = self.session.io_binding()
        self.binding.bind_output("output", "cpu")

    def set(self, sample):
        self.binding.bind_cpu_input("input", channels_first(sample))

    def run(self):
        self.session.run_with_iobinding(self.binding)

    def get(self):
        return self.binding.copy_outputs_to_cpu()[0]


class Ncnn:
    def __init__(self, folder, kind):
        import ncnn

        self.ncnn = ncnn
        self.net = ncnn.Net()
        self.net.opt.num_threads = 1
        self.net.opt.use_vulkan_compute = False
        if self.net.load_param(str(folder / f"{kind}.param")) or self.net.load_model(str(folder / f"{kind}.bin")):
            raise ValueError(f"ncnn does not load {folder / kind}")

    def set(self, sample):
        self.sample = channels_first(sample)[0]  # a Mat only refers to it
        self.input = self.ncnn.Mat(self.sample)

    def run(self):
        extractor = self.net.create_extractor()
        extractor.input("input", self.input)
        self.result = extractor.extract("output")

    def get(self):
        status, values = self.result
        if status:
            raise ValueError(f"ncnn does not run: {status}")
        return np.array(values).reshape(1, -1)


def resident_bytes():
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


def load(make, folder, kind, began_bytes):
    samples = np.load(folder / "samples.npz")
    inputs, want = samples["inputs"], samples["outputs"]
    peer = make(folder, kind)
    peer.set(inputs[:1])
    peer.run()
    grown = resident_bytes() - began_bytes
    return peer, {"distance": distance(peer, inputs, want), "resident_bytes": grown, "avx512": avx512_share(peer)}


def avx512_share(peer):
    library = ctypes.CDLL(None)
    if not hasattr(library, "peer_cpu_sample"):
        return None
    counts = (ctypes.c_uint64 * 2)()
    library.peer_cpu_sample(1)
    timed(peer, SAMPLE_MS)
    library.peer_cpu_samples(counts)
    library.peer_cpu_sample(0)
    return counts[1] / counts[0] if counts[0] else None


def distance(peer, inputs, want):
    """Root of the mean squared difference over all samples, in parts of how much the right outputs vary."""
    got = []
    for sample in inputs:
        peer.set(sample[None])
        peer.run()
        got.append(np.array(peer.get()).reshape(-1))
    return float(np.sqrt(np.mean((np.stack(got) - want.reshape(len(got), -1)) ** 2)) / np.std(want))


def timed(peer, ms):
    times, run, clock = [], peer.run, time.perf_counter_ns
    for _ in range(WARM_UP_RUNS):
        run()
    end = clock() + ms * 1_000_000
    while not times or clock() < end:
        start = clock()
        run()
        times.append(clock() - start)
    times.sort()
    return {"min_us": times[0] / 1000, "median_us": times[len(times) // 2] / 1000, "runs": len(times)}


def answer(make, loaded, order, began_bytes):
    key = order["net"], order["type"]
    if order["do"] == "run":
        return timed(loaded[key], order["ms"])
    loaded[key], told = load(make, Path(order["net"]), order["type"], began_bytes)
    return told


def main():
    make = {"litert": LiteRt, "onnxruntime": OnnxRuntime, "ncnn": Ncnn}[sys.argv[1]]
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what the libraries print is no answer
    loaded, began_bytes = {}, resident_bytes()
    for line in sys.stdin:
        try:
            told = answer(make, loaded, json.loads(line), began_bytes)
        except Exception as error:  # pylint: disable=broad-except # told, and shown
            told = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
