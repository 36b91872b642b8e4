"""What a variant is: networks, the phases that update them, and a recipe. Plain values and plain functions.

Shapes: a batch holds B items of shape `space.shape`, which is (D,) for points and (C, H, W) for images in [-1, 1].
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from ganbench.errors import UsageError

if TYPE_CHECKING:
    from torch import Generator, Tensor, nn

    from ganbench.dataset import LoadedDataset

Network = Callable[..., "Tensor"]


@dataclass(frozen=True)
class Space:
    """What one sample is: its shape, (D,) for points or (C, H, W) for images, the number of classes where it has any, and the shape
    of the image that it is made from where the data are pairs.
    """

    shape: tuple[int, ...]
    classes: int | None = None
    inputs: tuple[int, ...] | None = None

    @property
    def is_points(self) -> bool:
        """True for points, False for images."""
        return len(self.shape) == 1


@dataclass(frozen=True)
class Recipe:
    """How a variant is trained. `dataclasses.replace` makes an ablation; every field stands in the record."""

    lr: float = 2e-4  # step size, of the generator and of every network without its own
    d_lr: float | None = None  # step size of the discriminator; None: lr. A suite that changes lr alone changes it in proportion
    betas: tuple[float, float] = (0.5, 0.999)  # Adam's; RMSProp reads the second as its smoothing constant
    optimizer: Literal["adam", "rmsprop"] = "adam"
    batch_size: int = 64
    d_steps: int = 1  # discriminator steps to one generator step
    g_steps: int = 1  # generator steps a training step: PacGAN's code for stacked MNIST takes two to one of the discriminator
    latent_size: int = 100
    latent_law: Literal["normal", "uniform"] = "normal"  # N(0, 1), or uniform in [-1, 1]
    ema_decay: float = 0.0  # of the averaged generator that is scored; 0: the last generator is scored
    architecture: str = "default"  # of the default networks: one of `nets.build.ARCHITECTURES`

    def __post_init__(self) -> None:
        """Raise UsageError for a value that no training can have: a misspelt law would otherwise pass for another one."""
        right = {
            "lr": _is_number(self.lr) and self.lr > 0,
            "d_lr": self.d_lr is None or (_is_number(self.d_lr) and self.d_lr > 0),
            "betas": len(self.betas) == 2 and all(_is_number(beta) and 0 <= beta < 1 for beta in self.betas),
            "optimizer": self.optimizer in ("adam", "rmsprop"),
            "batch_size": isinstance(self.batch_size, int) and self.batch_size >= 2,
            "d_steps": isinstance(self.d_steps, int) and self.d_steps >= 1,
            "g_steps": isinstance(self.g_steps, int) and self.g_steps >= 1,
            "latent_size": isinstance(self.latent_size, int) and self.latent_size >= 1,
            "latent_law": self.latent_law in ("normal", "uniform"),
            "ema_decay": _is_number(self.ema_decay) and 0 <= self.ema_decay < 1,
            "architecture": isinstance(self.architecture, str),
        }
        for name, good in right.items():
            if not good:
                raise UsageError(f"A recipe cannot have {name} = {getattr(self, name)!r}; change it.")


@dataclass(frozen=True)
class Batch:
    """What an objective sees. All randomness is drawn outside, from per-seed streams, so that objectives are functions.

    `labels` and `inputs` belong to `real`; the generator's class labels are the same ones. `noise` holds what the phase asks for.
    `progress` is the share of the training that is done, 0 in the first step, for what is annealed.
    """

    real: Tensor  # (B, *shape)
    z: Tensor  # (B, latent_size)
    fake: Tensor | None = None  # (B, *shape)
    labels: Tensor | None = None  # (B,) int64
    inputs: Tensor | None = None  # (B, *space.inputs) in [-1, 1], what a translator makes `real` from
    noise: Mapping[str, Tensor] = field(default_factory=dict)  # by name (B, *as asked for)
    progress: Tensor | None = None  # (), in [0, 1)


class Networks(Mapping[str, Network]):
    """The networks of one seed, as functions; `networks.generator(z)` and `networks["generator"](z)` are the same."""

    def __init__(self, functions: Mapping[str, Network]) -> None:
        self._functions = dict(functions)

    def __getitem__(self, name: str) -> Network:
        return self._functions[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._functions)

    def __len__(self) -> int:
        return len(self._functions)

    def __getattr__(self, name: str) -> Network:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self._functions[name]
        except KeyError:
            raise AttributeError(f"this variant has no network called {name!r}") from None


# An objective gives the scalar that its phase minimises, and named scalars to watch (they cost nothing to leave empty).
Objective = Callable[[Networks, Batch], "tuple[Tensor, dict[str, Tensor]]"]


@dataclass(frozen=True)
class Noise:
    """Random numbers that a phase's objective reads in `batch.noise`: (B, *shape(space, recipe)), N(0, 1) or uniform in [0, 1)."""

    shape: Callable[[Space, Recipe], tuple[int, ...]]
    law: Literal["normal", "uniform"] = "uniform"


