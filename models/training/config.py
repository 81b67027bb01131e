# SPDX-License-Identifier: MIT
"""Presets: what to train, from an INI file. Every key is listed in README.md."""

import configparser
import dataclasses
import pathlib

from .networks import Shape

PRESETS = pathlib.Path(__file__).parent / "presets"


class ConfigError(Exception):
    """A sentence for the person who wrote the preset."""


@dataclasses.dataclass(frozen=True)
class Modality:
    """One [modality NAME] section."""

    name: str
    kind: str  # sound, picture
    shape: Shape
    steps: int  # of the optimiser
    batch: int
    rate: float  # highest learning rate
    decay: float  # weight decay
    drop: float  # dropout before the embedding
    mixup: float  # share of batches that are mixed
    smooth: float  # label smoothing
    balance: float  # 0: examples count alike; 1: labels count alike
    keys: dict  # the rest, for the front end and bundle.ini

    @property
    def channels(self) -> int:
        return 3 if self.keys.get("colour") == "rgb" else 1

    @property
    def size(self) -> tuple:
        """Rows and columns of what the encoder sees."""
        if self.kind == "picture":
            width, height = (int(part) for part in self.keys["size_px"].split("x"))
            return height, width
        window, frame, step = (float(self.keys[key]) for key in ("window_ms", "frame_ms", "step_ms"))
        return 1 + int((window - frame) // step), int(self.keys["bands"])


@dataclasses.dataclass(frozen=True)
class Config:
    name: str
    bundle: dict  # [bundle]
    modalities: tuple
    head: dict  # [head]
    detector: dict  # section name -> keys, for bundle.ini as they are
    seed: int
    refit: bool  # train the encoders once more, on all of train
    extra: dict  # [extra]: other sources of examples

    def modality(self, name: str) -> Modality:
        for modality in self.modalities:
            if modality.name == name:
                return modality
        raise ConfigError(f"{self.name}: no [modality {name}]")


OURS = {"stem", "blocks", "embedding", "steps", "batch", "rate", "decay", "drop", "mixup", "smooth", "balance"}


def read_modality(path: str, name: str, section) -> Modality:
    try:
        return Modality(
            name=name,
            kind=section["kind"],
            shape=Shape.parse(section["stem"], section["blocks"], section.getint("embedding", 32)),
            steps=section.getint("steps"),
            batch=section.getint("batch", 64),
            rate=section.getfloat("rate", 3e-3),
            decay=section.getfloat("decay", 0.02),
            drop=section.getfloat("drop", 0.1),
            mixup=section.getfloat("mixup", 0.0),
            smooth=section.getfloat("smooth", 0.05),
            balance=section.getfloat("balance", 0.5),
            keys={key: value for key, value in section.items() if key not in OURS},
        )
    except (KeyError, ValueError, TypeError) as error:
        raise ConfigError(f"{path}: [modality {name}]: {error}") from error


def read(name: str) -> Config:
    """Read the preset called @name, or the INI file at that path."""
    path = pathlib.Path(name) if name.endswith(".ini") else PRESETS / f"{name}.ini"
    ini = configparser.ConfigParser(inline_comment_prefixes=(";",), interpolation=None)
    try:
        with open(path, encoding="utf-8") as file:
            ini.read_file(file)
    except (OSError, configparser.Error) as error:
        known = ", ".join(sorted(p.stem for p in PRESETS.glob("*.ini")))
        raise ConfigError(f"{path}: {error}; the presets are {known}") from error
    modalities = tuple(
        read_modality(str(path), section.split()[1], ini[section])
        for section in ini.sections()
        if section.startswith("modality ")
    )
    if not modalities:
        raise ConfigError(f"{path}: no [modality NAME] section")
    return Config(
        name=ini.get("bundle", "name", fallback=path.stem),
        bundle=dict(ini["bundle"]) if "bundle" in ini else {},
        modalities=modalities,
        head=dict(ini["head"]) if "head" in ini else {},
        detector={section: dict(ini[section]) for section in ini.sections() if section.split()[0] == "detector"},
        seed=ini.getint("training", "seed", fallback=1),
        refit=ini.getboolean("training", "refit", fallback=True),
        extra=dict(ini["extra"]) if "extra" in ini else {},
    )
