"""The training loop: S seeds of one variant on one data set, stacked. There is no other.

A step runs every phase of the variant in turn; a phase draws a fresh batch for each of its steps. Real batches follow a permutation
of the training part that is new for every seed and epoch (the incomplete last batch is left out); latents and other noise come
from one stream a seed. So a seed's training depends on no other seed, and not on when it was stopped or looked at.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ganbench.batches import Drawn, RealBatches
from ganbench.clock import Stopwatch
from ganbench.compiled import Batched, CompilationError, compile_gradients
from ganbench.dataset import LoadedDataset
from ganbench.errors import UsageError
from ganbench.execution import Execution, apart, arithmetic
from ganbench.generator import build_generator, draw_latents
from ganbench.lanes import Lanes
from ganbench.ranks import ALONE, Ranks
from ganbench.replay import Replays
from ganbench.rng import stream
from ganbench.shared_check import check_batch_shared, check_shared
from ganbench.shares import broadcast
from ganbench.stack import StackedNetwork, build, build_optimizer, check_draws_nothing, differentiate, laid_out_like
from ganbench.variant import Noise, Phase, Recipe, Space, Variant

log = logging.getLogger(__name__)


class Training:
    """The state of S seeds in training, and what moves it on.

    `curves` holds what was watched: `steps`, and by name (`d.loss`, `d.grad_norm`, `d.d_real`, ...) a list of S numbers for each of
    those steps. `diverged_at[s]` is the watched step at which seed s was first seen with a loss, gradient or parameter that is not
    finite, or None; the other seeds go on untouched. Several `ranks` all take every step, on the same batches and the same state;
    each runs networks on a share of their rows (`bound.SharedNetwork`), so that a step is one process's up to the order of sums.
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
        execution: Execution = Execution(),
        ranks: Ranks = ALONE,
    ) -> None:
        self.variant, self.recipe, self.seeds, self.steps, self.execution = variant, recipe, seeds, steps, execution
        self.ranks = ranks
        self.space = Space(dataset.shape, dataset.classes, dataset.inputs)
        if reason := variant.refuses(self.space):
            raise UsageError(f"{variant.name} cannot be trained on {dataset.name}: {reason}")
        self.device, self.dtype, self.watch_every = device, dtype, watch_every
        # What several processes tell each other keeps to one stream.
        self._apart = Lanes("cpu" if ranks.several else device, len(seeds)) if apart(dataset.shape) else None
        check_batch_shared(recipe.batch_size, ranks, variant.name)
        self.networks = build(variant, self.space, recipe, seeds, device, dtype, ranks.several, execution.bf16)
        self._unchecked = [phase.name for phase in variant.phases]
        if ranks.several and ranks.leads and execution.graphs and device.startswith("cuda"):
            log.warning("%s: in several processes its steps run one kernel at a time, not as CUDA graphs.", variant.name)
        self.batches = RealBatches(dataset, seeds, recipe.batch_size, device, dtype)
        self.optimizers = {phase.name: build_optimizer(phase, recipe, self.networks) for phase in variant.phases}
        self.average = {key: value.clone() for key, value in self._generator().state().items()} if recipe.ema_decay else None
        self.streams = {purpose: [stream(seed, purpose, device=device) for seed in seeds] for purpose in ("latent", "noise")}
        self.step, self.batches_drawn, self.compile_seconds = 0, 0, 0.0
        # What differs between steps, in tensors that stay where they are: a recorded step reads them.
        self._drawn: list[Drawn] = []  # of the step's draws in turn
        self._progress = torch.zeros(len(seeds), dtype=dtype, device=device)
        self._keep: float | Tensor = torch.zeros((), dtype=dtype, device=device) if device.startswith("cuda") else 0.0
        self._compiled: dict[str, Callable[[Batched], list[Tensor]] | None] = {}  # by phase; None: it cannot be compiled
        drawn_from = {purpose: self.streams[purpose] for purpose in ("latent", "noise") if purpose == "latent" or self._noisy}
        self._replays = Replays(variant.name, drawn_from, device) if self._replayed else None
        self.curves: dict[str, list[Any]] = {"steps": []}
        self.diverged_at: list[int | None] = [None] * len(seeds)

    @property
    def images_per_step(self) -> int:
        """Real samples that one seed draws in one step: a batch for each step of each phase that is not lazy."""
        return self.recipe.batch_size * sum(phase.steps(self.recipe) // phase.every for phase in self.variant.phases)

    @property
    def finished(self) -> bool:
        """True after the last step, and when no seed is left that has not diverged."""
        return self.step >= self.steps or None not in self.diverged_at

    @property
    def _replayed(self) -> bool:
        return self.execution.graphs and self.device.startswith("cuda") and not self.ranks.several

    @property
    def _noisy(self) -> bool:
        return any(phase.noise for phase in self.variant.phases)

    @property
    def executed(self) -> str:
        """How steps were executed, for the record: "eager" or "graphs", and "compiled" where their gradients were."""
        graphs = self._replays is not None and self._replays.refused is None and bool(self._replays.graphs)
        compiled = bool(self._compiled) and None not in self._compiled.values()
        return ("graphs" if graphs else "eager") + (", compiled" if compiled else "")

    def advance(self, until: int) -> None:
        """Train up to step `until`, or until `finished`. Watched steps are run eagerly: they read more than others."""
        while self.step < until and not self.finished:
            self.step += 1
            watch = self.step == 1 or self.step % self.watch_every == 0 or self.step == self.steps
            phases = [phase for phase in self.variant.phases if self.step % phase.every == 0]
            self._prepare(phases)
            if self._replays is not None and not watch:
                self._replays.play(phases, self._run)
                continue
            seen = self._run(phases, watch)
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
            "compile_seconds": self.compile_seconds,
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
            for leaf, kept in optimizer.state.items():
                kept.update({field: laid_out_like(leaf, value) for field, value in kept.items() if value.shape == leaf.shape})
        self.step, self.batches_drawn = facts["step"], facts["batches_drawn"]
        self.compile_seconds = facts.get("compile_seconds", 0.0)
        self.curves, self.diverged_at = facts["curves"], facts["diverged_at"]

    def _generator(self) -> StackedNetwork:
        return self.networks["generator"]

    def _prepare(self, phases: Sequence[Phase]) -> None:
        """Fill in what this step reads beside the networks: which samples it draws, and how far the training is."""
        draws = sum(phase.steps(self.recipe) for phase in phases)
        for place in range(draws):
            drawn = self.batches.draw(self.batches_drawn + place)
            if place < len(self._drawn):
                for name, kept in self._drawn[place].items():
                    kept.copy_(drawn[name])
            else:
                self._drawn.append({name: value.clone() for name, value in drawn.items()})
        self.batches_drawn += draws
        self._progress.fill_((self.step - 1) / self.steps)
        # The decay grows to its full value, so that the first steps are forgotten.
        keep = min(self.recipe.ema_decay, (1 + self.step) / (10 + self.step))
        self._keep = self._keep.fill_(1 - keep) if isinstance(self._keep, Tensor) else 1 - keep

    def _run(self, phases: Sequence[Phase], watch: bool = False) -> dict[str, Tensor]:
        """One training step of these phases. Where it is watched: what is to be noted, (S,) each."""
        seen: dict[str, Tensor] = {}
        draws = iter(self._drawn)
        with arithmetic(self.execution.tf32):
            for phase in phases:
                watched = watch and phase.every == 1  # else a curve would lack points
                for _ in range(phase.steps(self.recipe)):
                    noted = self._update(phase, next(draws), watched)
                seen.update(noted)
            if self.average is not None:
                self._follow(self.average)
        return seen

    def _update(self, phase: Phase, drawn: Drawn, watch: bool) -> dict[str, Tensor]:
        """One step of one phase; where it is watched, its loss, gradient norm and what the objective watches, (S,) each."""
        batch = self._draw(phase, drawn)
        leaves = [value for name in phase.updates for value in self.networks[name].parameters.values()]
        noted: dict[str, Tensor] = {}
        if phase.name in self._unchecked:
            if self._apart or len(self.seeds) == 1:
                check_draws_nothing(phase.objective, self.networks, batch)
            if self.ranks.several:
                check_shared(self.variant.name, phase, self.networks, batch)
            self._unchecked.remove(phase.name)
        if not watch and (compiled := self._compile(phase, batch)):
            gradients = compiled(batch)
        else:
            losses, watched, gradients = differentiate(phase.objective, self.networks, phase.updates, batch, self._apart)
            if watch:
                squares = [gradient.reshape(len(gradient), -1).square().sum(1) for gradient in gradients]  # (S,) each
                noted = {"loss": losses, "grad_norm": torch.stack(squares).sum(0).sqrt(), **watched}
        for leaf, gradient in zip(leaves, gradients, strict=True):
            leaf.grad = gradient
        self.optimizers[phase.name].step()
        if phase.constrain is not None:
            phase.constrain({f"{name}/{key}": value for name in phase.updates for key, value in self.networks[name].frozen.items()})
        return {f"{phase.name}.{name}": value for name, value in noted.items()}

    def _compile(self, phase: Phase, example: Batched) -> Callable[[Batched], list[Tensor]] | None:
        """The phase's compiled gradients, or None where they are not compiled."""
        if not self.execution.compile:
            return None
        if phase.name not in self._compiled:
            watch = Stopwatch(self.device)
            try:
                with watch:
                    self._compiled[phase.name] = compile_gradients(phase, self.networks, example, apart=self._apart)
            except CompilationError as error:
                log.warning("%s: %s", self.variant.name, error)
                self._compiled[phase.name] = None
            self.compile_seconds += watch.seconds
        return self._compiled[phase.name]

    def _draw(self, phase: Phase, drawn: Drawn) -> Batched:
        size = self.recipe.batch_size
        batch: Batched = self.batches.take(drawn)
        latents = [draw_latents(size, self.recipe, each, self.dtype) for each in self.streams["latent"]]
        batch["z"] = torch.stack(latents)  # (S, B, Z)
        batch["noise"] = {name: self._noise(each) for name, each in phase.noise.items()}
        batch["progress"] = self._progress
        return batch

    def _noise(self, noise: Noise) -> Tensor:
        """Noise (S, B, *its shape), each seed's from its own stream."""
        wanted = (self.recipe.batch_size, *noise.shape(self.space, self.recipe))
        drawn = torch.empty(len(self.seeds), *wanted, dtype=self.dtype, device=self.device)
        for each, generator in zip(drawn, self.streams["noise"], strict=True):
            each.normal_(generator=generator) if noise.law == "normal" else each.uniform_(generator=generator)
        return drawn

    @torch.no_grad()
    def _follow(self, average: dict[str, Tensor]) -> None:
        for key, value in self._generator().state().items():
            if value.is_floating_point():
                average[key].lerp_(value, self._keep)
            else:
                average[key].copy_(value)

    def _note(self, seen: dict[str, Tensor]) -> None:
        """Keep what was watched, and mark the seeds that are no longer finite. The only place that waits for the device."""
        if self.ranks.several:  # on processors that round differently they would part
            broadcast(*(value for net in self.networks.values() for value in net.state().values()), *seen.values())
        totals = [value.reshape(len(value), -1).sum(1) for net in self.networks.values() for value in net.frozen.values()]
        finite = torch.isfinite(torch.stack([*totals, *seen.values()])).all(0).tolist()
        self.curves["steps"].append(self.step)
        for name, value in seen.items():
            self.curves.setdefault(name, []).append([v if math.isfinite(v) else None for v in value.tolist()])
        for index, good in enumerate(finite):
            if not good and self.diverged_at[index] is None:
                self.diverged_at[index] = self.step
