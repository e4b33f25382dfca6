"""Feed damaged files to every reader of `whiteline ingest`; anything but Whiteline's own errors is a failure.

    python benchmarks/fuzz_readers.py --minutes 60 [--reader athena …] [--seed 0] [--output fuzz-failures]

Each case is a real file, or the folder of a run, with some of its bytes changed, or random bytes behind
a beginning that the reader knows. A case that fails is saved with its traceback. The script ends with a count of cases
and failures by reader, and with 1 where anything failed.
"""

from __future__ import annotations

import argparse
import atexit
import gzip
import hashlib
import io
import json
import random
import resource
import shutil
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Final, TypeAlias

from whiteline.calculators.vasp.outcar import read_outcar
from whiteline.database import SpectrumStore, open_store
from whiteline.database.ingest import Entry, IngestOptions, Skipped
from whiteline.database.ingest.measured_files import MeasuredReader
from whiteline.database.ingest.table_files import TableReader
from whiteline.database.ingest.walk import list_folder
from whiteline.database.ingest.xas_json import XasJsonReader
from whiteline.edges import Edge
from whiteline.errors import WhitelineError
from whiteline.workflows.ingest.exciting import ExcitingRuns
from whiteline.workflows.ingest.feff import FeffRuns
from whiteline.workflows.ingest.ocean import OceanRuns
from whiteline.workflows.ingest.vasp import VaspRuns
from whiteline.workflows.ingest.xspectra import XSpectraRuns

__all__ = ["READERS", "Case", "make_case", "mutate", "read_case"]

DATA: Final = Path(__file__).parents[1] / "tests" / "data"
# What damage looks like: numbers that are none, depth, other encodings, ends and sizes.
_TOKENS: Final = (
    *(b"NaN", b"inf", b"-inf", b"1e999", b"-1", b"0", b"1e-320", b"99999999999999999999", b"0x1F", b"1.0D+400", b"***"),
    *(
        b"\x00",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"\n",
        b"\r",
        b"\n\n\n",
        b"\t",
        b",",
        b";",
        b"'",
        b'"',
        b"\\",
        b"#",
        b"@x",
    ),
    *(
        b"[" * 200,
        b"(" * 200,
        b"{" * 200,
        b"]",
        b")",
        b"}",
        b"undef",
        b"bless(",
        b"[record]",
        b"1;",
        b"../../etc",
        b"null",
    ),
    *("Ω²³".encode(), "٣".encode(), b"K" * 3000, b"1 " * 3000, b"&lol;", b"<!--", b"true", b"1_000"),
)

_MOST_MEMORY: Final = 6 * 2**30

Files: TypeAlias = Mapping[str, bytes]


@dataclass(frozen=True)
class Case:
    """One damaged file or folder.

    Attributes:
        reader: Name of the reader.
        files: Content by path.
    """

    reader: str
    files: Files


