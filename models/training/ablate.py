# SPDX-License-Identifier: MIT
"""What distillation is worth: a grid of teachers, students, losses and levels from an INI, each cell with several seeds.

Students of one grid, teacher and seed are trained side by side, on the same batches and the same answers of the teacher. Every
cell is a file of its own in OUT; a run that was stopped goes on where it was, and more seeds or cells add to what is there. Accuracies are of the held-out part of train, in float32. The keys are listed in README.md.
"""

import configparser
import dataclasses
import itertools
import json
import pathlib
import statistics
import time

import numpy as np
import torch
from torch import nn

from . import config as presets
from . import data, encode, evaluate, learn, student, teacher, train

TIMED_BATCH, TIMED_TURNS = 16, 8

LOSS_SETS = {
    "none": (),
    "logits": ("logits",),
    "edam": ("attention",),
    "crd": ("contrast",),
    "all": ("logits", "attention", "contrast"),
}
LEVEL_SETS = {  # losses, levels of the attention
    "none": ((), ()),
    "logits": (("logits",), ()),
    "early": (("attention",), ("early",)),
    "late": (("attention",), ("late",)),
    "all levels": (("logits", "attention"), ("early", "late")),
}


@dataclasses.dataclass(frozen=True)
class Cell:
    grid: str  # losses or levels
    teacher: str  # its size
    size: str  # of the student
    sees: tuple  # modalities
    what: str  # a key of LOSS_SETS or LEVEL_SETS
    seed: int

    @property
    def name(self) -> str:
        return "-".join([self.grid, self.teacher, self.size, "+".join(self.sees), self.what.replace(" ", "_"), str(self.seed)])

    @property
    def group(self) -> str:
        """Cells of one group are trained side by side."""
        return f"{self.grid}-{self.teacher}-{self.seed}"

    @property
    def losses(self) -> tuple:
        return LOSS_SETS[self.what] if self.grid == "losses" else LEVEL_SETS[self.what][0]

    @property
    def levels(self) -> tuple:
        return ("late",) if self.grid == "losses" else LEVEL_SETS[self.what][1]


@dataclasses.dataclass(frozen=True)
class Plan:
    preset: str
    seeds: tuple
    steps: int
    teacher_steps: int
    pictures: float  # share of the training pictures that is used
    cells: tuple

    @property
    def teachers(self) -> list:
        return sorted({cell.teacher for cell in self.cells})


def words(section, key: str, known) -> list:
    found = section[key].split() if key != "levels" else [word.strip() for word in section[key].split(",")]
    for word in found:
        if word not in known:
            raise ValueError(f"{key} = {word}: not one of {', '.join(known)}")
    return found


def read(path: str) -> Plan:
    sizes = ("nano", "micro", "small", "base")
    try:
        ini = presets.parsed(path)
        main = ini["ablation"]
        names = [m.name for m in presets.read(main["preset"]).modalities]
        seeds = [int(word) for word in main["seeds"].split()]
        cells = []
        for grid, key, known in (("losses", "losses", LOSS_SETS), ("levels", "levels", LEVEL_SETS)):
            if grid not in ini:
                continue
            section = ini[grid]
            sees = [tuple(word.split("+")) for word in words(section, "students", [*names, "+".join(names)])]
            axes = (words(section, "teachers", sizes), words(section, "sizes", sizes), sees, words(section, key, known), seeds)
            cells += [Cell(grid, *chosen) for chosen in itertools.product(*axes)]
        steps, teacher_steps = int(main["steps"]), int(main["teacher_steps"])
        plan = Plan(main["preset"], tuple(seeds), steps, teacher_steps, main.getfloat("pictures", 1.0), tuple(cells))
    except (OSError, KeyError, ValueError, configparser.Error) as error:
        raise presets.ConfigError(f"{path}: {error}") from error
    if not plan.cells or not seeds:
        raise presets.ConfigError(f"{path}: nothing to do: no seeds, or neither [losses] nor [levels]")
    return plan


