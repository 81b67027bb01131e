# SPDX-License-Identifier: MIT
"""The kit's commands; models/training/run calls them in the venv. README.md tells more."""

import argparse
import dataclasses
import errno
import importlib
import pathlib
import signal
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent


def say(text: str):
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="training", description="Train a bundle from labelled sounds and pictures.")
    commands = top.add_subparsers(dest="command", required=True)

    def command(name: str, text: str, *folders: str, without: tuple = ()):
        found = commands.add_parser(name, help=text, description=text)
        found.add_argument("preset", help="name of a preset (yard, digits) or an INI file")
        for folder in folders:
            found.add_argument(folder, help=FOLDERS[folder])
        found.add_argument("--size", help="nano, micro, small or base: of all encoders, instead of what the preset says")
        if "seed" not in without:
            found.add_argument("--seed", type=int, help="instead of the preset's")
        if "quick" not in without:
            found.add_argument("--quick", action="store_true", help="a few steps only: shows that the path works; the bundle knows nothing")
        found.set_defaults(**{flag: None for flag in without})
        return found

    whole = command("train", "Train everything and write the bundle.", "data")
    whole.add_argument("out", nargs="?", help="where the bundle goes (default: models/training/runs/NAME)")
    command("pretrain", "Pre-train the encoder of one modality without labels, as the preset says.", "data", "run").add_argument("modality")
    for name, text in (
        ("encoder", "Train the encoder of one modality."),
        ("tune", "Train an encoder on with weights of 4 and 8 bits."),
    ):
        one = command(name, text, "data", "run")
        one.add_argument("modality")
        one.add_argument("--held", action="store_true", help="hold a part of the examples out")
        if name == "encoder":
            one.add_argument("--member", type=int, default=1, help="which of the modality's ensemble; 1")
    command("check", "Look at all of the data and say what is wrong with it; training does so first.", "data")
    command("allocate", "Measure what 4 bits cost in each layer, and give 4 or 8 bits to each.", "data", "run")
    command("frontier", "Write accuracy over bytes for good, random and bad choices of bits.", "data", "run")
    command("report", "Write calibration, robustness and plots of a finished run to report.html in it.", "data", "run")
    rare = command("scarce", "What pre-training without labels is worth with 1, 10 and 100 % of the labels, and with 5 and 20 examples of each.", "data", without=("seed",))
    rare.add_argument("out", help="folder of the cells, and of scarce.md")
    several(rare)
    best = command("search", "Search for a better network within a budget, with the engine as the judge, and compare it with the preset's own.", "data")
    best.add_argument("out", help="folder of the trials, and of search.md")
    several(best)
    best.add_argument("--modality", help="only of this one; all, one after the other")
    best.add_argument("--trials", type=int, default=40, help="networks that are tried; 40")
    best.add_argument("--final-steps", type=int, help="of the comparison in the end; what the preset says")
    for name, column in LIMITS.items():
        best.add_argument(f"--{name}", type=int, help=f"most {column}; what the preset's own network has")
    left = command("leftout", "Leave labels out in turns: what is answered to them, and how well they are learned from 5 and 20 examples.", "data", without=("seed",))
    left.add_argument("out", help="folder of the turns, and of leftout.md")
    several(left)
    command("finish", "Make head and bundle of encoders that are trained.", "data", "run").add_argument("out")
    same = commands.add_parser("seeds", help="Tell mean and spread of runs with different seeds.", description="Tell mean and spread of runs with different seeds.")
    same.add_argument("data", help=FOLDERS["data"])
    same.add_argument("out", nargs="+", help="bundles of finished runs that differ in --seed only")
    bad = commands.add_parser("spoil", help="Spoil digits in the manner of AV-MNIST.", description="Spoil spoken and written digits in the manner of AV-MNIST.")
    bad.add_argument("data", help="SET/{audio,images}/{train,test}/LABEL/FILE")
    bad.add_argument("noise", help="folder of sounds to put behind: LABEL/FILE")
    bad.add_argument("out", help="folder of the spoilt set; must not be there yet")
    bits = command("rounding", "Tell what 4 and 8 bits cost finished runs, pair by pair, beside float32.", "data", without=("seed",))
    bits.add_argument("out", nargs="+", help="bundles of finished runs that differ in --seed only")
    grid = commands.add_parser("ablate", help="Find out what distillation is worth.", description="Find out what distillation is worth.")
    grid.add_argument("plan", help="an INI file as ablations/yard.ini")
    grid.add_argument("data", help=FOLDERS["data"])
    grid.add_argument("out", help="folder of the cells, and of ablation.md")
    grid.add_argument("--only", nargs="+", metavar="NAME", help="these teachers and groups; what the whole command runs side by side")
    cost = command("table", "Print parameters, multiply-adds, bytes, memory and time of the encoders in all sizes; with DATA and OUT, train them all and add accuracy.", without=("seed", "quick"))
    cost.add_argument("data", nargs="?", help=FOLDERS["data"])
    cost.add_argument("out", nargs="?", help="folder of the trainings, and of table.md")
    several(cost)
    return top