def mutate(content: bytes, rng: random.Random) -> bytes:
    """Return content with one to eight random changes."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 3, 8))):
        at = rng.randrange(len(data) + 1)
        end = min(len(data), at + rng.choice((1, 2, 8, 64, 1024)))
        change = rng.randrange(7)
        if change == 0:
            data[at:at] = rng.choice(_TOKENS)
        elif change == 1:
            data[at:end] = rng.choice(_TOKENS)
        elif change == 2:
            del data[at:end]
        elif change == 3:
            data[at:at] = data[at:end]
        elif change == 4 and at < len(data):
            data[at] ^= 1 << rng.randrange(8)
        elif change == 5:
            del data[at:]
        else:
            data[at:end] = rng.randbytes(end - at)
    return bytes(data)


def make_case(reader: str, seed: int) -> Case:
    """Return the case of a seed: the same for the same seed and data."""
    rng = random.Random(seed)  # no secret
    seeds = _seeds()[reader]
    files = dict(rng.choice(seeds))
    if len(files) == 1 and rng.random() < 0.1:
        name, content = next(iter(files.items()))
        return Case(reader, {name: content[: rng.randrange(64)] + rng.randbytes(rng.randrange(4096))})
    # The layer that packs a file is damaged seldom, what is inside often.
    for name in rng.sample(sorted(files), k=min(len(files), rng.choice((1, 1, 2)))):
        content = files[name]
        if content.startswith(b"\x1f\x8b") and rng.random() < 0.9:
            files[name] = gzip.compress(mutate(gzip.decompress(content), rng), mtime=0, compresslevel=1)
        else:
            files[name] = mutate(content, rng)
    if len(files) > 1 and rng.random() < 0.1:
        del files[rng.choice(sorted(files))]
    return Case(reader, files)


def read_case(case: Case, folder: Path) -> str:
    """Write a case into a folder, read and store it; return `taken`, `failed`, `refused` or `surprised`.

    `failed` is what was taken as a calculation that failed, `surprised` a refusal for an error that the reader of a
    code did not foresee.

    Raises:
        Exception: Whatever is not Whiteline's own: the failure that is looked for.
    """
    for name, content in case.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    options = IngestOptions(absorber="Cu", edge=Edge.K)
    outcome = "refused"
    try:
        for one in _READ[case.reader](folder, options):
            if isinstance(one, Skipped):
                continue
            _store().put(one.document, files=one.files)
            _store().delete(one.document.id)
            if outcome != "taken":
                outcome = "taken" if one.document.status.has_spectrum else "failed"
    except WhitelineError as error:
        return "surprised" if "holds a damaged file of" in str(error) else "refused"
    return outcome


@lru_cache(maxsize=1)
def _store() -> SpectrumStore:
    folder = Path(mkdtemp(prefix="fuzz-store-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return open_store(folder / "spectra.db")


def _file_reader(reader: MeasuredReader | TableReader | XasJsonReader) -> Callable[..., Iterator[Entry | Skipped]]:
    def read(folder: Path, options: IngestOptions) -> Iterator[Entry | Skipped]:
        for path in sorted(folder.iterdir()):
            reader.claims(path)
            yield from reader.read(path, options)

    return read


def _run_reader(
    reader: FeffRuns | VaspRuns | OceanRuns | ExcitingRuns | XSpectraRuns,
) -> Callable[..., Iterator[Entry | Skipped]]:
    def read(folder: Path, options: IngestOptions) -> Iterator[Entry | Skipped]:
        run = reader.find(list_folder(folder))
        if run is not None:
            yield from run.read(options)

    return read


_READ: Final[Mapping[str, Callable[..., Iterator[Entry | Skipped]]]] = {
    "xdi": _file_reader(MeasuredReader()),
    "columns": _file_reader(MeasuredReader()),
    "athena": _file_reader(MeasuredReader()),
    "xas-json": _file_reader(XasJsonReader()),
    "table": _file_reader(TableReader()),
    "feff": _run_reader(FeffRuns()),
    "vasp": _run_reader(VaspRuns()),
    "vaspout": _run_reader(VaspRuns()),
    "ocean": _run_reader(OceanRuns()),
    "exciting": _run_reader(ExcitingRuns()),
    "xspectra": _run_reader(XSpectraRuns()),
}
READERS: Final = tuple(_READ)

_CACHE: dict[str, list[dict[str, bytes]]] = {}


def _seeds() -> dict[str, list[dict[str, bytes]]]:
    if not _CACHE:
        _CACHE.update(_make_seeds())
    return _CACHE


def _make_seeds() -> dict[str, list[dict[str, bytes]]]:
    columns = b"# energy mu\n" + b"".join(b"%d %.3f\n" % (8900 + 5 * i, 0.1 + (i > 16)) for i in range(60))
    return {
        "xdi": [{"scan.xdi": path.read_bytes()} for path in sorted((DATA / "measured").glob("*.xdi"))],
        "columns": [{"scan.dat": columns}, {"scan.csv": columns.replace(b" ", b",")}],
        "athena": [
            {"project.prj": gzip.compress(_perl_project(), mtime=0)},
            {"project.prj": _perl_project()},
            {"project.prj": gzip.compress(_json_project(), mtime=0)},
        ],
        "xas-json": [{"xas.json": _xas_json()}, {"xas.json.gz": gzip.compress(_xas_json(), mtime=0)}],
        "table": [{"pool.parquet": _table()}],
        "feff": [
            _folder(DATA / "feff" / "mp-1203", ("feff.inp", "xmu.dat")),
            {
                "feff.inp": (DATA / "feff" / "XANES" / "GeCl_4" / "feff.inp").read_bytes(),
                "xmu.dat": (DATA / "feff" / "XANES" / "GeCl_4" / "referencexmu.dat").read_bytes(),
            },
        ],
        "vasp": [_folder(DATA / "vasp" / "Li7P3S11", ("OUTCAR", "INCAR", "POSCAR", "KPOINTS"))],
        "vaspout": [{"vaspout.h5": _vaspout()}],
        "ocean": [_folder(DATA / "ocean" / name, ()) for name in ("diamond", "lif_oncv")],
        "exciting": [_folder(DATA / "exciting" / name, ()) for name in ("BN", "TiO2")],
        "xspectra": [_folder(DATA / "xspectra" / "diamond", ())],
    }


def _folder(home: Path, names: tuple[str, ...]) -> dict[str, bytes]:
    paths = [home / name for name in names] or sorted(path for path in home.rglob("*") if path.is_file())
    return {path.relative_to(home).as_posix(): path.read_bytes() for path in paths}


def _scan() -> tuple[list[float], list[float]]:
    energy = [8900.0 + 5.0 * i for i in range(60)]
    return energy, [0.1 + (1.0 if e > 8979 else 0.0) + 0.001 * (e - 8900) for e in energy]


def _perl_project() -> bytes:
    energy, mu = _scan()
    args = "'label','Cu foil','bkg_z','Cu','fft_edge','K','bkg_eshift','1.5','titles',['a','b\\'c'],'annotation',undef"
    lists = [",".join(f"'{value}'" for value in values) for values in (energy, mu)]
    group = f"$old_group = 'abcde';\n@args = ({args});\n@x = ({lists[0]});\n@y = ({lists[1]});\n[record]   #\n\n"
    head = "# Athena project file -- Demeter version 0.9.26\n# This file created at 2020-01-01T00:00:00\n\n"
    return f'{head}{group}{group}@journal = ("line \\x{{3a9}}");\n\n1;\n\n# Local Variables:\n# End:\n'.encode()


def _json_project() -> bytes:
    energy, mu = _scan()
    group = {"args": {"label": "Cu foil", "bkg_z": "Cu", "fft_edge": "K"}, "x": energy, "y": [str(y) for y in mu]}
    head = {"_____header1": "# Athena project file -- Demeter version 0.9.26", "_____order": ["abcde"]}
    return json.dumps({**head, "abcde": group}).encode()


def _xas_json() -> bytes:
    from pymatgen.core import Lattice, Structure

    energy, mu = _scan()
    copper = Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.61), ["Cu"], [[0, 0, 0]])
    spectrum = {"x": energy, "y": mu, "structure": copper.as_dict(), "absorbing_element": "Cu", "edge": "K"}
    return json.dumps([{"material_id": "mp-30", "spectrum": {**spectrum, "absorbing_index": 0}}, spectrum]).encode()


def _table() -> bytes:
    import pyarrow as pa  # type: ignore[import-untyped]  # ships no types
    import pyarrow.parquet as pq  # type: ignore[import-untyped]  # ships no types

    n = 20
    _, mu = _scan()
    columns = {
        "material_id": [f"mp-{i}" for i in range(n)],
        "site_index": list(range(n)),
        "absorber": ["Cu"] * n,
        "edge": ["K"] * n,
        "fidelity": ["feff"] * n,
        "energy_start_ev": [8975.0] * n,
        "energy_step_ev": [0.25] * n,
        "spectrum": [[value + i for value in mu] for i in range(n)],
    }
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer, compression="none")
    return buffer.getvalue()


def _vaspout() -> bytes:
    """Return a vaspout.h5 with the numbers of the OUTCAR."""
    import h5py  # type: ignore[import-untyped]  # ships no types
    import numpy as np

    output = read_outcar(DATA / "vasp" / "Li7P3S11" / "OUTCAR")
    axis = np.linspace(0.0, 30.0, 200)
    tensor = np.zeros((3, 3, len(axis), 2))
    tensor[range(3), range(3), :, 1] = np.tanh(axis)
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name, value in {
            "version/major": 6,
            "version/minor": 5,
            "version/patch": 1,
            "results/electron_dos/efermi": 3.7,
            **{f"input/incar/{tag}": value for tag, value in {"ICORELEVEL": 2, "CLNT": 1, "CLN": 1, "CLL": 0}.items()},
            "results/positions/ion_types": np.array([name.encode() for name in output.elements]),
            "results/positions/number_ion_types": np.array(output.counts),
            "results/positions/lattice_vectors": output.lattice,
            "results/positions/position_ions": output.positions,
            "intermediate/ion_dynamics/electronic_step_converged": np.array([0]),
            "intermediate/ion_dynamics/oszicar": np.zeros((16, 7)),
            "results/linear_response/XAS_energies_dielectric_function": axis,
            "results/linear_response/XAS_dielectric_function": tensor,
        }.items():
            file[name] = value
    return buffer.getvalue()


def main() -> int:
    """Run cases until the time is over; return 1 where one failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=1.0, help="how long")
    parser.add_argument("--reader", action="append", choices=READERS, help="only this one; repeatable")
    parser.add_argument("--seed", type=int, default=0, help="first seed")
    parser.add_argument("--output", type=Path, default=Path("fuzz-failures"), help="folder of failures")
    arguments = parser.parse_args()
    # What would need more memory than this is a failure like others.
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
    slowest = (0.0, "")
    end = time.monotonic() + 60.0 * arguments.minutes
    counts: Counter[tuple[str, str]] = Counter()
    seed = arguments.seed
    while time.monotonic() < end:
        for reader in arguments.reader or READERS:
            case = make_case(reader, seed)
            started = time.monotonic()
            with TemporaryDirectory(prefix="fuzz-") as name:
                try:
                    outcome = read_case(case, Path(name))
                except Exception:  # noqa: BLE001  # what is looked for
                    outcome = "FAILED"
                    _save(case, seed, traceback.format_exc(), arguments.output)
            counts[reader, outcome] += 1
            slowest = max(slowest, (time.monotonic() - started, f"{reader}, seed {seed}"))
        seed += 1
    for reader in arguments.reader or READERS:
        found = {outcome: n for (of, outcome), n in sorted(counts.items()) if of == reader}
        sys.stdout.write(f"{reader:10} {sum(found.values()):8} cases  {found}\n")
    n_failed = sum(n for (_, outcome), n in counts.items() if outcome == "FAILED")
    sys.stdout.write(f"slowest case: {slowest[0]:.1f} s, {slowest[1]}\n")
    sys.stdout.write(f"{sum(counts.values())} cases, {n_failed} failures, seeds {arguments.seed} to {seed - 1}\n")
    return 1 if n_failed else 0


def _save(case: Case, seed: int, trace: str, output: Path) -> None:
    key = hashlib.sha256(trace.splitlines()[-1].encode()).hexdigest()[:8]
    folder = output / f"{case.reader}-{key}-{seed}"
    for name, content in case.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (folder / "traceback.txt").write_text(trace, encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