def sized(plan: Plan, size: str, sees=None) -> list:
    """Modalities of the preset with encoders of this size, seeing what the preset sees: students and teachers share features."""
    own = presets.read(plan.preset)
    found = []
    for modality in own.modalities:
        keys = presets.size_keys(size, modality.kind)
        shape = presets.Shape.parse(keys["stem"], keys["blocks"], int(keys["embedding"]))
        found.append(dataclasses.replace(modality, shape=shape))
    return [m for m in found if sees is None or m.name in sees]


class Class(nn.Module):
    """Students that see the same batches and hear the teacher together: its answers cost more than they do."""

    def __init__(self):
        super().__init__()
        self.parts = nn.ModuleList()


def class_loss(taught: teacher.Multimodal, levels: list):
    """The sum of the students' losses. They share nothing, so each has the gradients of its own."""

    def loss_of(model: Class, batch: teacher.Batch, drop: float):
        lesson = teacher.Lesson(taught.teach(batch))
        return sum(student.loss_from(lesson, one)(part, batch, drop) for part, one in zip(model.parts, levels))

    return loss_of


class Bench:
    """The data of a grid, and what was trained on it."""

    def __init__(self, plan: Plan, root: pathlib.Path, out: pathlib.Path, say):
        self.plan, self.out, self.say = plan, out, say
        self.config = presets.read(plan.preset)
        self.labels = data.labels_of(root, [m.kind for m in self.config.modalities])
        self.batches, self.held = {}, {}
        for modality in self.config.modalities:
            stage = train.stage_of(self.config, root, out, modality, True, say)
            examples, held, _, _ = encode.found(stage, modality)
            if modality.kind == "picture":
                examples = [e for e in examples if data.share_of(e) < plan.pictures]
            self.batches[modality.name] = encode.batches_of(examples, dataclasses.replace(modality, mixup=0.0), len(self.labels))
            self.held[modality.name] = encode.features_of(held, modality)
        self.taught = {}

    def pairs(self, sees) -> student.Pairs:
        return student.Pairs({name: self.batches[name] for name in sees}, len(self.labels))

    def all_names(self) -> tuple:
        return tuple(m.name for m in self.config.modalities)

    def settings(self, steps: int, seed: int, cell: str) -> learn.Settings:
        one = self.config.modalities[0]
        facts = {"cell": cell, "steps": str(steps), "pictures": str(self.plan.pictures), "preset": self.plan.preset}
        return learn.Settings(steps, one.rate / 2, one.decay, one.drop, seed, facts)

    def teacher(self, size: str) -> teacher.Multimodal:
        if size in self.taught:
            return self.taught[size]
        path, seed = self.out / f"teacher-{size}.pt", self.plan.seeds[0]
        torch.manual_seed(seed)
        model = teacher.Multimodal(sized(self.plan, size), len(self.labels))
        settings = self.settings(self.plan.teacher_steps, seed, f"teacher {size}")
        if path.exists():
            model.load_state_dict(learn.restore(path, settings.made_with)["model"])
        else:
            say = lambda text: self.say(f"teacher {size}: {text}")
            pairs, checkpoint = self.pairs(self.all_names()), path.with_suffix(".checkpoint")
            model = learn.train(model, pairs, settings, checkpoint, say, loss_of=teacher.teacher_loss)
            learn.save(path, {"model": model.state_dict(), "made_with": settings.made_with})
            checkpoint.unlink(missing_ok=True)
        self.taught[size] = model.eval()
        return self.taught[size]

    def said(self, model, sees) -> tuple:
        """Labels found, and the true ones, on what is held out."""
        held = {name: self.held[name] for name in sees}
        return student.answers(model, held, len(self.labels)).argmax(1), student.truth(held)

    def run(self, cells: list) -> dict:
        """The students of @cells, all of one group: cell -> what is known of it."""
        first, taught = cells[0], self.teacher(cells[0].teacher)
        torch.manual_seed(first.seed)
        pairs = self.pairs(self.all_names())
        says = taught.teach(pairs())
        model = Class()
        for cell in cells:
            student.check(says, cell.sees, cell.losses, cell.levels)
            torch.manual_seed(cell.seed)  # the same beginning, whatever else is trained
            modalities = sized(self.plan, cell.size, cell.sees)
            model.parts.append(student.Student(modalities, len(self.labels), cell.losses, pairs, says))
        checkpoint = self.out / f"{first.group}.checkpoint"
        say = lambda text: self.say(f"{first.group}: {text}")
        settings = self.settings(self.plan.steps, first.seed, " ".join(cell.name for cell in cells))
        model = learn.train(model, pairs, settings, checkpoint, say, loss_of=class_loss(taught, [cell.levels for cell in cells]))
        return {cell: self.result(cell, one, taught) for cell, one in zip(cells, model.parts)}

    def microseconds(self, model, sees) -> float:
        """What one example costs a network in PyTorch: processor time of one thread, in batches, the fastest of a few turns."""
        n, found = min(TIMED_BATCH, *(len(self.held[name][0]) for name in sees)), []
        x = {name: self.held[name][0][:n] for name in sees}
        with torch.no_grad():
            for _ in range(TIMED_TURNS):
                begin = time.thread_time()
                model(x)
                found.append(time.thread_time() - begin)
        return min(found) / n * 1e6

    def result(self, cell: Cell, model: student.Student, taught) -> dict:
        found, true = self.said(model, cell.sees)
        theirs, _ = self.said(taught, cell.sees)
        wrong = theirs != true
        sides = [evaluate.Side(None, *self.held[name][1:]) for name in cell.sees]
        n_parameters = sum(p.numel() for p in [*model.encoders.parameters(), *model.logits.parameters()])
        return {
            "accuracy": float((found == true).mean()),
            "n": len(true),
            "right": (found == true).astype(int).tolist(),
            "groups": evaluate.groups_of(sides, tuple(range(len(sides)))).tolist(),
            "teacher accuracy": float((~wrong).mean()),
            "inherited": float((found == theirs)[wrong].mean()) if wrong.any() else 0.0,
            "parameters": n_parameters,
            "teacher parameters": sum(p.numel() for p in taught.parameters()),
            "microseconds": self.microseconds(model, cell.sees),
            "teacher microseconds": self.microseconds(taught, self.all_names()),
        }