def per_sample(space: Space, recipe: Recipe) -> tuple[int, ...]:
    """The shape of noise that is one number a sample: (1, ...), which broadcasts over a sample."""
    return tuple(1 for _ in space.shape)


def per_element(space: Space, recipe: Recipe) -> tuple[int, ...]:
    """The shape of noise that is one number an element of a sample."""
    return space.shape


def once(recipe: Recipe) -> int:
    """The usual number of steps of a phase: 1."""
    return 1


def discriminator_steps(recipe: Recipe) -> int:
    """How many steps a discriminator's phase takes."""
    return recipe.d_steps


def generator_steps(recipe: Recipe) -> int:
    """How many steps a generator's phase takes."""
    return recipe.g_steps


def recipe_lr(recipe: Recipe) -> float:
    """The usual step size of a phase: the recipe's `lr`."""
    return recipe.lr


def discriminator_lr(recipe: Recipe) -> float:
    """The step size of a discriminator's phase: `d_lr`, or `lr` where the recipe has none."""
    return recipe.lr if recipe.d_lr is None else recipe.d_lr


def everywhere(space: Space) -> str | None:
    """The answer of a variant that applies to every space: None."""
    return None


@dataclass(frozen=True)
class Phase:
    """One kind of update inside a training step: draw a batch, descend `objective` in the parameters of `updates`, constrain.

    Each phase keeps its own optimiser state. `constrain` gets the updated networks' parameters by name, each with a leading axis
    of seeds, and changes them in place, elementwise or seed by seed. A lazy phase runs in every `every`-th training step, and is
    not watched.
    """

    name: str
    updates: tuple[str, ...]
    objective: Objective
    steps: Callable[[Recipe], int] = once
    lr: Callable[[Recipe], float] = recipe_lr
    noise: Mapping[str, Noise] = field(default_factory=dict)  # what the objective reads in batch.noise
    constrain: Callable[[Mapping[str, Tensor]], None] | None = None
    every: int = 1

    def __post_init__(self) -> None:
        """Raise UsageError for a phase that would never run."""
        if not isinstance(self.every, int) or isinstance(self.every, bool) or self.every < 1:
            raise UsageError(f"The phase {self.name!r} runs in every {self.every!r}th step; count from 1 up.")


