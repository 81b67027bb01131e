# SPDX-License-Identifier: MIT
"""From a data set to a bundle: the encoders, the head, the files.

Each encoder is trained with a part of the training examples held out (whole source recordings). With [quantisation],
layers then get 4 or 8 bits, and the encoders are tuned with them (tune.py). On the held-out part the head is learned and
calibrated. If the preset says `refit = yes`, each encoder is trained once more on everything, with the same steps and
seed, and tuned; with `refit = tune` only the tuning is on everything. The bundle has these encoders then: what was
learned of the head are weights, biases and temperatures, which go over to them.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import torch

from . import bundle, card, encode, fuse, learn

HERE = pathlib.Path(__file__).resolve().parent
PARTS = {"sound": 5, "picture": 10}  # one in so many is held out
SIDE_BY_SIDE = 2  # processes, each with one thread


def made_data(config, run: pathlib.Path, say):
    """More examples, made by the script that the preset names, if it names one."""
    script, made = config.extra.get("make"), run / "made"
    if not script or made.is_dir():
        return
    say(f"{script} makes more examples")
    part = run / "made.part"
    shutil.rmtree(part, ignore_errors=True)
    subprocess.run([sys.executable, str(HERE / script), str(part)], check=True)
    part.rename(made)


def stage_of(config, root, run, modality, held: bool, say) -> encode.Stage:
    extra = [run / "made"] if (run / "made").is_dir() else []
    return encode.Stage(config, root, extra, run, PARTS[modality.kind] if held else 0, say)


def jobs_of(config) -> list:
    """(stage, its jobs): arguments of commands, the jobs of one stage side by side."""
    names, tuned = [m.name for m in config.modalities], config.quantisation is not None
    stages = [[["encoder", name, "--held"] for name in names]]
    if tuned:
        stages.append([["allocate"]])
    if tuned and config.refit != "tune":
        stages.append([["tune", name, "--held"] for name in names])
    if config.refit == "yes":
        stages.append([["encoder", name] for name in names])
    if tuned and config.refit != "no":
        stages.append([["tune", name] for name in names])
    return stages


def result_of(run: pathlib.Path, job: list) -> pathlib.Path:
    if job[0] == "allocate":
        return run / "bits.json"
    return run / f"{job[1]}-{'held' if '--held' in job else 'all'}.{'tuned.pt' if job[0] == 'tune' else 'pt'}"


def steps(jobs: list, common: list, run: pathlib.Path, say):
    """Run `python -m training JOB` for each of @jobs that has no result yet, a few at a time."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    jobs = [job for job in jobs if not result_of(run, job).exists()]
    running = []
    try:
        while jobs or running:
            while jobs and len(running) < SIDE_BY_SIDE:
                command, *rest = jobs.pop(0)
                arguments = [sys.executable, "-m", "training", command, *common, *rest]
                running.append(subprocess.Popen(arguments, env=environment))
            first = running.pop(0)
            if first.wait() != 0:
                raise SystemExit(first.returncode)
    finally:
        for process in running:
            process.terminate()


def embeddings(config, root, run, say) -> tuple:
    """Of the first encoders: what the head is learned on, and the classifiers."""
    held, classifiers = [], []
    suffix = "tuned.pt" if config.quantisation and config.refit != "tune" else "pt"
    for modality in config.modalities:
        stage = stage_of(config, root, run, modality, True, say)
        trained = encode.load(stage, modality, suffix)
        x, labels, numbers = encode.held_features(stage, modality)
        held.append((fuse.Held(trained.embed(x), labels), numbers))
        classifiers.append(trained.classifier)
    return held, classifiers


def accuracies(fusion: fuse.Fusion, held: list, classifiers: list, modalities) -> dict:
    """On the held-out examples, as `lookout-model eval` counts: pairs by label, mean over a sound's windows."""
    experts = [h.embeddings @ w.T + b for (h, _), (w, b) in zip(held, classifiers)]
    counts = {}
    for chosen in fuse.sets_of(len(held)):
        pairs = pairs_of([(held[i][0].labels, held[i][1]) for i in chosen])
        hits = 0
        for label, items in pairs:
            n = max(len(item) for item in items)
            rows = [torch.zeros(n, len(fusion.bias)) for _ in held]
            for i, item in zip(chosen, items):
                rows[i] = experts[i][item].expand(n, -1) if len(item) == 1 else experts[i][item]
            mask = torch.zeros(n, len(held))
            mask[:, list(chosen)] = 1
            scores = (fusion.scores(rows, mask) / fusion.temperature[chosen]).softmax(1).mean(0)
            hits += int(scores.argmax()) == label
        counts["+".join(modalities[i].name for i in chosen)] = (hits / len(pairs), len(pairs))
    return counts


def pairs_of(sides: list) -> list:
    """(label, windows of each side), the i-th example of a label with the i-th, the shorter lists repeated."""
    found = []
    for label in range(int(max(labels.max() for labels, _ in sides)) + 1):
        lists = []
        for labels, numbers in sides:
            which = torch.unique(numbers[labels == label])
            lists.append([torch.nonzero(numbers == number)[:, 0] for number in which])
        if all(lists):
            found += [(label, [items[i % len(items)] for items in lists]) for i in range(max(map(len, lists)))]
    return found


def finish(config, root, run, out: pathlib.Path, say):
    """Head, int8 graphs and bundle, from encoders that are trained."""
    held, classifiers = embeddings(config, root, run, say)
    fusion = fuse.fit([h for h, _ in held], classifiers, config.seed)
    found = accuracies(fusion, held, classifiers, config.modalities)
    for name, (share, n) in found.items():
        say(f"held out, {name}: {share:.4f} of {n}")
    graphs, last, samples = {}, [], []
    for modality in config.modalities:
        stage = stage_of(config, root, run, modality, config.refit == "no", say)
        trained = encode.load(stage, modality, "tuned.pt" if config.quantisation else "pt")
        graphs[modality.name] = trained.graph()
        last.append(trained.classifier)
        samples.append(trained.embed(trained.calibration))
    graphs["head"] = fuse.graph(fusion, last, samples)
    stage = stage_of(config, root, run, config.modalities[0], False, say)
    bundle.write(out, config, stage.labels, graphs, fusion.temperature)
    report = {name: {"accuracy": share, "n": n} for name, (share, n) in found.items()}
    (run / "held.json").write_text(json.dumps(report, indent=1) + "\n")
    bundle.seal(out)
    card.write(out, config, graphs, report, root, say)
    bundle.seal(out)
    say(f"{out} is ready")


def data_set(data: str, name: str) -> pathlib.Path:
    """DATA itself, or the folder of the preset's name in it."""
    root = pathlib.Path(data)
    return root / name if (root / name).is_dir() and not (root / "audio").is_dir() else root