def spread(values: list, by: float = 100, digits: int = 1) -> str:
    """Mean ± standard deviation, in percent."""
    parts = [statistics.fmean(values)] + ([statistics.stdev(values)] if len(values) > 1 else [])
    return " ± ".join(f"{by * part:.{digits}f}" for part in parts)


def gain(found: dict, alone: dict) -> str:
    """Points by which @found beats @alone (seed -> result), paired by seed: mean ± standard deviation, bootstrap interval of the mean over examples."""
    seeds = [seed for seed in found if seed in alone]
    if not seeds:
        return ""
    points = [found[seed]["accuracy"] - alone[seed]["accuracy"] for seed in seeds]
    each = np.mean([np.subtract(found[seed]["right"], alone[seed]["right"]) for seed in seeds], axis=0)
    low, high = evaluate.interval(each, np.array(found[seeds[0]]["groups"]))
    return f"{spread(points)} ({100 * low:.1f} to {100 * high:.1f})"


def row(cells: dict, alone: dict) -> str:
    """Of one student: @cells and, of the same without a teacher, @alone: seed -> result. From the accuracy on."""
    mean = lambda key: statistics.fmean(one[key] for one in cells.values())
    share = lambda what: 100 * (1 - mean(what) / mean(f"teacher {what}"))
    return (
        f"{spread([one['accuracy'] for one in cells.values()])} | {gain(cells, alone)} | {spread([one['inherited'] for one in cells.values()])} "
        f"| {100 * mean('teacher accuracy'):.1f} | {mean('parameters'):,.0f} (÷ {mean('teacher parameters') / mean('parameters'):.1f}) "
        f"| {mean('microseconds'):.0f} (-{share('microseconds'):.0f} %) |"
    )


