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
        return 3 if self.kind == "picture" and self.keys.get("colour", "rgb") == "rgb" else 1

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


@dataclasses.dataclass(frozen=True)
class Key:
    """What a key may be that only training reads. A number has @least and @most."""

    least: float = None
    most: float = None
    whole: bool = False
    choices: tuple = ()
    kind: str = None  # of modalities that may have it; None: any

    def check(self, name: str, text: str, kind: str):
        """ValueError if the key @name of a modality of @kind may not be @text."""
        if self.kind not in (None, kind):
            raise ValueError(f"{name} = {text}: is only for {self.kind}s")
        if self.choices and text not in self.choices:
            raise ValueError(f"{name} = {text}: not one of {', '.join(self.choices)}")
        if self.least is None:
            return
        try:
            fits = self.least <= (int(text) if self.whole else float(text)) <= self.most
        except ValueError:
            fits = False
        if not fits:
            raise ValueError(f"{name} = {text}: must be a {'whole number' if self.whole else 'number'} from {self.least:g} to {self.most:g}")


MOST_STEPS = 10_000_000
SHARE = Key(0, 1)
OURS = {  # fields of Modality, and what they are made of
    "size": Key(),
    "stem": Key(),
    "blocks": Key(),
    "embedding": Key(EMBEDDINGS[0], EMBEDDINGS[-1], whole=True),
    "steps": Key(1, MOST_STEPS, whole=True),
    "batch": Key(2, 65536, whole=True),  # one example has no spread to normalise by
    "rate": Key(1e-9, 1),
    "decay": SHARE,
    "drop": Key(0, 0.95),
    "mixup": SHARE,
    "smooth": Key(0, 0.95),
    "balance": SHARE,
    "tune_steps": Key(1, MOST_STEPS, whole=True),
    "tune_rate": Key(1e-9, 1),
    "ensemble": Key(1, 100, whole=True),
}
TRAINING = OURS | {  # what training reads and the bundle does not have
    "pretrain": Key(choices=("no", "patches", "clusters")),
    "pretrain_steps": Key(1, MOST_STEPS, whole=True),
    "teacher": Key(),
    "follow": Key(0, 1000),
    "contrast": Key(0, 1000),
    "other": Key(kind="sound"),
    "other_held": Key(kind="sound"),
    "reject": Key(0, 1000, kind="sound"),
    "mix": Key(0, 1, kind="sound"),
    "snr_db": Key(-60, 100, kind="sound"),
    "noise": Key(0, 1, kind="sound"),
    "room": Key(0, 1, kind="sound"),
    "flip": Key(choices=("yes", "no"), kind="picture"),
    "turn": Key(0, 180, kind="picture"),
    "padding": Key(choices=("reflection", "zeros", "border"), kind="picture"),
    "background": Key(0, 1, kind="picture"),
    "blank": Key(0, 1, kind="picture"),
    "cut": Key(0, 1, kind="picture"),
    "dark": Key(0, 1, kind="picture"),
    "blur": Key(0, 1, kind="picture"),
}
NEEDED = {  # keys that the kit cannot do without; the engine looks at them (rehearse.py)
    "sound": ("window_ms", "hop_ms", "features", "frame_ms", "step_ms", "bands", "low_hz", "high_hz", "floor"),
    "picture": ("size_px",),
}
SECTIONS = {"bundle": None, "training": {"seed", "refit", "none"}, "quantisation": {"budget_bytes", "follow", "teachers"}, "extra": {"make"}}
SECTIONS |= {"head": None, "detector": None, "modality": None}  # title's first word -> keys; None: the engine knows


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
    name = section.name.partition(" ")[2]
    try:
        if name == "head" or not all(c.isalnum() or c in "-_" for c in name):
            raise ValueError("a modality's name has letters, digits, - and _, and is not head: it becomes a file's")
        if section["kind"] not in KINDS:
            raise ValueError(f"kind = {section['kind']}: not one of {', '.join(KINDS)}")
        chosen = size or section.get("size")
        if chosen:  # what is written beside `size =` wins over it; what is asked for by --size wins over that
            keys = size_keys(chosen, section["kind"])
            section.update(keys if size else {key: value for key, value in keys.items() if key not in section})
        for key in ("steps", "stem", "blocks", *NEEDED[section["kind"]]):
            if key not in section:
                raise KeyError(key)
        for key, rule in TRAINING.items():
            if key in section:
                rule.check(key, section[key], section["kind"])
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
            tune_steps=QUICK_STEPS if quick else section.getint("tune_steps", max(1, steps // 4)),
            tune_rate=section.getfloat("tune_rate", 1e-3),
            ensemble=section.getint("ensemble", 1),
            keys={key: value for key, value in section.items() if key not in OURS},
        )
        if section["kind"] == "sound" and section.getint("rate_hz", RATE_HZ) != RATE_HZ:
            raise ValueError(f"rate_hz = {section['rate_hz']}: the daemon resamples every microphone to {RATE_HZ}; files may have any rate")
        if section["kind"] == "sound" and section["features"] != "logmel":
            raise ValueError(f"features = {section['features']}: the kit trains on logmel")
        if section["kind"] == "sound" and not 0 < section.getfloat("floor") <= 1:
            raise ValueError(f"floor = {section['floor']}: must be above 0, at most 1")
        if "teacher" in section and not pathlib.Path(section["teacher"]).exists():
            raise ValueError(f"teacher = {section['teacher']}: not there")
        if min(modality.size) < 1:
            raise ValueError("nothing is left of the input")
        return modality
    except KeyError as error:
        raise ConfigError(f"{path}: [{section.name}]: no key {error}") from error
    except (ValueError, TypeError, ZeroDivisionError) as error:
        raise ConfigError(f"{path}: [{section.name}]: {error}") from error


def check_sections(path: str, ini):
    """ConfigError if there are sections, or keys in those of the kit, that nothing reads."""
    for title in ini.sections():
        word, _, name = title.partition(" ")
        if word not in SECTIONS or (name and word not in ("modality", "detector")) or (not name and word == "modality"):
            raise ConfigError(f"{path}: [{title}]: no such section; there are {', '.join(f'[{one}]' for one in SECTIONS)}, with names [modality NAME] and [detector LABEL]")
        unknown = set(ini[title]) - SECTIONS[word] if SECTIONS[word] is not None else ()
        for key in sorted(unknown):
            raise ConfigError(f"{path}: [{title}]: no key {key}; there are {', '.join(sorted(SECTIONS[word]))}")


def checked_seed(seed: int) -> int:
    if not 0 <= seed < 2**31:
        raise ConfigError(f"seed = {seed}: must be from 0 to {2**31 - 1}")
    return seed


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
        seed = checked_seed(ini.getint("training", "seed", fallback=1))
        none = ini.getboolean("training", "none", fallback=False)
    except (OSError, ValueError, configparser.Error) as error:
        known = ", ".join(sorted(p.stem for p in PRESETS.glob("*.ini")))
        raise ConfigError(f"{path}: {error}; the presets are {known}") from error
    check_sections(str(path), ini)
    sections = [ini[section] for section in ini.sections() if section.startswith("modality ")]
    modalities = tuple(read_modality(str(path), section, size, quick) for section in sections)
    if not 1 <= len(modalities) <= MOST_MODALITIES:
        raise ConfigError(f"{path}: {len(modalities)} sections [modality NAME]; a bundle has 1 to {MOST_MODALITIES}")
    make = ini.get("extra", "make", fallback=None)
    if make is not None and not (PRESETS.parent / make).is_file():
        raise ConfigError(f"{path}: [extra] make = {make}: there is no such script in {PRESETS.parent}")
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
