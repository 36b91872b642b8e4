"""The training loop: S seeds of one variant on one data set, stacked. There is no other.

A step runs every phase of the variant in turn; a phase draws a fresh batch for each of its steps. Real batches follow a permutation
of the training part that is new for every seed and epoch (the incomplete last batch is left out); latents and other noise come
from one stream a seed. So a seed's training depends on no other seed, and not on when it was stopped or looked at.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from ganbench.dataset import LoadedDataset
from ganbench.errors import UsageError
from ganbench.generator import build_generator, draw_latents, scaled
from ganbench.rng import stream
from ganbench.stack import StackedNetwork, build, evaluate
from ganbench.variant import Noise, Phase, Recipe, Space, Variant


def check_batch_size(dataset: LoadedDataset, batch_size: int) -> None:
    """Raise UsageError when the training part does not fill one batch."""
    if batch_size > len(dataset.train):
        raise UsageError(
            f"The batch size {batch_size} is more than the {len(dataset.train)} training samples of {dataset.name}; "
            "set a smaller batch_size in the suite's overrides."
        )


class RealBatches:
    """Batches of the training part, by number: the data lie on the device whole, as uint8 where they are images."""

    def __init__(self, dataset: LoadedDataset, seeds: list[int], batch_size: int, device: str, dtype: torch.dtype) -> None:
        check_batch_size(dataset, batch_size)
        self.items = dataset.train.items.to(device)
        self.labels = None if dataset.train.labels is None else dataset.train.labels.to(device)
        self.inputs = None if dataset.train.inputs is None else dataset.train.inputs.to(device)
        self.seeds, self.batch_size, self.dtype = seeds, batch_size, dtype
        self.per_epoch = len(dataset.train) // batch_size
        self._epoch = -1
        self._order = torch.empty(0)

    def draw(self, number: int) -> dict[str, Tensor]:
        """Batch `number`: real (S, B, *shape), images in [-1, 1], and labels (S, B) and inputs (S, B, C, H, W) if any."""
        epoch, position = divmod(number, self.per_epoch)
        if epoch != self._epoch:
            orders = [torch.randperm(len(self.items), generator=stream(seed, "epoch", epoch)) for seed in self.seeds]
            self._order = torch.stack(orders).to(self.items.device)  # (S, N)
            self._epoch = epoch
        at = position * self.batch_size
        chosen = self._order[:, at : at + self.batch_size]  # (S, B)
        batch = {"real": scaled(self.items[chosen], self.dtype)}
        if self.labels is not None:
            batch["labels"] = self.labels[chosen]
        if self.inputs is not None:
            batch["inputs"] = scaled(self.inputs[chosen], self.dtype)
        return batch


class Training:
    """The state of S seeds in training, and what moves it on.

    `curves` holds what was watched: `steps`, and by name (`d.loss`, `d.grad_norm`, `d.d_real`, ...) a list of S numbers for each of
    those steps. `diverged_at[s]` is the watched step at which seed s was first seen with a loss, gradient or parameter that is not
    finite, or None; the other seeds go on untouched.
    """

    def __init__(
        self,
        variant: Variant,
        recipe: Recipe,
        dataset: LoadedDataset,
        seeds: list[int],
        steps: int,
        *,
        watch_every: int = 50,
        device: str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.variant, self.recipe, self.seeds, self.steps = variant, recipe, seeds, steps
        self.space = Space(dataset.shape, dataset.classes, dataset.inputs)
        if reason := variant.refuses(self.space):
            raise UsageError(f"{variant.name} cannot be trained on {dataset.name}: {reason}")
        self.device, self.dtype, self.watch_every = device, dtype, watch_every
        self.networks = build(variant, self.space, recipe, seeds, device, dtype)
        self.batches = RealBatches(dataset, seeds, recipe.batch_size, device, dtype)
        self.optimizers = {phase.name: _optimizer(phase, recipe, self.networks) for phase in variant.phases}
        self.average = {key: value.clone() for key, value in self._generator().state().items()} if recipe.ema_decay else None
        self.streams = {purpose: [stream(seed, purpose, device=device) for seed in seeds] for purpose in ("latent", "noise")}
        self.step = 0
        self.batches_drawn = 0
        self.curves: dict[str, list[Any]] = {"steps": []}
        self.diverged_at: list[int | None] = [None] * len(seeds)

    @property
    def images_per_step(self) -> int:
        """Real samples that one seed sees in one step."""
        return self.recipe.batch_size * sum(phase.steps(self.recipe) // phase.every for phase in self.variant.phases)

    @property
    def finished(self) -> bool:
        """True after the last step, and when no seed is left that has not diverged."""
        return self.step >= self.steps or None not in self.diverged_at

    def advance(self, until: int) -> None:
        """Train up to step `until`, or until `finished`."""
        while self.step < until and not self.finished:
            self.step += 1
            watch = self.step == 1 or self.step % self.watch_every == 0 or self.step == self.steps
            seen: dict[str, Tensor] = {}
            for phase in self.variant.phases:
                if self.step % phase.every:
                    continue
                watched = watch and phase.every == 1  # else a curve would lack points
                for _ in range(phase.steps(self.recipe)):
                    noted = self._update(phase, watched)
                if watched:
                    seen.update(noted)
            if self.average is not None:
                self._follow()
            if watch:
                self._note(seen)

    def generator_state(self, index: int) -> dict[str, Tensor]:
        """A copy of one seed's scored generator, the averaged one where the recipe has an average: a float32 state dict."""
        if self.average is None:
            state = self._generator().seed_state(index)
        else:
            state = {key: value[index].to("cpu", copy=True) for key, value in self.average.items()}
        return {key: value.float() if value.is_floating_point() else value for key, value in state.items()}

    def generator(self, index: int) -> nn.Module:
        """One seed's scored generator as a module of its own, on the training's device."""
        return build_generator(self.variant, self.space, self.recipe, self.generator_state(index), self.device)

    def parameter_counts(self) -> dict[str, int]:
        """The number of parameters of each network of one seed."""
        count = len(self.seeds)
        return {name: sum(p.numel() for p in net.parameters.values()) // count for name, net in self.networks.items()}

    def tensors(self) -> dict[str, Tensor]:
        """Everything of the state that is a tensor, by name, sharing storage; with `facts` it is a checkpoint."""
        state = {f"{name}/{key}": value for name, net in self.networks.items() for key, value in net.state().items()}
        state |= {f"average/{key}": value for key, value in (self.average or {}).items()}
        for purpose, streams in self.streams.items():
            state |= {f"stream/{purpose}/{seed}": s.get_state() for seed, s in zip(self.seeds, streams, strict=True)}
        for phase, optimizer in self.optimizers.items():
            for number, kept in optimizer.state_dict()["state"].items():
                state |= {f"optimizer/{phase}/{number}/{key}": value for key, value in kept.items()}
        return state

    def facts(self) -> dict[str, Any]:
        """Everything of the state that is not a tensor, as plain values; numbers that are not finite become None."""
        return {
            "seeds": self.seeds,
            "step": self.step,
            "batches_drawn": self.batches_drawn,
            "diverged_at": self.diverged_at,
            "curves": self.curves,
        }

    def restore(self, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        """Continue from a checkpoint of the same variant, recipe, data set and seeds: what follows is equal to the bit."""
        with torch.no_grad():
            for name, net in self.networks.items():
                for key, value in net.state().items():
                    value.copy_(tensors[f"{name}/{key}"])
            for key, value in (self.average or {}).items():
                value.copy_(tensors[f"average/{key}"])
        for purpose, streams in self.streams.items():
            for seed, each in zip(self.seeds, streams, strict=True):
                each.set_state(tensors[f"stream/{purpose}/{seed}"].cpu())
        for phase, optimizer in self.optimizers.items():
            whole = optimizer.state_dict()
            for key, value in tensors.items():
                if key.startswith(f"optimizer/{phase}/"):
                    number, field = key.split("/")[2:]
                    whole["state"].setdefault(int(number), {})[field] = value
            optimizer.load_state_dict(whole)
        self.step, self.batches_drawn = facts["step"], facts["batches_drawn"]
        self.curves, self.diverged_at = facts["curves"], facts["diverged_at"]

    def _generator(self) -> StackedNetwork:
        return self.networks["generator"]

    def _update(self, phase: Phase, watch: bool) -> dict[str, Tensor]:
        """One step of one phase; where it is watched, its loss, gradient norm and what the objective watches, (S,) each."""
        batch = self._draw(phase)
        losses, watched = evaluate(phase.objective, self.networks, phase.updates, batch)
        leaves = [value for name in phase.updates for value in self.networks[name].parameters.values()]
        gradients = torch.autograd.grad(losses.sum(), leaves, allow_unused=True, materialize_grads=True)
        for leaf, gradient in zip(leaves, gradients, strict=True):
            # Fused Adam on a CPU (torch 2.15) reads a gradient's memory in order, whatever its strides.
            leaf.grad = gradient.contiguous()
        self.optimizers[phase.name].step()
        if phase.constrain is not None:
            phase.constrain({f"{name}/{key}": value for name in phase.updates for key, value in self.networks[name].frozen.items()})
        if not watch:
            return {}
        squares = [gradient.reshape(len(gradient), -1).square().sum(1) for gradient in gradients]  # (S,) each
        noted = {"loss": losses.detach(), "grad_norm": torch.stack(squares).sum(0).sqrt(), **watched}
        return {f"{phase.name}.{name}": value for name, value in noted.items()}

    def _draw(self, phase: Phase) -> dict[str, Any]:
        size = self.recipe.batch_size
        batch: dict[str, Any] = self.batches.draw(self.batches_drawn)
        self.batches_drawn += 1
        latents = [draw_latents(size, self.recipe, each, self.dtype) for each in self.streams["latent"]]
        batch["z"] = torch.stack(latents)  # (S, B, Z)
        batch["noise"] = {name: self._noise(each) for name, each in phase.noise.items()}
        done = (self.step - 1) / self.steps
        batch["progress"] = torch.full((len(self.seeds),), done, dtype=self.dtype, device=self.device)
        return batch

    def _noise(self, noise: Noise) -> Tensor:
        """Noise (S, B, *its shape), each seed's from its own stream."""
        wanted = (self.recipe.batch_size, *noise.shape(self.space, self.recipe))
        drawn = torch.empty(len(self.seeds), *wanted, dtype=self.dtype, device=self.device)
        for each, generator in zip(drawn, self.streams["noise"], strict=True):
            each.normal_(generator=generator) if noise.law == "normal" else each.uniform_(generator=generator)
        return drawn

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the average: the decay grows to its full value as (1 + t) / (10 + t), so that the first steps are forgotten."""
        if self.average is None:
            return
        decay = min(self.recipe.ema_decay, (1 + self.step) / (10 + self.step))
        for key, value in self._generator().state().items():
            if value.is_floating_point():
                self.average[key].lerp_(value, 1 - decay)
            else:
                self.average[key].copy_(value)

    def _note(self, seen: dict[str, Tensor]) -> None:
        """Keep what was watched, and mark the seeds that are no longer finite. The only place that waits for the device."""
        totals = [value.reshape(len(value), -1).sum(1) for net in self.networks.values() for value in net.frozen.values()]
        finite = torch.isfinite(torch.stack([*totals, *seen.values()])).all(0).tolist()
        self.curves["steps"].append(self.step)
        for name, value in seen.items():
            self.curves.setdefault(name, []).append([v if math.isfinite(v) else None for v in value.tolist()])
        for index, good in enumerate(finite):
            if not good and self.diverged_at[index] is None:
                self.diverged_at[index] = self.step


def _optimizer(phase: Phase, recipe: Recipe, networks: dict[str, StackedNetwork]) -> torch.optim.Optimizer:
    """Adam or RMSProp on the stacked parameters: elementwise, so one of them steps every seed."""
    leaves = [value for name in phase.updates for value in networks[name].parameters.values()]
    if recipe.optimizer == "rmsprop":
        return torch.optim.RMSprop(leaves, lr=phase.lr(recipe), alpha=recipe.betas[1])
    return torch.optim.Adam(leaves, lr=phase.lr(recipe), betas=recipe.betas, fused=True)
