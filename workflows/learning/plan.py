"""What a training is: data, encoder, architecture, hyper-parameters and seeds, as one object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from monty.json import MSONable

from whiteline.errors import InputError, ParameterError, did_you_mean
from whiteline.workflows.learning.encoding import EncoderChoice

if TYPE_CHECKING:
    from whiteline.models.architectures import Architecture
    from whiteline.models.samples import Samples
    from whiteline.models.training import Hardware, TrainingParameters

__all__ = ["DEFAULT_ARCHITECTURE", "TrainingKind", "TrainingPlan"]

DEFAULT_ARCHITECTURE: Final = "residual-batch-norm"


class TrainingKind(StrEnum):
    """What comes of a training.

    `expert` knows one absorber, edge and fidelity, `universal` several, an `ensemble` has several members of either.
    `finetune` makes an expert from another model, `transfer` goes from one fidelity to another.
    """

    EXPERT = "expert"
    UNIVERSAL = "universal"
    ENSEMBLE = "ensemble"
    FINETUNE = "finetune"
    TRANSFER = "transfer"

    @property
    def has_parent(self) -> bool:
        """Whether it begins with a model."""
        return self in (TrainingKind.FINETUNE, TrainingKind.TRANSFER)


@dataclass(frozen=True, kw_only=True)
class TrainingPlan(MSONable):
    """A training; a job carries it as JSON.

    Attributes:
        data: Folder of a frozen dataset, or a table.
        kind: What is made.
        parent: Folder of the model that a `finetune` or `transfer` begins with.
        encoder: What makes the features; when None they are those of the table, else of the parent's encoder, else of
            CHGNet.
        architecture: Network; that of the parent where there is one.
        values: Hyper-parameters of network and training by name, on top of the defaults.
        seeds: One a member.
        absorber: Learn only of this one; likewise `edge` and `fidelity`.
        from_fidelity: What a `transfer` starts from, where the parent knows several.
        split_by: Kind of split; the dataset's own, or by formula, when empty.
        fractions: Of training, validation and test set of a new split, and `split_seed` its seed.
        structures: JSON with the structures of a table without features.
        skips_bad: Leave out structures that the encoder cannot take.
        device: `auto`, `cpu` or `cuda`, and `n_devices` how many.
        precision: `32-true`, or `bf16-mixed`.
        n_processes: Processes that encode.
        name: Of the model; that of its folder when empty.
        licence: Under which its weights may be passed on.

    Raises:
        ParameterError: Parts do not go together, or a hyper-parameter is unknown.
    """

    data: str
    kind: TrainingKind = TrainingKind.EXPERT
    parent: str = ""
    encoder: EncoderChoice | None = None
    architecture: str = DEFAULT_ARCHITECTURE
    values: Mapping[str, Any] = field(default_factory=dict)
    seeds: tuple[int, ...] = (0,)
    absorber: str | None = None
    edge: str | None = None
    fidelity: str | None = None
    from_fidelity: str | None = None
    split_by: str = ""
    fractions: tuple[float, float, float] = (0.8, 0.1, 0.1)
    split_seed: int = 0
    structures: str = ""
    skips_bad: bool = False
    device: str = "auto"
    n_devices: int = 1
    precision: str = "32-true"
    n_processes: int = 1
    name: str = ""
    licence: str = ""

    def __post_init__(self) -> None:
        # A job that comes back from JSON carries lists and texts.
        object.__setattr__(self, "kind", TrainingKind(self.kind))
        object.__setattr__(self, "seeds", tuple(self.seeds))
        low, middle, high = self.fractions
        object.__setattr__(self, "fractions", (low, middle, high))
        if self.kind.has_parent != bool(self.parent):
            raise ParameterError(
                f"a {self.kind} {'needs a model to begin with' if self.kind.has_parent else 'begins with no model'}, "
                f"got parent={self.parent!r}"
            )
        if self.kind is TrainingKind.ENSEMBLE and len(self.seeds) < 2:
            raise ParameterError(
                f"an ensemble has 2 members or more, got the seeds {list(self.seeds)}: give more seeds"
            )

    def split_values(self, architecture: str | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the hyper-parameters of the network and those of the training.

        Args:
            architecture: Name of the network; that of the plan when None.

        Raises:
            ParameterError: A name belongs to neither; the nearest is named.
        """
        from whiteline.models.architectures import ARCHITECTURES, make_architecture
        from whiteline.models.training import TrainingParameters

        name = architecture or self.architecture
        if name not in ARCHITECTURES:
            make_architecture(name)  # says which there are
        own, training = ARCHITECTURES[name].model_fields, TrainingParameters.model_fields
        for key in self.values:
            if key not in own and key not in training:
                hint = did_you_mean(key, [*own, *training])
                raise ParameterError(f"neither {name} nor its training has a hyper-parameter {key!r}: {hint}")
        return (
            {key: value for key, value in self.values.items() if key in own},
            {key: value for key, value in self.values.items() if key in training},
        )

    def make_architecture(self) -> Architecture:
        """Return the network's hyper-parameters.

        Raises:
            ParameterError: A name is unknown, or a value out of range.
        """
        from whiteline.models.architectures import make_architecture

        return make_architecture(self.architecture, **self.split_values()[0])

    def make_parameters(self) -> TrainingParameters:
        """Return the hyper-parameters of the training.

        Raises:
            ParameterError: A value is out of range.
        """
        from whiteline.models.training import TrainingParameters

        return TrainingParameters.of(**self.split_values()[1])

    def make_hardware(self) -> Hardware:
        """Return where it runs.

        Raises:
            ParameterError: There is no such device or precision.
        """
        from whiteline.models.training import Hardware

        known = ("32-true", "bf16-mixed")
        if self.precision not in known:
            raise ParameterError(f"unknown precision {self.precision!r}: {did_you_mean(self.precision, known)}")
        return Hardware(
            accelerator=self.device,
            n_devices=self.n_devices,
            precision="bf16-mixed" if self.precision == "bf16-mixed" else "32-true",
        )

    def check_channels(self, samples: Samples) -> None:
        """Look whether the samples are of as many absorbers, edges and fidelities as the kind of training takes.

        Raises:
            InputError: They are not; what there is is listed.
        """
        channels = sorted({*zip(samples.absorbers, samples.edges, samples.fidelities, strict=True)})
        listed = ", ".join(" ".join(channel) for channel in channels)
        if self.kind in (TrainingKind.EXPERT, TrainingKind.FINETUNE, TrainingKind.TRANSFER) and len(channels) > 1:
            raise InputError(
                f"{self.kind} learns one absorber, edge and fidelity, and {self.data} holds {listed}: choose with "
                "--absorber, --edge and --fidelity, or train a universal model"
            )
        if self.kind is TrainingKind.UNIVERSAL and len(channels) < 2:
            raise InputError(
                f"a universal model learns several absorbers, edges or fidelities together, and {self.data} holds only "
                f"{listed}: train an expert"
            )
