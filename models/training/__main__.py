# SPDX-License-Identifier: MIT
"""The kit's commands; models/training/run calls them in the venv. README.md tells more."""

import argparse
import pathlib
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
QUICK_STEPS = 12


def say(text: str):
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="training", description="Train a bundle from labelled sounds and pictures.")
    commands = top.add_subparsers(dest="command", required=True)

    def command(name: str, text: str):
        found = commands.add_parser(name, help=text, description=text)
        found.add_argument("preset", help="name of a preset (yard, digits) or an INI file")
        found.add_argument("data", help="the data set, SET/{audio,images}/{train,test}/LABEL/FILE, or the folder that it is in")
        return found

    whole = command("train", "Train everything and write the bundle.")
    whole.add_argument("out", nargs="?", help="where the bundle goes (default: models/training/runs/NAME)")
    whole.add_argument("--quick", action="store_true", help="a few steps only: shows that the path works; the bundle knows nothing")
    one = command("encoder", "Train the encoder of one modality.")
    one.add_argument("run", help="folder of checkpoints and results")
    one.add_argument("modality")
    one.add_argument("--held", action="store_true", help="hold a part of the examples out")
    one.add_argument("--steps", type=int, help="instead of the preset's")
    last = command("finish", "Make head and bundle of encoders that are trained.")
    last.add_argument("run")
    last.add_argument("out")
    return top


def whole_run(arguments, config, root):
    from . import train

    out = pathlib.Path(arguments.out or HERE / "runs" / config.name)
    run = out.with_name(out.name + ".run")
    run.mkdir(parents=True, exist_ok=True)
    train.made_data(config, run, say)
    steps = ["--steps", str(QUICK_STEPS)] if arguments.quick else []
    jobs = [
        ["encoder", arguments.preset, str(root), str(run), modality.name, *held, *steps]
        for held in ([["--held"], []] if config.refit else [["--held"]])
        for modality in config.modalities
    ]
    train.encoders(jobs, run, say)
    train.finish(config, root, run, out, say)


def main():
    arguments = parser().parse_args()
    import torch

    from . import config as presets
    from . import data, encode, train

    torch.set_num_threads(1)
    try:
        config = presets.read(arguments.preset)
        root = train.data_set(arguments.data, config.name)
        if arguments.command == "train":
            whole_run(arguments, config, root)
        elif arguments.command == "encoder":
            modality = config.modality(arguments.modality)
            stage = train.stage_of(config, root, pathlib.Path(arguments.run), modality, arguments.held, say)
            encode.train(stage, modality, arguments.steps or modality.steps)
        else:
            train.finish(config, root, pathlib.Path(arguments.run), pathlib.Path(arguments.out), say)
    except (presets.ConfigError, data.DataError) as error:
        sys.exit(f"training: {error}")


if __name__ == "__main__":
    main()