def several(command):
    """Of commands that train many encoders."""
    command.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    command.add_argument("--steps", type=int, help="of each training, instead of what the preset says")


def looked_at(config, preset: str, root: pathlib.Path, folder: pathlib.Path) -> pathlib.Path:
    """The data set, cut into @folder if it is recordings, once the preset and all of the data are found good. Before an hour is spent."""
    from . import check, rehearse, train

    rehearse.run(config, preset, say)
    folder.mkdir(parents=True, exist_ok=True)
    root = train.cut_recordings(config, root, folder, say)
    check.run(root, config, {kind: train.parts_of(root, kind) for kind in train.PARTS}, say)
    return root


def experiment(arguments, config, root):
    """Commands that train many encoders to find something out."""
    out = pathlib.Path(arguments.out)
    root = looked_at(config, arguments.preset, root, out)
    module = importlib.import_module(f".{arguments.command}", __package__)
    if arguments.command == "search":
        arguments.budget = {column: getattr(arguments, name) for name, column in LIMITS.items()}
        arguments.final_steps = arguments.final_steps or max(m.steps for m in config.modalities)
    module.run(config.shortened(arguments.steps), root, out, arguments.seeds, say, arguments)


def ablation(arguments, plan, root):
    """Teachers, then groups of cells, side by side; the table when all is there."""
    from . import ablate, train
    from . import config as presets

    out = pathlib.Path(arguments.out)
    if arguments.only:
        ablate.run(plan, root, out, arguments.only, say)
        return
    root = looked_at(presets.read(plan.preset), plan.preset, root, out)
    ablate.settle(plan, out)
    for names in ablate.stages(plan, out):
        train.side_by_side([["ablate", arguments.plan, str(root), str(out), "--only", name] for name in names])
    ablate.tell(plan, out, say)


def all_sizes(arguments):
    """The table of sizes, or of one; with DATA and OUT they are trained before, all of them side by side."""
    from . import config as presets
    from . import learn, sizes, train

    one = (arguments.size,) if arguments.size else sizes.SIZES
    if not arguments.data:
        print(sizes.table(arguments.preset, sizes=one))
        return
    if not arguments.out:
        raise presets.ConfigError("table: with DATA comes OUT, where the trainings go")
    config, out = presets.read(arguments.preset, arguments.size), pathlib.Path(arguments.out)
    root = train.data_set(arguments.data, config.name)
    if arguments.size:
        out.mkdir(parents=True, exist_ok=True)
        sizes.learned(arguments.preset, arguments.size, root, out, arguments.seeds, arguments.steps, say)
        print(sizes.table(arguments.preset, out, arguments.seeds, one))
        return
    root = looked_at(config, arguments.preset, root, out)
    same = ["--seeds", *map(str, arguments.seeds), *(["--steps", str(arguments.steps)] if arguments.steps else [])]
    train.side_by_side([["table", arguments.preset, str(root), str(out), "--size", size, *same] for size in reversed(sizes.SIZES)])
    text = sizes.table(arguments.preset, out, arguments.seeds)
    learn.write(out / "table.md", text)
    print(text)


EXPERIMENTS = ("leftout", "scarce", "search")
LIMITS = {"bytes": "bytes, 8 bits", "arena": "arena bytes", "macs": "multiply-adds"}  # columns of the sizes
FOLDERS = {
    "data": "the data set, SET/{audio,images}/{train,test}/LABEL/FILE, or the folder that it is in",
    "run": "folder of checkpoints and results",
}