def table(plan: Plan, results: dict) -> str:
    """Markdown: mean and standard deviation over seeds; gains are paired by seed. @results maps names of cells to what run() gave."""
    columns = ("teacher", "student", "sees", "what", "seeds", "accuracy, %", "gain, points (95 %)", "inherits, %", "teacher, %", "parameters", "µs")
    text = ""
    for grid in ("losses", "levels"):
        cells = [cell for cell in plan.cells if cell.grid == grid and cell.name in results]
        if not cells:
            continue
        text += f"## {grid}\n\n| " + " | ".join(columns) + " |\n" + "|---" * len(columns) + "|\n"
        for teacher_size, size, sees in sorted({(c.teacher, c.size, c.sees) for c in cells}):
            mine = [c for c in cells if (c.teacher, c.size, c.sees) == (teacher_size, size, sees)]
            of = lambda what: {c.seed: results[c.name] for c in mine if c.what == what}
            for what in dict.fromkeys(c.what for c in mine):
                found = of(what)
                text += f"| {teacher_size} | {size} | {'+'.join(sees)} | {what} | {len(found)} | {row(found, {} if what == 'none' else of('none'))}\n"
        text += "\n"
    return text


def path_of(out: pathlib.Path, cell: Cell) -> pathlib.Path:
    return out / f"{cell.name}.json"


def groups_of(plan: Plan, out: pathlib.Path) -> dict:
    """Group -> its cells that have no result yet; all grids with the first seed first."""
    missing = [cell for cell in plan.cells if not path_of(out, cell).exists()]
    missing.sort(key=lambda cell: (cell.seed, cell.group))
    return {group: list(cells) for group, cells in itertools.groupby(missing, key=lambda cell: cell.group)}


def stages(plan: Plan, out: pathlib.Path) -> list:
    """What is to be done, for run(): the names of one stage can be done side by side."""
    groups = groups_of(plan, out)
    wanted = {cell.teacher for cells in groups.values() for cell in cells}
    teachers = [f"teacher-{size}" for size in plan.teachers if size in wanted and not (out / f"teacher-{size}.pt").exists()]
    return [names for names in (teachers, list(groups)) if names]


def settle(plan: Plan, out: pathlib.Path):
    """KeepError if there are cells in @out that were made with other steps or pictures; more seeds and grids may come."""
    learn.settle(out / "plan.json", {key: getattr(plan, key) for key in ("preset", "steps", "teacher_steps", "pictures")})


def run(plan: Plan, root: pathlib.Path, out: pathlib.Path, names: list, say):
    """Teachers and groups of these names, as stages() has them; ConfigError if there is none such."""
    groups = groups_of(plan, out)
    known = [f"teacher-{size}" for size in plan.teachers] + list(groups)
    for name in names:
        if name not in known:
            raise presets.ConfigError(f"--only {name}: not left to do in this plan: {' '.join(known)}")
    bench = Bench(plan, root, out, say)
    for name in names:
        if name.startswith("teacher-"):
            bench.teacher(name.removeprefix("teacher-"))
            continue
        say(f"{name}: {len(groups[name])} cells")
        for cell, found in bench.run(groups[name]).items():
            learn.write(path_of(out, cell), json.dumps(found) + "\n")
        (out / f"{name}.checkpoint").unlink(missing_ok=True)


def tell(plan: Plan, out: pathlib.Path, say):
    """OUT/ablation.md, of all that there is."""
    results = {cell.name: learn.read(path_of(out, cell)) for cell in plan.cells if path_of(out, cell).exists()}
    learn.write(out / "ablation.md", about(plan) + table(plan, results))
    say(f"{out / 'ablation.md'}: {len(results)} cells")


def about(plan: Plan) -> str:
    return (
        f"# Ablation of distillation: {plan.preset}\n\nStudents {plan.steps} steps, teachers {plan.teacher_steps}, {100 * plan.pictures:.0f} % of the training pictures, "
        f"seeds {' '.join(map(str, plan.seeds))}. Accuracy on the held-out part of train, float32, mean ± standard deviation over seeds; gain over the same "
        "student without a teacher, paired by seed, in brackets the bootstrap 95 % interval of its mean over examples (sounds where there are any); inherits: of what the teacher "
        "gets wrong, how much the student gets wrong in the same way; parameters: how many times fewer than the teacher; µs: an example in PyTorch, one thread, and how much less "
        "than the teacher with all modalities.\n\n"
    )
