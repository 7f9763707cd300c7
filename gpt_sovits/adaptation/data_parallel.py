"""One training shared by the processes that torchrun started: each takes some of the batches of a step.

The result has the same bits as that of one process with the same options, because gradients and losses are added up in
the order of the batches, whoever computed them. That is why the gradients are sent one after the other and not through
torch's all-reduce, whose order of additions depends on the number of processes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from gpt_sovits.determinism import derive_seed

B = TypeVar("B")
R = TypeVar("R")


class DataParallel:
    """The processes that share a training. Outside of torchrun there is one.

    Invariant: between two calls all processes hold the same weights, gradients and optimiser states.

    Attributes:
        rank: number of this process, from 0. Process 0 writes what is kept.
        n: number of processes.
    """

    def __init__(self, device: str) -> None:
        """Connect to the other processes.

        Args:
            device: "cpu" or "cuda". On CUDA each process takes the GPU of its number on the machine.
        """
        self.rank, self.n = 0, 1
        if dist.is_torchelastic_launched():
            if device == "cuda":
                torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
            if not dist.is_initialized():
                dist.init_process_group("nccl" if device == "cuda" else "gloo")
            self.rank, self.n = dist.get_rank(), dist.get_world_size()

    @property
    def is_first(self) -> bool:
        """Return whether this process writes what is kept."""
        return self.rank == 0

    def require_work(self, recipe: str, accumulate_batches: int, *, section: str) -> None:
        """Check that a step has batches for every process.

        Raises:
            ValueError: it has not.
        """
        if self.n > 1 and (recipe != "voxfoundry" or accumulate_batches % self.n):
            raise ValueError(
                f"{section}: {self.n} processes share the batches of a step, so the recipe must be voxfoundry and "
                f"accumulate_batches a multiple of {self.n}, but they are {recipe} and {accumulate_batches}; set "
                "accumulate_batches and divide batch_size by it, or start one process"
            )

    def require_same(self, value: Any, *, section: str) -> None:
        """Check that all processes begin with the same inputs and the same stored state.

        Raises:
            ValueError: they do not.
        """
        if self.n > 1 and any(other != value for other in self._gather(value)):
            raise ValueError(
                f"{section}: the processes do not have the same inputs, options and stored state; start them with the "
                "same folder on a shared file system"
            )

    def run(self, batches: Sequence[B], module: nn.Module, backward: Callable[[B], R]) -> list[R]:
        """Add the gradients of all batches to those that a network holds.

        Args:
            batches: the batches of a step, the same in every process.
            module: the network.
            backward: computes the losses of a batch, calls backward(), and returns a picklable value.

        Returns:
            What `backward` returned for each batch, in their order.
        """
        if self.n == 1:
            return [backward(batch) for batch in batches]
        parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
        results: list[R] = []
        for start in range(0, len(batches), self.n):
            sums = [parameter.grad for parameter in parameters]
            _set_gradients(parameters, [None] * len(parameters))
            turn = batches[start : start + self.n]
            result = backward(turn[self.rank]) if self.rank < len(turn) else None
            own = [parameter.grad for parameter in parameters]
            for source in range(len(turn)):
                gradients = self._gradients_of(source, own, parameters)
                sums = [_add(total, gradient) for total, gradient in zip(sums, gradients, strict=True)]
            _set_gradients(parameters, sums)
            results += self._gather(result)[: len(turn)]
        return results

    def from_first(self, compute: Callable[[], R]) -> R:
        """Return what `compute` returns in process 0, which alone calls it."""
        values = [compute() if self.is_first else None]
        if self.n > 1:
            dist.broadcast_object_list(values, src=0)
        return values[0]

    def _gather(self, value: Any) -> list[Any]:
        values = [None] * self.n
        dist.all_gather_object(values, value)
        return values

    def _gradients_of(
        self, source: int, own: Sequence[Tensor | None], parameters: Sequence[nn.Parameter]
    ) -> list[Tensor | None]:
        """Return the gradients that a process has computed. One that its batch did not reach is None."""
        is_source = self.rank == source
        reached = torch.tensor([is_source and gradient is not None for gradient in own], device=parameters[0].device)
        dist.broadcast(reached, source)
        gradients: list[Tensor | None] = []
        for parameter, gradient, is_reached in zip(parameters, own, reached.tolist(), strict=True):
            if is_reached:
                gradient = gradient.contiguous() if is_source else torch.empty_like(parameter)
                dist.broadcast(gradient, source)
            gradients.append(gradient if is_reached else None)
        return gradients


def is_first_process() -> bool:
    """Return whether this process writes what is kept. True outside of torchrun."""
    return not dist.is_torchelastic_launched() or os.environ["RANK"] == "0"


def disconnect() -> None:
    """Leave the other processes, where there are any."""
    if dist.is_initialized():
        dist.destroy_process_group()


def seed_batch(*parts: int | str) -> None:
    """Seed the random numbers of a batch, so that they do not depend on the batches before it."""
    torch.manual_seed(derive_seed("batch", *parts))


def _set_gradients(parameters: Iterable[nn.Parameter], gradients: Iterable[Tensor | None]) -> None:
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient


def _add(total: Tensor | None, gradient: Tensor | None) -> Tensor | None:
    if gradient is None:
        return total
    return gradient.clone() if total is None else total.add_(gradient)
