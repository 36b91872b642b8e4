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
    """What one sample is: its shape, (D,) for points or (C, H, W) for images, and the number of classes where it has any."""

    shape: tuple[int, ...]
    classes: int | None = None

    @property
    def is_points(self) -> bool:
        """True for points, False for images."""
        return len(self.shape) == 1


@dataclass(frozen=True)
class Recipe:
    """How a variant is trained. `dataclasses.replace` makes an ablation; every field stands in the record."""

    lr: float = 2e-4  # step size, of the generator and of every network without its own
    d_lr: float | None = None  # step size of the discriminator; None: lr
    betas: tuple[float, float] = (0.5, 0.999)  # Adam's; RMSProp reads the second as its smoothing constant
    optimizer: Literal["adam", "rmsprop"] = "adam"
    batch_size: int = 64
    d_steps: int = 1  # discriminator steps to one generator step
    latent_size: int = 100
    latent_law: Literal["normal", "uniform"] = "normal"  # N(0, 1), or uniform in [-1, 1]
    ema_decay: float = 0.0  # of the averaged generator that is scored; 0: the last generator is scored

    def __post_init__(self) -> None:
        """Raise UsageError for a value that no training can have: a misspelt law would otherwise pass for another one."""
        right = {
            "lr": _is_number(self.lr) and self.lr > 0,
            "d_lr": self.d_lr is None or (_is_number(self.d_lr) and self.d_lr > 0),
            "betas": len(self.betas) == 2 and all(_is_number(beta) and 0 <= beta < 1 for beta in self.betas),
            "optimizer": self.optimizer in ("adam", "rmsprop"),
            "batch_size": isinstance(self.batch_size, int) and self.batch_size >= 2,
            "d_steps": isinstance(self.d_steps, int) and self.d_steps >= 1,
            "latent_size": isinstance(self.latent_size, int) and self.latent_size >= 1,
            "latent_law": self.latent_law in ("normal", "uniform"),
            "ema_decay": _is_number(self.ema_decay) and 0 <= self.ema_decay < 1,
        }
        for name, good in right.items():
            if not good:
                raise UsageError(f"A recipe cannot have {name} = {getattr(self, name)!r}; change it.")


@dataclass(frozen=True)
class Batch:
    """What an objective sees. All randomness is drawn outside, from per-seed streams, so that objectives are functions.

    `labels` belong to `real`, and the generator's class labels are the same ones. `uniform` is drawn only for a phase that asks.
    """

    real: Tensor  # (B, *shape)
    z: Tensor  # (B, latent_size)
    fake: Tensor | None = None  # (B, *shape)
    labels: Tensor | None = None  # (B,) int64
    uniform: Tensor | None = None  # (B, 1, ...) or (B, *shape), in [0, 1)


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
AdversarialLoss = Callable[[Network, Batch], "Tensor"]
Uniform = Literal["none", "per-sample", "per-element"]


def once(recipe: Recipe) -> int:
    """The usual number of steps of a phase: 1."""
    return 1


def recipe_lr(recipe: Recipe) -> float:
    """The usual step size of a phase: the recipe's `lr`."""
    return recipe.lr


def everywhere(space: Space) -> str | None:
    """The answer of a variant that applies to every space: None."""
    return None


@dataclass(frozen=True)
class Phase:
    """One kind of update inside a training step: draw a batch, descend `objective` in the parameters of `updates`, constrain.

    Each phase keeps its own optimiser state. `constrain` gets the updated networks' parameters by name, each with a leading axis
    of seeds, and changes them in place, elementwise or seed by seed.
    """

    name: str
    updates: tuple[str, ...]
    objective: Objective
    steps: Callable[[Recipe], int] = once
    lr: Callable[[Recipe], float] = recipe_lr
    uniform: Uniform = "none"  # the noise that the objective reads in batch.uniform: none, one number a sample, or one an element
    constrain: Callable[[Mapping[str, Tensor]], None] | None = None


@dataclass(frozen=True)
class Variant:
    """A generative model that the training loop can train.

    `networks(space, recipe)` builds the modules of one seed; one of them is called "generator" and maps z (B, latent_size) to
    samples (B, *space.shape). `points` is the recipe for points where it differs from that for images.
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

    def __post_init__(self) -> None:
        """Raise UsageError for facts that no table can show, and where there is nothing to train."""
        _check_facts(self.name, self.family, self.paper)
        if not self.phases:
            raise UsageError(
                f"The variant {self.name} has no phases, so nothing would be trained; give it one, or make it a Control."
            )

    def recipe_for(self, space: Space) -> Recipe:
        """The recipe for points or for images."""
        return self.points if space.is_points and self.points is not None else self.recipe


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


def adversarial(
    *,
    name: str,
    family: str,
    paper: str,
    networks: Callable[[Space, Recipe], dict[str, nn.Module]],
    d_loss: AdversarialLoss,
    g_loss: AdversarialLoss,
    recipe: Recipe,
    points: Recipe | None = None,
    d_uniform: Uniform = "none",
    d_constrain: Callable[[Mapping[str, Tensor]], None] | None = None,
    supports: Callable[[Space], str | None] = everywhere,
) -> Variant:
    """A variant of two networks and two losses of one signature, `(D, batch) -> scalar`, trained in turn.

    In the discriminator's phase `batch.fake` is G(z) without a gradient to G; in the generator's phase it carries one. The means of
    D's outputs on real and on fake samples are watched in both phases.
    """

    def objective(loss: AdversarialLoss) -> Objective:
        def play(networks: Networks, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
            batch = replace(batch, fake=networks.generator(batch.z))
            watched = _Watched(networks.discriminator, batch)
            return loss(watched, batch), watched.means

        return play

    def d_lr(recipe: Recipe) -> float:
        return recipe.lr if recipe.d_lr is None else recipe.d_lr

    phases = (
        Phase("d", ("discriminator",), objective(d_loss), lambda r: r.d_steps, d_lr, d_uniform, d_constrain),
        Phase("g", ("generator",), objective(g_loss)),
    )
    return Variant(
        name=name, family=family, paper=paper, networks=networks, phases=phases, recipe=recipe, points=points, supports=supports
    )


class _Watched:
    """D, with the mean of its output noted when it is shown the batch's real or fake samples themselves."""

    def __init__(self, discriminator: Network, batch: Batch) -> None:
        self.discriminator = discriminator
        self.batch = batch
        self.means: dict[str, Tensor] = {}

    def __call__(self, x: Tensor, *args: Any) -> Tensor:
        output = self.discriminator(x, *args)
        if x is self.batch.real:
            self.means["d_real"] = output.detach().mean()
        elif x is self.batch.fake:
            self.means["d_fake"] = output.detach().mean()
        return output
