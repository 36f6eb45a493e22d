"""Missing values filled in: the error of aevb's means beside that of what a user would pick instead, on the same cells.

`python -m benchmarks.imputation`: the digits with 30, 50 and 80% of all values missing completely at random, in
training and in test rows; a model learns from the incomplete training rows, and fills in both.
"""

import argparse
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from aevb import IWAE, AdamW

from . import machine, results

SHARES = (0.3, 0.5, 0.8)
# Standardized columns, since a step of Adam is then of the right size for all of them; decay and the choice of the best
# epoch on held-out training rows, since 1500 rows are few: variances that fit them too well make intervals too narrow.
RECIPE = {
    "missing": "nan",
    "scale": "standard",
    "likelihood": "gaussian",
    "objective": IWAE(n_samples=5),
    "n_latents": 20,
    "hidden": (500,),
    "validation": 0.1,
    "epochs": 200,
    "optimizer": AdamW(weight_decay=0.03, learning_rate=3e-3, warmup=50, schedule="cosine"),
    "random_state": 0,
}
N_SAMPLES, N_DRAWS, COMPLETE_SAMPLES = 1000, 100, 1000
PCA_COMPONENTS, NEIGHBOURS = (5, 10, 15), (5, 10, 20)
Filled = tuple[np.ndarray, np.ndarray]


def dequantized(x: np.ndarray, seed: int) -> np.ndarray:
    """Pixels of 0 to 16 with uniform noise of one step, in [0, 1], for all methods alike.

    Of whole numbers, and of pixels that are nearly always 0, densities are without bound.
    """
    noise = np.random.default_rng(seed).random(x.shape)
    return ((np.rint(16 * x) + noise) / 17).astype(np.float32)


def with_holes(x: np.ndarray, share: float, seed: int) -> np.ndarray:
    """The rows with this share of all values missing, each on its own."""
    return np.where(np.random.default_rng(seed).random(x.shape) < share, np.nan, x).astype(np.float32)


def column_means(train: np.ndarray, test: np.ndarray) -> Filled:
    """What is known without looking at a row."""
    mean = np.nanmean(train, axis=0)
    return np.where(np.isnan(train), mean, train), np.where(np.isnan(test), mean, test)


def iterative_pca(n_components: int) -> Callable[[np.ndarray, np.ndarray], Filled]:
    """Regularized iterative PCA (Josse & Husson 2012), its components those of the training rows."""

    def fill(train: np.ndarray, test: np.ndarray) -> Filled:
        full, _ = column_means(train, test)
        for _ in range(300):
            mean = full.mean(axis=0)
            u, s, v = np.linalg.svd(full - mean, full_matrices=False)
            noise = np.mean(s[n_components:] ** 2)
            shrunk = np.maximum(s[:n_components] ** 2 - noise, 0) / s[:n_components]
            fit = (u[:, :n_components] * shrunk) @ v[:n_components] + mean
            before, full = full, np.where(np.isnan(train), fit, train)
            if np.abs(full - before).max() < 1e-4:
                break
        kept, filled = shrunk / s[:n_components], np.where(np.isnan(test), mean, test)
        for _ in range(300):
            fit = ((filled - mean) @ v[:n_components].T * kept) @ v[:n_components] + mean
            filled = np.where(np.isnan(test), fit, test)
        return full, filled

    return fill


def nearest(n_neighbours: int) -> Callable[[np.ndarray, np.ndarray], Filled]:
    """scikit-learn's KNNImputer."""

    def fill(train: np.ndarray, test: np.ndarray) -> Filled:
        from sklearn.impute import KNNImputer

        imputer = KNNImputer(n_neighbors=n_neighbours, weights="distance", keep_empty_features=True).fit(
            train
        )
        return imputer.transform(train), imputer.transform(test)

    return fill


