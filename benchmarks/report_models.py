"""The blocks of `report.py` that are about features and models."""

from __future__ import annotations

from results_files import load

__all__ = [
    "accuracy",
    "bands",
    "copper",
    "divisions",
    "domain",
    "featurisation",
    "inside",
    "l_edges",
    "learning_curves",
    "prediction_speed",
    "splits",
    "training_speed",
]


def accuracy() -> str:
    """Return the table of models by absorber and code."""
    lines = [
        "| site spectra | training, test | expert | universal | fine-tuned | five: expert, universal, fine-tuned "
        "| published η: expert, universal, fine-tuned |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    kinds = ("expert", "universal", "tuned")
    for name, row in load("omnixas_models")["pool"].items():
        cells = [_errors(row[kind]) if kind in row else "–" for kind in kinds]
        together = ", ".join(f"{row[kind]['ensemble_eta']:.2f}" if kind in row else "–" for kind in kinds)
        published = ", ".join("–" if value is None else f"{value:.2f}" for value in row["published_eta"].values())
        lines.append(
            f"| {_set(name)} | {row['n_train']}, {row['n_test']} | {' | '.join(cells)} | {together} | {published} |"
        )
    return "\n".join(lines)


def divisions() -> str:
    """Return the table of fine-tuned models over experts."""
    results = load("omnixas_models")
    lines = [
        "| site spectra | five seeds, one division | another division, one seed each | chosen |",
        "|---|--:|--:|---|",
    ]
    for name, row in results["pool"].items():
        others = [each["tuned_against_expert"] for key, each in results["divisions"].items() if key.startswith(name)]
        ratios = ", ".join(f"{each['ratio']:.2f}" for each in others)
        lines.append(f"| {_set(name)} | {_paired(row['tuned_against_expert'])} | {ratios} | {row['tuned_way']} |")
    return "\n".join(lines)


def _set(key: str) -> str:
    """Return absorber and code, with which the keys of the results begin, for people."""
    absorber, code = key.split()[:2]
    return f"{absorber}, {code.upper()}"


def _errors(errors: dict[str, float]) -> str:
    return f"{errors['eta']:.2f} ± {errors['eta_sd']:.2f} ({errors['median_mse']:.4f})"


def _paired(test: dict[str, float]) -> str:
    p = f"p = {test['p_value']:.2g}" if test["p_value"] >= 1e-4 else "p < 1e-4"
    return f"{test['ratio']:.2f} ({test['low']:.2f} to {test['high']:.2f}), {p}"


def learning_curves() -> str:
    """Return the table of cross-fidelity transfer by number of spectra of the dear code."""
    lines = [
        "| spectra of | training | from scratch | from the universal FEFF model | over from scratch | chosen |",
        "|---|--:|--:|--:|--:|---|",
    ]
    for key, point in load("omnixas_models")["curves"].items():
        lines.append(
            f"| {_set(key)} | {point['n_train']} | {_errors(point['alone'])} "
            f"| {_errors(point['transferred'])} | {_paired(point['transferred_against_alone'])} | {point['way']} |"
        )
    return "\n".join(lines)


def copper() -> str:
    """Return the table of copper on the authors' own parts and by formula."""
    lines = [
        "| division | features | network | training, test | one model | over the recipe | five together "
        "| over the recipe |",
        "|---|---|---|--:|--:|--:|--:|--:|",
    ]
    rows = sorted(load("omnixas_models")["copper"].values(), key=lambda row: row["kind"] != "recipe")
    # The authors leave outliers out: with or without them, the recipe beside is that without.
    base = next(row["median_mse"] for row in rows if row["kind"] == "recipe")
    for split in dict.fromkeys(row["split"] for row in rows):
        for row in (each for each in rows if each["split"] == split):
            network = "published recipe" if row["kind"] == "recipe" else "`residual-batch-norm`"
            ratios = [
                f"{row[key] / base:.2f}" if split.startswith("authors") else "–"
                for key in ("median_mse", "ensemble_median_mse")
            ]
            lines.append(
                f"| {split} | `{row['encoder']}` | {network} | {row['n_train']:,}, {row['n_test']} | {_errors(row)} "
                f"| {ratios[0]} | {row['ensemble_eta']:.2f} ({row['ensemble_median_mse']:.4f}) | {ratios[1]} |"
            )
    return "\n".join(lines)


def inside() -> str:
    """Return the table of what bands of real models hold on test data."""
    results = load("omnixas_models")
    rows = [
        (f"{_set(name)}, {kind}", row["n_test"], row["inside"][kind])
        for name, row in results["pool"].items()
        for kind in ("expert", "tuned")
    ]
    rows += [
        (f"Cu, FEFF, {row['split']}, `{row['encoder']}`", row["n_test"], row["inside"])
        for row in results["copper"].values()
        if row["kind"] == "ours"
    ]
    levels = list(rows[0][2])
    lines = ["| ensemble of five | test spectra | " + " | ".join(f"{100 * float(x):.0f} %" for x in levels) + " |"]
    lines.append("|---|--:|" + "--:|" * len(levels))
    for name, n_test, shares in rows:
        cells = [f"{100 * shares[level]:.0f} %" if level in shares else "–" for level in levels]
        lines.append(f"| {name} | {n_test} | {' | '.join(cells)} |")
    return "\n".join(lines)


def training_speed() -> str:
    """Return the table of training beside the published recipe."""
    results = load("training_speed")
    rows = results["rows"]
    base = rows["published recipe"]
    lines = [
        "| training | samples per processor second | smallest validation MSE | processor time to the recipe's "
        "| ratio |",
        "|---|--:|--:|--:|--:|",
    ]
    for name, row in rows.items():
        reached = row["to_target"]
        cells = "not reached | –"
        if reached is not None:
            ratio = base["to_target"]["cpu_s"] / reached["cpu_s"]
            cells = f"{reached['cpu_s']:.0f} s, epoch {reached['epoch']} | {ratio:.1f} ×"
        rate = row["samples_per_cpu_s"]
        lines.append(
            f"| {name} | {rate:,.0f} ({rate / base['samples_per_cpu_s']:.1f} ×) "
            f"| {row['best_validation_mse']:.5f} | {cells} |"
        )
    workers = results["published_with_workers"]
    lines += [
        "",
        f"{results['n_train']:,} training and {results['n_validation']} validation spectra. With "
        f"{workers['n_workers']} loader processes the recipe does {workers['samples_per_cpu_s']:,.0f} samples per "
        "processor second, theirs included.",
    ]
    return "\n".join(lines)


def prediction_speed() -> str:
    """Return the table of predictions a second."""
    results = load("prediction_speed")
    feff = results["feff_median_s_per_spectrum"]
    lines = [
        "| features | structures/s | sites/s | spectra/s from features | with domain check "
        "| faster than FEFF: fast preset, published parameters |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for row in results["rows"]:
        faster = " ×, ".join(f"{row['faster_than_feff'][key]:,.0f}" for key in feff)
        lines.append(
            f"| {_features(row['encoder'])} | {row['structures_per_cpu_s']:.1f} | {row['sites_per_cpu_s']:.1f} "
            f"| {row['spectra_per_cpu_s_from_features']:,.0f} "
            f"| {row['spectra_per_cpu_s_from_features_with_domain_check']:,.0f} | {faster} × |"
        )
    lines += [
        "",
        f"{results['n_crystals']} crystals of copper, {results['mean_atoms']:.0f} atoms on average, "
        f"{results['n_member']} members, one core, no cache. FEFF takes {feff['fast_s']:.0f} s a spectrum with the "
        f"fast preset and {feff['published_s']:.0f} s with the published parameters (medians of six copper sites).",
    ]
    return "\n".join(lines)


def _features(encoder: str) -> str:
    """Return name and blocks of the id of an encoder; a bar between two would end the cell of a table."""
    parts = (part.split(":") for part in encoder.split("|"))
    return " with ".join(f"{name} ({blocks})" for name, _, blocks, _ in parts)


def l_edges() -> str:
    """Return the table of Cu L2,3 by cross-validation."""
    results = load("copper_l_edges")
    lines = [
        "| training spectra | told by | median MSE (Mbarn²) | η | R² | error of the L3 height (Mbarn) |",
        "|--:|---|--:|--:|--:|--:|",
    ]
    for each in results["learning_curve"]:
        for name, row in each["errors"].items():
            lines.append(
                f"| {each['n_train']} | {name} | {row['median_mse']:.4f} | {row['eta']:.2f} | {row['r2']:.2f} "
                f"| {row['l3_height_mae']:.3f} |"
            )
    return "\n".join(lines)


def featurisation() -> str:
    """Return the table of encoders beside other evaluations of the same networks."""
    r = load("featurisation")
    parity = r["deviation_from_published_64"]
    lines = ["| evaluation, one structure of copper at a time unless said | structures per CPU second |", "|---|--:|"]
    lines += [f"| {name} | {speed:.0f} |" for name, speed in r["structures_per_cpu_second"].items()]
    one, two = r["cores"]
    rates = [row["structures_per_wall_s_once_started"] for row in (one, two)]
    here, stock = parity["here"], parity["matgl as released"]
    lines += [
        "",
        f"Structures have {r['mean_atoms']:.0f} atoms on average; M3GNet here is {r['ratio_to_matgl']:.1f} times as "
        f"fast as matgl's own evaluation. Its 64 features differ from the published ones of {here['n_sites']} copper "
        f"sites by at most {here['largest']:.1e} of the largest feature of a site (median {here['median']:.1e}); those "
        f"of matgl {r['versions']['matgl']} with the same weights by {stock['largest']:.1f} "
        f"(median {stock['median']:.1e}, {stock['n_sites']} sites).",
        "",
        f"One process does {rates[0]:.0f} structures a second of wall time, {two['workers']} do {rates[1]:.0f} "
        f"({rates[1] / rates[0]:.2f} ×) once they have started, which takes {two['start_s']:.0f} s.",
    ]
    return "\n".join(lines)


def splits() -> str:
    """Return the table of η by split."""
    results = load("model_splits")
    lines = [
        "| split | " + " | ".join(f"η, {name} ({n:,} spectra)" for name, n in results["n"].items()) + " |",
        "|---|" + "--:|" * len(results["n"]),
    ]
    for row in results["rows"]:
        cells = []
        for etas in row["eta"].values():
            mean = sum(etas) / len(etas)
            spread = (sum((eta - mean) ** 2 for eta in etas) / max(1, len(etas) - 1)) ** 0.5
            cells.append(f"{mean:.1f} ± {spread:.1f}" if len(etas) > 1 else f"{mean:.1f} (no seed)")
        lines.append(f"| `{row['split']}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def bands() -> str:
    """Return the table of what bands hold."""
    results = load("model_splits")
    lines = ["| band | raw spread holds | scaled holds |", "|---|--:|--:|"]
    for i, level in enumerate(results["levels"]):
        cells = []
        for name in ("raw", "scaled"):
            shares = [100 * each[name][i] for each in results["bands"]]
            cells.append(f"{min(shares):.0f} to {max(shares):.0f} %")
        lines.append(f"| {100 * level:.0f} % | {' | '.join(cells)} |")
    return "\n".join(lines)


def domain() -> str:
    """Return the table of left-out chemistry."""
    rows = load("model_domain")["rows"]
    rules = list(rows[0]["auroc"])
    lines = ["| features, elements left out | " + " | ".join(rules) + " |", "|---|" + "--:|" * len(rules)]
    for encoder in dict.fromkeys(row["encoder"] for row in rows):
        for is_chosen, words in ((True, "that chose the rule"), (False, "others")):
            own = [row for row in rows if row["encoder"] == encoder and row["chose"] == is_chosen]
            cells = []
            for rule in rules:
                values = [row["auroc"][rule] for row in own]
                cells.append(f"{sum(values) / len(values):.2f} ({min(values):.2f} to {max(values):.2f})")
            lines.append(f"| `{encoder}`, {words}: {', '.join(row['element'] for row in own)} | {' | '.join(cells)} |")
    return "\n".join(lines)
