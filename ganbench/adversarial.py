"""Variants of two networks and two losses of one signature, `(D, batch) -> scalar`, trained in turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ganbench.variant import (
    Batch,
    Network,
    Networks,
    Noise,
    Objective,
    Phase,
    Recipe,
    Space,
    Variant,
    discriminator_lr,
    discriminator_steps,
    everywhere,
    generator_steps,
)

if TYPE_CHECKING:
    from torch import Tensor, nn

AdversarialLoss = Callable[[Network, Batch], "Tensor"]


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
    d_noise: Mapping[str, Noise] | None = None,
    g_noise: Mapping[str, Noise] | None = None,
    d_constrain: Callable[[Mapping[str, Tensor]], None] | None = None,
    supports: Callable[[Space], str | None] = everywhere,
    conditional: bool = False,
    see: Callable[[Batch], Batch] | None = None,
) -> Variant:
    """A variant of two networks and two losses of one signature, `(D, batch) -> scalar`, trained in turn.

    In the discriminator's phase `batch.fake` is G(z), of a conditional variant G(z, labels), without a gradient to G; in the
    generator's phase it carries one. `see` changes the batch, real and fake, that the losses show to D. The means of D's
    outputs, of several the first, on real and on fake samples are watched in both phases.
    """
    return Variant(
        name=name,
        family=family,
        paper=paper,
        networks=networks,
        phases=(
            d_phase(played(d_loss, conditional, see), noise=d_noise, constrain=d_constrain),
            g_phase(played(g_loss, conditional, see), noise=g_noise),
        ),
        recipe=recipe,
        points=points,
        supports=supports,
        conditional=conditional,
    )


def d_phase(
    objective: Objective,
    also: tuple[str, ...] = (),
    noise: Mapping[str, Noise] | None = None,
    constrain: Callable[[Mapping[str, Tensor]], None] | None = None,
) -> Phase:
    """The phase "d" of the discriminator, and of the networks in `also`: the recipe's `d_steps` at its `d_lr`."""
    return Phase("d", ("discriminator", *also), objective, discriminator_steps, discriminator_lr, noise or {}, constrain)


def g_phase(objective: Objective, also: tuple[str, ...] = (), noise: Mapping[str, Noise] | None = None) -> Phase:
    """The phase "g" of the generator, and of the networks in `also`: the recipe's `g_steps` at its `lr`."""
    return Phase("g", ("generator", *also), objective, generator_steps, noise=noise or {})


def played(loss: AdversarialLoss, conditional: bool = False, see: Callable[[Batch], Batch] | None = None) -> Objective:
    """The objective that draws the fake samples, shows D and the batch (as changed by `see`) to a loss, and watches D's means."""

    def play(networks: Networks, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        fake = networks.generator(batch.z, batch.labels) if conditional else networks.generator(batch.z)
        batch = replace(batch, fake=fake)
        if see is not None:
            batch = see(batch)
        watched = _Watched(networks.discriminator, batch)
        return loss(watched, batch), watched.means

    return play


class _Watched:
    """D, with the mean of its output noted when it is shown the batch's real or fake samples themselves."""

    def __init__(self, discriminator: Network, batch: Batch) -> None:
        self.discriminator = discriminator
        self.batch = batch
        self.means: dict[str, Tensor] = {}

    def __call__(self, x: Tensor, *args: Any) -> Tensor:
        output = self.discriminator(x, *args)
        logits = output.detach().flatten(1)[:, 0] if output.ndim > 1 else output.detach()  # beside it stand classes or features
        if x is self.batch.real:
            self.means["d_real"] = logits.mean()
        elif x is self.batch.fake:
            self.means["d_fake"] = logits.mean()
        return output
