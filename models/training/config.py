# SPDX-License-Identifier: MIT
"""Presets: what to train, from an INI file. Every key is listed in README.md."""

import configparser
import dataclasses
import pathlib

from .networks import Shape

PRESETS = pathlib.Path(__file__).parent / "presets"
SIZES = pathlib.Path(__file__).parent / "sizes.ini"
QUICK_STEPS = 12
RATE_HZ = 16000
KINDS = ("sound", "picture")
MOST_MODALITIES, EMBEDDINGS = 4, range(16, 65)


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
    tune_steps: int  # with rounded weights, if there is [quantisation]
    tune_rate: float
    ensemble: int  # float encoders, with seeds of their own, that tuning follows
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
class Quantisation:
    """[quantisation]: weights of 4 or 8 bits."""

    budget_bytes: int  # of all files together
    follow: float  # weight of the float network's logits while tuning, beside the labels
    teachers: tuple  # folders of other runs; their encoders are followed too


@dataclasses.dataclass(frozen=True)
class Config:
    name: str
    bundle: dict  # [bundle]
    modalities: tuple
    head: dict  # [head]
    detector: dict  # section name -> keys, for bundle.ini as they are
    seed: int
    refit: str  # on all of train: "yes", the encoders once more; "tune", only the tuning; "no", nothing
    none: bool  # learn a logit of no label, where there are other labels' examples
    quantisation: Quantisation  # None: 8 bits, not tuned
    extra: dict  # [extra]: other sources of examples

    def modality(self, name: str) -> Modality:
        for modality in self.modalities:
            if modality.name == name:
                return modality
        raise ConfigError(f"{self.name}: no [modality {name}]")

    def shortened(self, steps) -> "Config":
        """With so many steps for every encoder (None: its own)."""
        if not steps:
            return self
        return dataclasses.replace(self, modalities=tuple(dataclasses.replace(m, steps=steps) for m in self.modalities))


OURS = {"size", "stem", "blocks", "embedding", "steps", "batch", "rate", "decay", "drop", "mixup", "smooth", "balance"}
OURS |= {"tune_steps", "tune_rate", "ensemble"}


def parsed(path) -> configparser.ConfigParser:
    ini = configparser.ConfigParser(inline_comment_prefixes=(";",), interpolation=None)
    with open(path, encoding="utf-8") as file:
        ini.read_file(file)
    return ini


def size_keys(size: str, kind: str) -> dict:
    sizes = parsed(SIZES)
    if f"{size} {kind}" not in sizes:
        known = ", ".join(section.split()[0] for section in sizes.sections() if section.split()[1] == kind)
        raise ValueError(f"size = {size}: the sizes of a {kind} are {known}")
    return dict(sizes[f"{size} {kind}"])


