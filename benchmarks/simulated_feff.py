"""A stand-in for FEFF that computes nothing: it sleeps and writes files in FEFF's format, and fails now and then.

    export WHITELINE_FEFF_COMMAND="python -I -S benchmarks/simulated_feff.py --seconds 30 --failures scf=0.05"

It measures the platform around FEFF: campaigns, queues, workers, stores. What it writes is read by the same parser, and
says that it is simulated: the version of the code is `FEFF 0.simulated`, and so is that of every stored document.

The spectrum is made up from the input alone – a step with a white line and damped waves, less of them the larger the
cluster – so that the same input always gives the same numbers. Which input fails, and how, is drawn from the input as
well, but not from its SCF, FOLP and POTENTIALS cards, so that what a ladder of repairs changes can mend it:

| failure | what is seen | mended by |
|---|---|---|
| `scf` | a spectrum, and FEFF's warning that the iterations ran out | mixing below 0.15, below 0.07 or nothing |
| `crash` | death by a segmentation fault | – |
| `exit` | a Fortran runtime error, status 2 | – |
| `memory` | death by signal 9, as the kernel ends what took too much | – |
| `hang` | nothing, until somebody ends it | – |
| `truncated` | status 0 and an xmu.dat that ends in the middle of a line | – |
| `disk` | a Fortran runtime error about the disk, status 2 | – |

With `--once FOLDER` all but `scf` happen once for an input and not again: failures of the machine. Imports only what
starts quickly, and nothing of Whiteline.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import signal
import sys
import time

# What reads it takes everything from `FEFF` to the next blank for the version.
VERSION = "FEFF 0.simulated"
FAILURES = ("scf", "crash", "exit", "memory", "hang", "truncated", "disk")
_HBAR2_2M = 3.80998212  # eV Å²
_MU, _CONTOUR_POINTS = -8.0, 20
# Screening constant and principal quantum number: Moseley's law, good to some percent.
_SHELLS = {"K": (3.0, 1), "L1": (9.0, 2), "L2": (11.0, 2), "L3": (12.0, 2)}
_MENDED_BELOW = (0.15, 0.15, 0.15, 0.07, 0.0)  # mixing, one of them for each input

Cards = dict[str, list[str]]
Rows = list[tuple[float, float, float, float]]


def read_cards(path: str) -> tuple[Cards, list[list[str]]]:
    """Return the arguments of each card of a feff.inp, and the rows of its POTENTIALS and EGRID."""
    cards: Cards = {}
    rows: list[list[str]] = []
    name = ""
    with open(path, encoding="utf-8") as file:  # noqa: PTH123  # pathlib takes longer to import than all the rest
        for line in file:
            words = line.split("*")[0].split()
            if not words:
                continue
            if words[0][0].isalpha() and "_" not in words[0]:
                name = words[0].upper()
                cards[name] = words[1:]
                if name == "END":
                    break
            elif name == "ATOMS":
                cards[name] += words[:4]
            else:
                rows.append([name, *words])
    return cards, rows


def draw(cards: Cards, purpose: str) -> random.Random:
    """Return random numbers that depend on the site, the edge and the clusters, and on nothing that repairs change."""
    names = ("TITLE", "EDGE", "FMS", "XANES", "COREHOLE", "EXCHANGE", "ATOMS")
    return random.Random("|".join([purpose, *(" ".join(cards.get(name, [])) for name in names)]))


def choose_failure(cards: Cards, rates: dict[str, float], marks: str) -> str:
    """Return how this input fails; empty when it does not."""
    number = draw(cards, "failure").random()
    for name, rate in rates.items():
        if number < rate:
            return "" if marks and name != "scf" and is_marked(cards, marks) else name
        number -= rate
    return ""


def is_marked(cards: Cards, folder: str) -> bool:
    """Return whether an input has failed before, and remember that it does now."""
    os.makedirs(folder, exist_ok=True)  # noqa: PTH103
    try:
        os.close(os.open(f"{folder}/{draw(cards, 'mark').getrandbits(64):016x}", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return True
    return False


def energy_mesh(cards: Cards, rows: list[list[str]]) -> list[float]:
    """Return the energies above the Fermi level that the cards ask for [eV]."""
    segments = [row[1:] for row in rows if row[0] == "EGRID"]
    if not segments:
        k_max, k_step = (float(word) for word in cards["XANES"][:2])
        segments = [["k_grid", "-1", str(k_max), str(k_step)]]
    energies: set[float] = set()
    for kind, *numbers in segments:
        start, stop, step = (float(number) for number in numbers)
        if kind == "exp_grid":
            n = int(math.log(max(stop, 1e-3) / max(start, 1e-3)) / step)
            energies |= {round(max(start, 1e-3) * math.exp(i * step), 9) for i in range(n)} | {stop}
            continue
        points = [start + i * step for i in range(round((stop - start) / step) + 1)]
        energies |= {round(x * abs(x) * _HBAR2_2M if kind == "k_grid" else x, 9) for x in points}
    return sorted(energies)


def make_spectrum(cards: Cards, mesh: list[float], width: float) -> Rows:
    """Return energy from the Fermi level [eV], wave number [1/Å], mu and mu0 of a spectrum that nobody computed."""
    numbers = draw({**cards, "FMS": []}, "spectrum")
    centre, height, phase, length = (numbers.uniform(*r) for r in ((2, 8), (0.1, 1.5), (0, 6.28), (3.5, 5.5)))
    # The larger the cluster the smaller the change that it makes, so that a series converges.
    waves = numbers.uniform(0.1, 0.3) * (1 + 2 * math.exp(-float(cards["FMS"][0]) / 1.5))
    rows = []
    for energy in mesh:
        k = math.copysign(math.sqrt(abs(energy) / _HBAR2_2M), energy)
        step = 0.5 + math.atan(2 * energy / width) / math.pi
        line = height / (1 + ((energy - centre) / (width + 1)) ** 2)
        wave = waves * math.sin(length * max(k, 0) + phase) * math.exp(-0.1 * max(k, 0))
        rows.append((energy, k, step * (1 + wave) + step * line, step))
    return rows


def write_xmu(cards: Cards, rows: list[list[str]], *, is_truncated: bool) -> None:
    """Write xmu.dat and emesh.dat as FEFF10 does."""
    charge = next(int(row[2]) for row in rows if row[:2] == ["POTENTIALS", "0"])
    shell = cards["EDGE"][0].upper()
    screening, n = _SHELLS.get(shell, (20.0, 3))
    threshold = 13.6057 * max(charge - screening, 1.0) ** 2 / n**2
    width = float(cards["CHWIDTH"][0]) if "CHWIDTH" in cards else 0.1 + 1.5 * (charge / 29) ** 3 / n**2
    _, shift, imaginary = (float(word) for word in (cards.get("EXCHANGE", []) + ["0"] * 3)[:3])
    spectrum = make_spectrum(cards, energy_mesh(cards, rows), width + 2 * imaginary)
    header = [
        f"# {' '.join(cards.get('TITLE', [])):60s} {VERSION}",
        f"# Abs   Z={charge:2d} Rmt= 1.300 Rnm= 1.400 {shell}  shell",
        f"# Gam_ch={width:.3E} H-L exch Vi= {imaginary:.3E} Vr= {shift:.3E}",
        f"# Mu={_MU:.3E}eV kf=1.900E+00 Vint=-1.600E+01eV Rs_int= 1.900",
        f"FMS rfms= {float(cards['FMS'][0]):.4f}",
        "SIMULATED: nothing was computed, this is no spectrum of anything",
        f"xsedge+ 50, used to normalize mu {2.5e-4 * 29 / charge:20.4E}",
        "-" * 71,
        "omega    e    k    mu    mu0     chi     @#",
    ]
    lines = [f"# {line}\n" for line in header]
    lines += [
        f" {threshold + e:19.10f} {_MU - shift + e:19.10f} {k:19.10f} {mu:19.10E} {mu0:19.10E} {mu - mu0:19.10E}\n"
        for e, k, mu, mu0 in spectrum
    ]
    text = "".join(lines)
    mesh = [(_MU - shift + e, k) for e, k, *_ in spectrum] + [(_MU - shift, 0.0)] * _CONTOUR_POINTS
    numbered = [f"{i:5d} {e:19.5f} {k:19.5f}\n" for i, (e, k) in enumerate(mesh, start=1)]
    _write("emesh.dat", "".join(["# ie, em(ie)*hart, xk(ie)\n", *numbered]))
    _write("xmu.dat", text[: len(text) * 2 // 3] if is_truncated else text)


def _write(name: str, text: str) -> None:
    with open(name, "w", encoding="utf-8") as file:  # noqa: PTH123
        file.write(text)


def say(text: str) -> None:
    """Print at once: what dies next leaves its words in the log."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def spend(seconds: float, started: float, *, is_busy: bool) -> None:
    """Let time pass until `seconds` after the start."""
    while (left := started + seconds - time.monotonic()) > 0:
        if not is_busy:
            time.sleep(left)