@dataclass(frozen=True)
class Variant:
    """A generative model that the training loop can train.

    `networks(space, recipe)` builds the modules of one seed; one of them is called "generator" and maps z (B, latent_size) to
    samples (B, *space.shape); of a `conditional` variant it maps (z, labels), labels (B,) int64, and of one that `translates`
    (z, inputs), inputs (B, *space.inputs). `points` is the recipe for points
    where it differs from that for images. `latent_size(space, recipe)` and `latent_law` win over the recipe's where the method
    fixes them.
    `supports(space)` gives None, or one sentence that says why the method does not apply.
    """

    name: str
    family: str
    paper: str
    networks: Callable[[Space, Recipe], dict[str, nn.Module]]
    phases: tuple[Phase, ...]
    recipe: Recipe = field(default_factory=Recipe)
    points: Recipe | None = None
    supports: Callable[[Space], str | None] = everywhere
    conditional: bool = False
    translates: bool = False
    latent_size: Callable[[Space, Recipe], int] | None = None
    latent_law: Literal["normal", "uniform"] | None = None

    def __post_init__(self) -> None:
        """Raise UsageError for facts that no table can show, and where there is nothing to train."""
        _check_facts(self.name, self.family, self.paper)
        if not self.phases:
            raise UsageError(
                f"The variant {self.name} has no phases, so nothing would be trained; give it one, or make it a Control."
            )
        names = [phase.name for phase in self.phases]
        if twice := [name for name in names if names.count(name) > 1]:  # optimisers and curves go by the name
            raise UsageError(f"The variant {self.name} has several phases called {twice[0]!r}; give each a name of its own.")

    def recipe_for(self, space: Space, changes: Mapping[str, Any] | None = None) -> Recipe:
        """The recipe for points or for images, with `changes` to its fields by name, as a suite has them.

        Another `lr` alone moves `d_lr` in proportion: a method of two step sizes keeps their ratio. Raises UsageError for a value
        that no training can have.
        """
        recipe = self.points if space.is_points and self.points is not None else self.recipe
        changes = dict(changes or {})
        if recipe.d_lr is not None and "lr" in changes:
            changes.setdefault("d_lr", changes["lr"] * (recipe.d_lr / recipe.lr))
        recipe = replace(recipe, **changes)
        if self.latent_law is not None:
            recipe = replace(recipe, latent_law=self.latent_law)
        if self.latent_size is None or self._unsupported(space):  # a size that only a space it is for has
            return recipe
        return replace(recipe, latent_size=self.latent_size(space, recipe))

    def refuses(self, space: Space) -> str | None:
        """None, or one sentence that says why this cannot be trained on a space: `supports`, and labels or pairs."""
        if self.conditional and space.classes is None:
            return "It is conditioned on class labels, and the data have none; choose data with classes."
        if self.translates and space.inputs is None:
            return "It makes an image from an image, and the data are no pairs; choose data such as digits-edges."
        return self._unsupported(space)

    def _unsupported(self, space: Space) -> str | None:
        try:
            reason = self.supports(space)
        except Exception as error:  # a user's own code: whatever it raises is the variant's fault
            raise UsageError(f"supports of the variant {self.name} raised {type(error).__name__} ({error}); mend it.") from error
        if reason is not None and not (isinstance(reason, str) and reason):
            raise UsageError(f"supports of the variant {self.name} gave {reason!r}; let it give None or a sentence.")
        return reason


@dataclass(frozen=True)
class Control:
    """A row that is not trained: what a score looks like for data whose quality is known.

    `draw(dataset, count, generator)` gives `count` items in the form of the data set's own: (N, C, H, W) uint8 or (N, D) float32.
    It raises UsageError when more are asked for than there are.
    """

    name: str
    paper: str
    draw: Callable[[LoadedDataset, int, Generator], Tensor]
    family: str = "control"

    def __post_init__(self) -> None:
        """Raise UsageError for facts that no table can show."""
        _check_facts(self.name, self.family, self.paper)


def _check_facts(name: str, family: str, paper: str) -> None:
    if not (isinstance(name, str) and re.fullmatch(r"[a-z0-9]+([.-][a-z0-9]+)*", name)) or len(name) > 60:
        raise UsageError(f"{name!r} cannot be a variant's name; write it in small letters, digits and hyphens, such as my-gan.")
    if not (isinstance(family, str) and isinstance(paper, str)):
        raise UsageError(f"The variant {name} has family {family!r} and paper {paper!r}; both are text.")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


# Where a paper asks for nothing else: DCGAN's Adam (arXiv:1511.06434, section 4), and for points a larger step without
# momentum and a latent of 2, as PacGAN's and WGAN-GP's toy code have.
IMAGE_RECIPE = Recipe(lr=2e-4, betas=(0.5, 0.999), ema_decay=0.999)
POINT_RECIPE = Recipe(lr=2e-3, betas=(0.0, 0.9), latent_size=2, ema_decay=0.995)