def read_modality(path: str, section, size: str, quick: bool) -> Modality:
    """@size  in place of what the section says of the encoder; None: as the section says."""
    name = section.name.split(maxsplit=1)[1]
    try:
        if section["kind"] not in KINDS:
            raise ValueError(f"kind = {section['kind']}: not one of {', '.join(KINDS)}")
        chosen = size or section.get("size")
        if chosen:  # what is written beside `size =` wins over it; what is asked for by --size wins over that
            keys = size_keys(chosen, section["kind"])
            section.update(keys if size else {key: value for key, value in keys.items() if key not in section})
        steps = section.getint("steps")
        if quick and "pretrain" in section:
            section["pretrain_steps"] = str(QUICK_STEPS)
        modality = Modality(
            name=name,
            kind=section["kind"],
            shape=Shape.parse(section["stem"], section["blocks"], section.getint("embedding", 32)),
            steps=QUICK_STEPS if quick else steps,
            batch=section.getint("batch", 64),
            rate=section.getfloat("rate", 3e-3),
            decay=section.getfloat("decay", 0.02),
            drop=section.getfloat("drop", 0.1),
            mixup=section.getfloat("mixup", 0.0),
            smooth=section.getfloat("smooth", 0.05),
            balance=section.getfloat("balance", 0.5),
            tune_steps=QUICK_STEPS if quick else section.getint("tune_steps", steps // 4),
            tune_rate=section.getfloat("tune_rate", 1e-3),
            ensemble=section.getint("ensemble", 1),
            keys={key: value for key, value in section.items() if key not in OURS},
        )
        if modality.ensemble < 1:
            raise ValueError(f"ensemble = {modality.ensemble}: at least 1")
        if section["kind"] == "sound" and section.getint("rate_hz", RATE_HZ) != RATE_HZ:
            raise ValueError(f"rate_hz = {section['rate_hz']}: the daemon resamples every microphone to {RATE_HZ}; files may have any rate")
        if section.get("pretrain", "no") not in ("no", "patches", "clusters"):
            raise ValueError(f"pretrain = {section['pretrain']}: not one of no, patches, clusters")
        if "teacher" in section and not pathlib.Path(section["teacher"]).exists():
            raise ValueError(f"teacher = {section['teacher']}: not there")
        if modality.shape.embedding not in EMBEDDINGS:
            raise ValueError(f"embedding = {modality.shape.embedding}: not from {EMBEDDINGS[0]} to {EMBEDDINGS[-1]}")
        if min(modality.size) < 1:
            raise ValueError("nothing is left of the input")
        return modality
    except KeyError as error:
        raise ConfigError(f"{path}: [{section.name}]: no key {error}") from error
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{path}: [{section.name}]: {error}") from error


def read_quantisation(path: str, ini):
    if "quantisation" not in ini:
        return None
    section = ini["quantisation"]
    try:
        return Quantisation(
            budget_bytes=int(section["budget_bytes"]),
            follow=section.getfloat("follow", 1.0),
            teachers=tuple(section.get("teachers", "").split()),
        )
    except (KeyError, ValueError) as error:
        raise ConfigError(f"{path}: [quantisation]: {error}") from error


def read_refit(path: str, ini) -> str:
    refit = ini.get("training", "refit", fallback="yes")
    if refit not in ("yes", "tune", "no"):
        raise ConfigError(f"{path}: [training] refit = {refit}: not one of yes, tune, no")
    if refit == "tune" and "quantisation" not in ini:
        raise ConfigError(f"{path}: [training] refit = tune: there is no [quantisation], so nothing is tuned")
    return refit


def read(name: str, size: str = None, quick: bool = False) -> Config:
    """
    Read the preset called @name, or the INI file at that path.
    @size   of all encoders, instead of what the preset says.
    @quick  only a few steps.
    """
    path = pathlib.Path(name) if name.endswith(".ini") else PRESETS / f"{name}.ini"
    try:
        ini = parsed(path)
        seed = ini.getint("training", "seed", fallback=1)
        none = ini.getboolean("training", "none", fallback=False)
    except (OSError, ValueError, configparser.Error) as error:
        known = ", ".join(sorted(p.stem for p in PRESETS.glob("*.ini")))
        raise ConfigError(f"{path}: {error}; the presets are {known}") from error
    sections = [ini[section] for section in ini.sections() if section.startswith("modality ")]
    modalities = tuple(read_modality(str(path), section, size, quick) for section in sections)
    if not 1 <= len(modalities) <= MOST_MODALITIES:
        raise ConfigError(f"{path}: {len(modalities)} sections [modality NAME]; a bundle has 1 to {MOST_MODALITIES}")
    return Config(
        name=ini.get("bundle", "name", fallback=path.stem),
        bundle=dict(ini["bundle"]) if "bundle" in ini else {},
        modalities=modalities,
        head=dict(ini["head"]) if "head" in ini else {},
        detector={section: dict(ini[section]) for section in ini.sections() if section.split()[0] == "detector"},
        seed=seed,
        refit=read_refit(str(path), ini),
        none=none,
        quantisation=read_quantisation(str(path), ini),
        extra=dict(ini["extra"]) if "extra" in ini else {},
    )