def fail(failure: str) -> int:
    """End as FEFF ends when this goes wrong; return the exit status where there is one."""
    if failure == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if failure == "memory":
        os.kill(os.getpid(), signal.SIGKILL)
    while failure == "hang":
        time.sleep(3600)
    if failure == "disk":
        say("At line 117 of file src/FMS/fmspack.f90 (unit = 8, file = 'gg.bin')")
        say("Fortran runtime error: No space left on device")
    else:
        say("At line 482 of file src/POT/scmt.f90")
        say("Fortran runtime error: Index '251' of dimension 1 of array 'rhoval' above upper bound of 250")
    return 2


def read_rates(text: str) -> dict[str, float]:
    """Return the rate of each failure.

    >>> read_rates("scf=0.05,crash=0.01")
    {'scf': 0.05, 'crash': 0.01}
    """
    rates = {name: float(rate) for name, _, rate in (part.partition("=") for part in text.split(",") if part)}
    if unknown := set(rates) - set(FAILURES):
        raise SystemExit(f"--failures: expected {', '.join(FAILURES)}, got {', '.join(sorted(unknown))}")
    if sum(rates.values()) > 1:
        raise SystemExit(f"--failures: the rates must add up to at most 1, got {sum(rates.values()):g}")
    return rates


def main() -> int:
    """Do as if the feff.inp of this folder were computed; return the exit status."""
    started = time.monotonic()
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=0.0, help="wall time of a run [s]")
    parser.add_argument("--spread", type=float, default=0.0, help="deviation of the wall times, relative")
    parser.add_argument("--busy", action="store_true", help="burn the time instead of sleeping")
    parser.add_argument("--failures", default="", help="rates, e.g. scf=0.05,crash=0.01; of " + ", ".join(FAILURES))
    parser.add_argument("--once", default="", help="folder of marks: failures other than scf happen once for an input")
    arguments = parser.parse_args()
    cards, rows = read_cards("feff.inp")
    if missing := {"EDGE", "FMS", "XANES", "ATOMS", "POTENTIALS"} - set(cards):
        say(f"the simulated FEFF knows absorption near the edge only: feff.inp has no {', '.join(sorted(missing))}")
        return 1
    say(f"Launching FEFF version {VERSION}\nSIMULATED: nothing is computed\nCalculating SCF potentials ...")
    failure = choose_failure(cards, read_rates(arguments.failures), arguments.once)
    gets_to_its_end = failure in ("", "scf", "truncated")
    seconds = arguments.seconds * (1 + arguments.spread * draw(cards, "seconds").uniform(-1, 1))
    spend(seconds if gets_to_its_end else seconds / 2, started, is_busy=arguments.busy)
    if not gets_to_its_end:
        return fail(failure)
    scf = cards.get("SCF")
    if scf:
        is_mended = float(scf[3]) < draw(cards, "mend").choice(_MENDED_BELOW)
        if failure == "scf" and not is_mended:
            say("WARNING Convergence not reached; ran out of iterations.")
        else:
            say(f"Convergence reached in {draw(cards, 'iterations').randint(8, 40):4d} iterations.")
    say("Done with module: potentials.\nCalculating XAS spectra ...")
    write_xmu(cards, rows, is_truncated=failure == "truncated")
    say("Done with module: XAS spectra (FF2X: DW + final sum over paths).")
    return 0


if __name__ == "__main__":
    sys.exit(main())
