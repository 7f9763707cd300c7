"""What the small ECAPA is trained to do: tell speakers apart, and place them as the teacher does."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from metrics.judges.ecapa_small.config import TrainConfig


class AngularMargin(nn.Module):
    """AAM-softmax. The class weights are directions, and the right class must win by an angle.

    Source: Deng et al. 2019, arxiv.org/abs/1801.07698.
    """

    def __init__(self, embedding_size: int, n_classes: int, scale: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_classes, embedding_size))
        nn.init.xavier_uniform_(self.weight)
        self.scale = scale

    def forward(self, embeddings: Tensor, labels: Tensor, margin: float) -> Tensor:
        """Return the loss.

        Args:
            embeddings: (B, D).
            labels: (B,) classes.
            margin: angle in radians.
        """
        cosine = F.linear(F.normalize(embeddings), F.normalize(self.weight))  # (B, n_classes)
        angle = cosine.clamp(-1 + 1e-6, 1 - 1e-6).acos()
        target = F.one_hot(labels, cosine.shape[1]).bool()
        harder = (angle + margin).clamp_max(math.pi).cos()
        return F.cross_entropy(self.scale * torch.where(target, harder, cosine), labels)


@dataclass(frozen=True)
class Losses:
    """The parts of the loss of one step, each a scalar, before they are weighted."""

    labels: Tensor  # AAM-softmax
    direction: Tensor  # 1 - cosine between the mapped embedding and the teacher's
    relations: Tensor  # mean squared difference of the cosines of pairs of crops


class Distillation(nn.Module):
    """The losses of the training: speaker labels, the teacher's directions, and the teacher's cosines of pairs.

    The mean of the teacher's embeddings is removed, because they are non-negative and all share a large part. What
    remains separates speakers better and uses the whole range of the cosine.
    """

    targets: Tensor

    def __init__(self, targets: Tensor, embedding_size: int, settings: TrainConfig) -> None:
        """Take over the teacher's embeddings.

        Args:
            targets: (n_classes, D) of unit norm.
            embedding_size: of the student.
            settings: scale of the AAM-softmax and the weights of the parts.
        """
        super().__init__()
        self.angular_margin = AngularMargin(embedding_size, len(targets), settings.scale)
        self.map = nn.Linear(embedding_size, targets.shape[1], bias=False)
        self.register_buffer("targets", F.normalize(targets - targets.mean(dim=0)), persistent=False)
        self._settings = settings

    def forward(self, embeddings: Tensor, labels: Tensor, margin: float) -> tuple[Tensor, Losses]:
        """Return the weighted loss and its parts.

        Args:
            embeddings: (B, embedding_size) of the student.
            labels: (B,) classes, each at most once.
            margin: of the AAM-softmax, in radians.
        """
        targets = self.targets[labels]
        units = F.normalize(embeddings)
        pairs = ~torch.eye(len(labels), dtype=torch.bool)
        parts = Losses(
            labels=self.angular_margin(embeddings, labels, margin),
            direction=(1 - F.cosine_similarity(self.map(units), targets)).mean(),
            relations=(units @ units.T - targets @ targets.T)[pairs].square().mean(),
        )
        settings = self._settings
        return (
            settings.labels_weight * parts.labels
            + settings.direction_weight * parts.direction
            + settings.relations_weight * parts.relations
        ), parts
