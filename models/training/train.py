# SPDX-License-Identifier: MIT
"""From a data set to a bundle: the encoders, the head, the files.

Each encoder is trained with a part of the training examples held out (whole source recordings). With [quantisation],
layers then get 4 or 8 bits, and the encoders are tuned with them (tune.py). On the held-out part the head is learned and
calibrated. If the preset says `refit = yes`, each encoder is trained once more on everything, with the same steps and
seed, and tuned; with `refit = tune` only the tuning is on everything. The bundle has these encoders then: what was
learned of the head are weights, biases and temperatures, which go over to them.
"""

import dataclasses
import hashlib
import json
import os
import pathlib
import pickle
import shutil
import subprocess
import sys
import time

import torch

from . import allocate, bundle, card, data, encode, evaluate, fuse, learn, pretrain, recordings, report, unknown

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
    return encode.Stage(config, root, extra, run, parts_of(root, modality.kind) if held else 0, say)


def parts_of(root: pathlib.Path, kind: str) -> int:
    """One in so many is held out. Of what was recorded together, the same recordings for all kinds."""
    together = all((root / f"{folder}.csv").is_file() for folder in data.FOLDERS.values())
    return PARTS["sound" if together else kind]


def cut_recordings(config, root: pathlib.Path, run: pathlib.Path, say) -> pathlib.Path:
    """The data set: @root, or what is cut out of the labelled recordings in it."""
    tables = recordings.found_in(root)
    if not tables:
        return root
    if any((root / folder).is_dir() for folder in data.FOLDERS.values()):
        raise data.DataError(f"{root}: has examples and recordings ({tables[0].parent.name}); put the recordings in a folder of their own")
    piece_ms = max((round(float(m.keys["window_ms"])) for m in config.modalities if m.kind == "sound"), default=1000)
    out = run / "cut"
    n = recordings.cut(root, out, piece_ms, {m.kind for m in config.modalities})
    say(f"{n} pieces of {piece_ms} ms out of {len(tables)} recordings")
    return out


def jobs_of(config) -> list:
    """(stage, its jobs): arguments of commands, the jobs of one stage side by side."""
    names, tuned = [m.name for m in config.modalities], config.quantisation is not None
    first = [["pretrain", m.name] for m in config.modalities if pretrain.of_preset(m)[0]]
    stages = [first] if first else []
    stages.append(encoders(config, "--held"))
    if tuned:
        stages.append([["allocate"]])
    if tuned and config.refit != "tune":
        stages.append([["tune", name, "--held"] for name in names])
    if config.refit == "yes":
        stages.append(encoders(config))
    if tuned and config.refit != "no":
        stages.append([["tune", name] for name in names])
    return stages


def encoders(config, *flags) -> list:
    """Jobs of all float encoders. The longest first: what is last should not be waited for alone."""
    members = [(m, number) for m in config.modalities for number in range(1, (m.ensemble if config.quantisation else 1) + 1)]
    members.sort(key=lambda one: -one[0].steps)
    return [["encoder", m.name, *flags, *(["--member", str(number)] if number > 1 else [])] for m, number in members]


def result_of(run: pathlib.Path, job: list) -> pathlib.Path:
    if job[0] == "allocate":
        return run / "bits.json"
    if job[0] == "pretrain":
        return run / f"{job[1]}.pretrained.pt"
    if "--member" in job:
        run = run / f"member-{job[-1]}"
    return run / f"{job[1]}-{'held' if '--held' in job else 'all'}.{'tuned.pt' if job[0] == 'tune' else 'pt'}"


def settle(config, root: pathlib.Path, run: pathlib.Path):
    """KeepError if what is in @run already was made from other examples or with other settings: said before anything is trained."""
    digest = hashlib.sha256()
    for modality in config.modalities:
        stage = stage_of(config, root, run, modality, False, lambda _: None)
        for group in encode.found(stage, modality):
            for example in group:
                digest.update(pathlib.Path(example.path).read_bytes() + example.group.encode() + str(example.label).encode())
    learn.settle(run / "examples.json", {"examples to train on": digest.hexdigest()}, f"remove {run} to train anew, or name another OUT")
    for stage_jobs in jobs_of(config):
        for job in stage_jobs:
            if result_of(run, job).exists():
                settle_job(config, root, run, job)


def settle_job(config, root: pathlib.Path, run: pathlib.Path, job: list):
    command, *name = job
    if command == "allocate":
        allocate.read(run / "bits.json", "", config.quantisation.budget_bytes)
    elif command in ("encoder", "tune"):
        modality = config.modality(name[0])
        stage = stage_of(config, root, run, modality, "--held" in job, lambda _: None)
        member = int(job[-1]) if "--member" in job else 1
        encode.load(stage.member(member), modality, "tuned.pt" if command == "tune" else "pt")


def steps(jobs: list, common: list, run: pathlib.Path):
    """Run `python -m training JOB` for each of @jobs that has no result yet, a few at a time."""
    missing = [job for job in jobs if not result_of(run, job).exists()]
    side_by_side([[command, *common, *rest] for command, *rest in missing])


