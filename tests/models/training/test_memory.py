"""A device with too little memory gives the same result in smaller pieces."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from whiteline.errors import CalculationError
from whiteline.models.architectures import Architecture, Network, ResidualMLP, XASBlock
from whiteline.models.model import SpectrumModel
from whiteline.models.samples import Samples
from whiteline.models.training import Hardware, TrainingParameters, fit

pytestmark = pytest.mark.usefixtures("one_thread")

MakeSamples = Callable[..., Samples]
BLOCK = XASBlock(widths=(16, 12), dropout=0.2)
RESIDUAL = ResidualMLP(width=16, n_block=1, dropout=0.2)


def train(make: MakeSamples, architecture: Architecture, seeds: tuple[int, ...]) -> SpectrumModel:
    return fit(
        make(40),
        make(24, seed=1),
        architecture=architecture,
        parameters=TrainingParameters(n_epochs=3, batch_size=16),
        seeds=seeds,
        hardware=Hardware(accelerator="cpu"),
    )


@pytest.fixture
def small_memory(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], list[int]]:
    """A function that lets networks run out of memory above a number of rows of all members, after they have run."""

    def limit(n_largest: int) -> list[int]:
        forward, refused = Network.forward, []

        def limited(self: Network, features: torch.Tensor, *args: object, **more: object) -> torch.Tensor:
            made = forward(self, features, *args, **more)  # type: ignore[arg-type]  # handed on as they came
            if (n_row := features.shape[0] * features.shape[1]) > n_largest:
                refused.append(n_row)
                raise torch.OutOfMemoryError("CUDA out of memory (injected)")
            return made

        monkeypatch.setattr(Network, "forward", limited)
        return refused

    return limit


@pytest.mark.parametrize(
    ("architecture", "seeds", "n_largest"),
    [(BLOCK, (0, 1, 2), 16), (RESIDUAL, (0, 1, 2), 16), (RESIDUAL, (0, 1), 5)],
    ids=["batch norm, fewer members", "fewer members", "fewer rows"],
)
def test_smaller_pieces_give_the_same_model(
    make_samples: MakeSamples,
    small_memory: Callable[[int], list[int]],
    architecture: Architecture,
    seeds: tuple[int, ...],
    n_largest: int,
) -> None:
    whole = train(make_samples, architecture, seeds)
    refused = small_memory(n_largest)
    pieces = train(make_samples, architecture, seeds)
    # Once for each halving of the training batch and of the validation part, not once a batch.
    assert 2 <= len(refused) <= 12
    for name, weight in whole.weights.items():
        # Sums in another order, nine steps of Adam; single precision.
        torch.testing.assert_close(pieces.weights[name], weight, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("architecture", "n_largest", "message"),
    [(BLOCK, 3, r"one member with 1\d rows .*batch norm needs the rows"), (RESIDUAL, 0, "one member with 1 rows")],
)
def test_where_nothing_is_small_enough_the_error_says_so(
    make_samples: MakeSamples,
    small_memory: Callable[[int], list[int]],
    architecture: Architecture,
    n_largest: int,
    message: str,
) -> None:
    small_memory(n_largest)
    with pytest.raises(CalculationError, match=message):
        train(make_samples, architecture, (0, 1))