def flags(arguments) -> list:
    """Of the command, for its jobs."""
    return (["--size", arguments.size] if arguments.size else []) + (["--quick"] if arguments.quick else [])


def whole_run(arguments, config, root):
    from . import train

    out = pathlib.Path(arguments.out or HERE / "runs" / config.name)
    run = out.with_name(out.name + ".run")
    root = looked_at(config, arguments.preset, root, run)
    train.made_data(config, run, say)
    train.settle(config, root, run)
    common = [arguments.preset, str(root), str(run), *flags(arguments)]
    common += ["--seed", str(arguments.seed)] if arguments.seed is not None else []
    for jobs in train.jobs_of(config):
        train.steps(jobs, common, run)
    train.tell(config, train.finish(config, root, run, out, say), root, run, say)


def one_step(arguments, config, root):
    from . import allocate, encode, pretrain, train, tune

    if arguments.command == "check":
        with tempfile.TemporaryDirectory() as folder:
            looked_at(config, arguments.preset, root, pathlib.Path(folder))
        return
    run = pathlib.Path(arguments.run)
    held = lambda modality: train.stage_of(config, root, run, modality, True, say)
    if arguments.command == "finish":
        train.finish(config, root, run, pathlib.Path(arguments.out), say)
    elif arguments.command == "report":
        train.tell_anew(config, root, run, say)
    elif arguments.command == "allocate":
        tune.choose(config, held, run / "bits.json", say)
    elif arguments.command == "frontier":
        tune.frontier(config, held, run / "frontier.csv", say)
    elif arguments.command == "pretrain":
        modality = config.modality(arguments.modality)
        pretrain.train(held(modality), modality, *pretrain.of_preset(modality), pretrain.path_of(run, modality))
    else:
        modality = config.modality(arguments.modality)
        stage = train.stage_of(config, root, run, modality, arguments.held, say)
        if arguments.command == "encoder":
            stage = pretrain.of_run(stage, held(modality), modality)
            encode.train(stage.member(arguments.member), modality, modality.steps)
        else:
            source = stage if arguments.held or config.refit == "yes" else held(modality)
            tune.tune(stage, source, modality, allocate.read(run / "bits.json", modality.name, config.quantisation.budget_bytes))


def main():
    arguments = parser().parse_args()
    import torch

    from . import config as presets
    from . import ablate, data, learn, rounding, seeds, spoil, train
    from .teacher import TeacherError

    torch.set_num_threads(1)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # as Ctrl-C: processes side by side end with this one
    try:
        if arguments.command == "table":
            all_sizes(arguments)
            return
        if arguments.command == "ablate":
            plan = ablate.read(arguments.plan)
            root = train.data_set(arguments.data, presets.read(plan.preset).name)
            ablation(arguments, plan, root)
            return
        if arguments.command == "seeds":
            runs = [seeds.read(pathlib.Path(out), arguments.data, say) for out in arguments.out]
            print(seeds.table(seeds.checked(runs)))
            return
        if arguments.command == "spoil":
            spoil.run(pathlib.Path(arguments.data), pathlib.Path(arguments.noise), pathlib.Path(arguments.out), say)
            return
        config = presets.read(arguments.preset, arguments.size, arguments.quick)
        if arguments.seed is not None:
            config = dataclasses.replace(config, seed=presets.checked_seed(arguments.seed))
        root = train.data_set(arguments.data, config.name)
        if arguments.command == "rounding":
            rounding.run(arguments.preset, config, root, [pathlib.Path(out) for out in arguments.out], flags(arguments))
            return
        does = whole_run if arguments.command == "train" else experiment if arguments.command in EXPERIMENTS else one_step
        does(arguments, config, root)
    except (presets.ConfigError, data.DataError, learn.KeepError, TeacherError) as error:
        sys.exit(f"training: {error}")
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        sys.exit(f"training: {error}" + ("; what was trained is kept: the same command goes on from there" if full else ""))


if __name__ == "__main__":
    try:
        main()
    except ImportError as error:  # of the front end's library, where nothing is built
        sys.exit(f"training: {error}")
