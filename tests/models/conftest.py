"""Small made-up samples that models learn within a second."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from whiteline.models.samples import Samples


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Numbers to the last bit need one thread; networks this small are no faster with more."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def make_samples() -> Callable[..., Samples]:
    """A function that makes samples whose spectra are smooth functions of 6 features."""

    def make(
        n_sample: int = 64,
        *,
        absorber: str = "Cu",
        fidelity: str = "feff",
        seed: int = 0,
        height: float = 1.0,
        encoder: str = "made-up:6",
    ) -> Samples:
        random = np.random.default_rng([seed, *absorber.encode()])
        features = random.normal(size=(n_sample, 6))
        points = np.linspace(0.0, 10.0, 12)
        centre, width = 4.0 + features[:, :1], 1.5 + 0.3 * np.tanh(features[:, 1:2])
        peak = np.exp(-(((points - centre) / width) ** 2)) * (1 + 0.2 * features[:, 2:3])
        return Samples(
            ids=tuple(f"{absorber}-{seed}-{i}" for i in range(n_sample)),
            features=features.astype(np.float32),
            spectra=height * (1.0 + np.abs(peak)),
            points=points,
            zeros=np.full(n_sample, 100.0 + len(absorber)),
            absorbers=(absorber,) * n_sample,
            edges=("K",) * n_sample,
            fidelities=(fidelity,) * n_sample,
            materials=tuple(f"m-{absorber}-{seed}-{i // 2}" for i in range(n_sample)),
            formulas=("CuO",) * n_sample,
            unit="Mbarn",
            encoder=encoder,
            source=f"made-up-{seed}",
        )

    return make