def side_by_side(commands: list):
    """Run `python -m training COMMAND...`, a few at a time; SystemExit with the status of the first that fails, after its own message."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    waiting, running = list(commands), []
    try:
        while waiting or running:
            while waiting and len(running) < SIDE_BY_SIDE:
                running.append(subprocess.Popen([sys.executable, "-m", "training", *waiting.pop(0)], env=environment))
            done = next((process for process in running if process.poll() is not None), None)
            if done is None:
                time.sleep(0.2)
                continue
            running.remove(done)
            if done.returncode != 0:
                raise SystemExit(done.returncode)
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait()


def tried(config, root, run: pathlib.Path, modality, say) -> dict:
    """Accuracy and loss of a float encoder on what is held out; @run is its folder, and gone afterwards."""
    stage = stage_of(config, root, run, modality, True, say)
    encode.train(stage, modality, modality.steps)
    kept = encode.given([e for e in data.examples(root, modality.kind, "train", stage.labels) if data.held_out(e, stage.parts)], modality)
    accuracy, loss = encode.judge_of(modality, kept, len(stage.labels))(encode.load(stage, modality).model)
    shutil.rmtree(run)
    return {"accuracy": accuracy, "loss": loss, "n": len(kept[0])}


def embeddings(config, root, run, say) -> tuple:
    """Of the first encoders: what the head is learned on, the classifiers, and embeddings of other labels' examples."""
    held, classifiers, others = [], [], {}
    suffix = "tuned.pt" if config.quantisation and config.refit != "tune" else "pt"
    for i, modality in enumerate(config.modalities):
        stage = stage_of(config, root, run, modality, True, say)
        trained = encode.load(stage, modality, suffix)
        x, labels, numbers = encode.held_features(stage, modality)
        held.append((fuse.Held(trained.embed(x), labels), numbers))
        classifiers.append(trained.classifier)
        examples = data.others(root, modality.keys, len(stage.labels)) if config.none else []
        if examples:
            others[i] = trained.embed(encode.features_of(examples, modality)[0])
    return held, classifiers, others


def held_figures(fusion: fuse.Fusion, held: list, classifiers: list, modalities) -> dict:
    """On the held-out examples, as `lookout-model eval` counts: pairs by label, mean over a sound's windows; "kept" is for unknown.py."""
    sides = [evaluate.Side(h.embeddings @ w.T + b, h.labels, numbers) for (h, numbers), (w, b) in zip(held, classifiers)]
    found = {}
    for chosen in fuse.sets_of(len(held)):
        p, truth = evaluate.answers(fusion, sides, chosen)
        found[evaluate.named(modalities, chosen)] = {"accuracy": evaluate.accuracy(p, truth), "n": len(truth), "kept": unknown.keeping(p, truth)}
    return found


def shipped(config, root, run, say) -> list:
    """The encoders of the bundle."""
    found = []
    for modality in config.modalities:
        stage = stage_of(config, root, run, modality, config.refit == "no", say)
        found.append(encode.load(stage, modality, "tuned.pt" if config.quantisation else "pt"))
    return found


def finish(config, root, run, out: pathlib.Path, say) -> dict | None:
    """Head, quantised graphs and bundle, from encoders that are trained. Returns what figures_of() found."""
    held, classifiers, others = embeddings(config, root, run, say)
    fusion = fuse.fit([h for h, _ in held], classifiers, config.seed, others)
    found = held_figures(fusion, held, classifiers, config.modalities)
    for name, one in found.items():
        say(f"held out, {name}: {one['accuracy']:.4f} of {one['n']}")
    encoders = shipped(config, root, run, say)
    for one in encoders:
        one.model.encoder = one.rounded()
    graphs = {one.modality.name: one.graph() for one in encoders}
    graphs["head"] = fuse.graph(fusion, [one.classifier for one in encoders], [one.embed(one.calibration) for one in encoders])
    labels = stage_of(config, root, run, config.modalities[0], False, say).labels
    bundle.write(out, config, labels, graphs, fusion)
    answered = unknown.of_others(config, root, encoders, fusion, labels, {name: one["kept"] for name, one in found.items()})
    for name, content in (("held.json", found), ("unknown.json", answered)):
        learn.write(run / name, json.dumps(content, indent=1) + "\n")
    learn.save(run / "fusion.pt", dataclasses.asdict(fusion))
    bundle.seal(out)
    figures = figures_of(config, root, encoders, fusion, labels, say)
    more = [unknown.markdown(answered)]
    if config.quantisation:
        n_bytes = sum((out / f"{name}.tflite").stat().st_size for name in graphs)
        more.append(card.rounding(config, learn.read(run / "bits.json"), n_bytes))
    if figures:
        more += [card.certainty(figures), card.spoilt(figures)]
    card.write(out, config, graphs, found, more, root, say)
    bundle.seal(out)
    say(f"{out} is ready")
    return figures


def figures_of(config, root, encoders: list, fusion: fuse.Fusion, labels: list, say) -> dict | None:
    """evaluate.figures() of the test split, or None if there is none. @encoders  rounded."""
    if any(not (root / data.FOLDERS[m.kind] / "test").is_dir() for m in config.modalities):
        say("nothing to report: a test split is missing")
        return None
    say("looks at calibration and spoilt sensors")
    return evaluate.figures(config, root, encoders, fusion, labels)


def tell(config, figures: dict | None, root, run: pathlib.Path, say):
    """figures.json and report.html of a finished run."""
    if figures:
        say(f"{report.write(config, figures, root, run, say)} is ready")


def tell_anew(config, root, run: pathlib.Path, say):
    """tell() what the encoders and the head of a finished run do."""
    encoders = shipped(config, root, run, say)
    for one in encoders:
        one.model.encoder = one.rounded()
    try:
        fusion = fuse.Fusion(**torch.load(run / "fusion.pt", weights_only=True))
    except (OSError, TypeError, RuntimeError, pickle.UnpicklingError) as error:
        raise learn.KeepError(f"{run}: not a finished run ({error})") from error
    labels = stage_of(config, root, run, config.modalities[0], False, say).labels
    tell(config, figures_of(config, root, encoders, fusion, labels, say), root, run, say)


def data_set(data: str, name: str) -> pathlib.Path:
    """DATA itself, or the folder of the preset's name in it."""
    root = pathlib.Path(data)
    return root / name if (root / name).is_dir() and not (root / "audio").is_dir() else root