def chained(train: np.ndarray, test: np.ndarray) -> Filled:
    """scikit-learn's IterativeImputer, held within the values that pixels have."""
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer

    imputer = IterativeImputer(random_state=0, min_value=0, max_value=1, keep_empty_features=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that it did not converge in its 10 rounds
        return imputer.fit_transform(train), imputer.transform(test)


def peers() -> dict[str, Callable[[np.ndarray, np.ndarray], Filled]]:
    """What a user would pick instead; of the settings of a peer the best counts, chosen by its error on test cells."""
    return {
        "column means": column_means,
        **{f"iterative PCA, {k} components": iterative_pca(k) for k in PCA_COMPONENTS},
        **{f"KNNImputer, {k} neighbours": nearest(k) for k in NEIGHBOURS},
        "IterativeImputer": chained,
    }


def compared(errors: np.ndarray, other: np.ndarray) -> dict[str, float]:
    """RMSE of ours less that of another, from squared errors per row, and the standard error of the difference.

    Rows are what is drawn independently. The difference of two roots of means is linearized around them.
    """
    ours, theirs = np.sqrt(errors.sum(0)[0] / errors.sum(0)[1]), np.sqrt(other.sum(0)[0] / other.sum(0)[1])
    n = errors.sum(0)[1]
    influence = (errors[:, 0] - ours**2 * errors[:, 1]) / (2 * ours)
    influence -= (other[:, 0] - theirs**2 * other[:, 1]) / (2 * theirs)
    return {"difference": float(ours - theirs), "error": float(np.sqrt(np.sum(influence**2)) / n)}


def squared_errors(filled: np.ndarray, x: np.ndarray, holes: np.ndarray) -> np.ndarray:
    """Per row the sum of squared errors over hidden cells, and how many there are."""
    hidden = np.isnan(holes)
    return np.stack(
        [np.where(hidden, filled - x, 0).astype(float) ** 2 @ np.ones(x.shape[1]), hidden.sum(1)], 1
    )


def share_covered(filled: Any, x: np.ndarray, holes: np.ndarray, changing: np.ndarray) -> dict[str, float]:
    """How often 90% intervals hold the truth: between quantiles of the draws, on columns that are not constant."""
    low, high = np.quantile(filled.draws, [0.05, 0.95], axis=0)
    hidden = np.isnan(holes) & changing
    inside = (low <= x) & (x <= high)
    by_row = np.where(hidden, inside, 0).sum(1) - inside[hidden].mean() * hidden.sum(1)
    return {
        "share": float(inside[hidden].mean()),
        "error": float(np.sqrt(np.sum(by_row**2)) / hidden.sum()),
        "by_normal": float((np.abs(filled.mean - x) <= 1.645 * filled.sd)[hidden].mean()),
    }


def log_marginal(model: Any, x: np.ndarray) -> np.ndarray:
    """log p(x) per row from refined posteriors: an encoder that has seen no complete row is no guide to one."""
    import jax

    from aevb import inference

    key = jax.random.key(0)
    recognition, method = inference.Refined(model.autoencoder, key), inference.Importance(COMPLETE_SAMPLES)
    return inference.log_marginal(model.autoencoder.model, recognition, model.prepare(x), key, method).log_p


def main() -> int:
    """Fill in, compare, and write the section "imputation"."""
    from aevb import VAE
    from aevb.datasets import load
    from aevb.inference import ImportanceImputation

    parser = argparse.ArgumentParser(prog="python -m benchmarks.imputation", description=__doc__)
    parser.parse_args()
    machine.use_cores()
    about, digits = machine.describe(), load("digits")
    x = {"train": dequantized(digits.x_train, 10), "test": dequantized(digits.x_test, 11)}
    changing = digits.x_train.std(0) > 0
    log_p, shares = {}, []
    for share in (0.0, *SHARES):
        holes = {split: with_holes(rows, share, seed) for seed, (split, rows) in enumerate(x.items())}
        vae = VAE(**RECIPE).fit(holes["train"])
        log_p[share] = log_marginal(vae.model_, x["test"])
        if not share:
            continue
        method = ImportanceImputation(N_SAMPLES)
        found = {split: vae.model_.impute(rows, method, N_DRAWS) for split, rows in holes.items()}
        ours = {split: squared_errors(found[split].mean, x[split], holes[split]) for split in x}
        rows = []
        for name, fill in peers().items():
            filled = dict(zip(x, fill(holes["train"], holes["test"]), strict=True))
            theirs = {split: squared_errors(filled[split], x[split], holes[split]) for split in x}
            rows.append(
                {
                    "name": name,
                    **{f"{split}_rmse": root_mean(theirs[split]) for split in x},
                    **{split: compared(ours[split], theirs[split]) for split in x},
                }
            )
            print(share, rows[-1], flush=True)
        shares.append(
            {
                "share": share,
                "rows": rows,
                **{f"{split}_rmse": root_mean(ours[split]) for split in x},
                "covered": share_covered(found["test"], x["test"], holes["test"], changing),
                "reliable": float(found["test"].reliable.mean()),
                "loss": mean_and_error(log_p[0.0] - log_p[share]),
            }
        )
        print(share, {k: v for k, v in shares[-1].items() if k != "rows"}, flush=True)
    section = {"machine": about, "n_samples": N_SAMPLES, "recipe": {k: str(v) for k, v in RECIPE.items()}}
    results.update("imputation", {**section, "shares": shares})
    print(f"wrote {results.JSON} and {results.MARKDOWN}")
    return 0


def root_mean(errors: np.ndarray) -> float:
    """The RMSE from what `squared_errors` gives."""
    return float(np.sqrt(errors[:, 0].sum() / errors[:, 1].sum()))


def mean_and_error(values: np.ndarray) -> dict[str, float]:
    """A mean over rows and its standard error."""
    values = values.astype(float)
    return {"mean": float(values.mean()), "error": float(values.std(ddof=1) / len(values) ** 0.5)}


if __name__ == "__main__":
    sys.exit(main())
