"""A trained model with what belongs to it: how rows are prepared, what its bound is called, what a row is."""

import dataclasses
import math
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float, Num

from aevb import inference
from aevb.datasets import Scaling, Support, check_rows
from aevb.errors import InvalidDataError, InvalidModelFileError, InvalidRecipeError
from aevb.inference.for_use import RowSearch, as_trained, for_use
from aevb.inference.importance import DEFAULT_SAMPLES
from aevb.models import (
    AutoEncoder,
    CodeSpace,
    Likelihood,
    Recognition,
    code_width,
    learned,
    load_model,
    save_model,
)
from aevb.models.noise import Noise
from aevb.objectives import Objective
from aevb.preparation import Beyond, Preparation
from aevb.recipe import CUSTOM, Recipe
from aevb.selection import BUILDERS, bound_name, build_objective
from aevb.training import evaluation_key
from aevb.typing import PRNGKey

COUNTS = frozenset(("epoch", "step", "samples_seen", "seconds"))  # in every evaluation record
IMPOSSIBLE = "their log p(x) is -inf"


@dataclasses.dataclass(frozen=True)
class TrainedModel:
    """A model that can be used. Rows go in and come out in the user's units.

    Args:
        autoencoder: p(z) p(x|z) and q(z|x).
        preparation: how rows become what the model is given.
        recipe: how it was trained.
        is_normalized: whether p(x|z) is a density or mass function of such rows, see `aevb.assembly.Assembly`.
        feature_names: of the columns, where known.
        image_shape: height and width, where a row is an image.
        importance_samples: draws per row with which an estimator scores.
        history: the evaluation records of an estimator's fit; those of a run are in its folder.
    """

    autoencoder: AutoEncoder
    preparation: Preparation
    recipe: Recipe
    is_normalized: bool
    feature_names: tuple[str, ...] | None = None
    image_shape: tuple[int, int] | None = None
    importance_samples: int = DEFAULT_SAMPLES
    history: tuple[dict[str, Any], ...] = ()

    @property
    def likelihood(self) -> Likelihood:
        """p(x|z) of a cell."""
        return self.autoencoder.model.likelihood

    @property
    def n_features(self) -> int:
        """The number of columns."""
        return self.autoencoder.model.n_features

    @property
    def space(self) -> CodeSpace:
        """Where codes lie."""
        return self.autoencoder.model.space

    @property
    def code_width(self) -> int:
        """The number of columns of codes."""
        return self.space.width

    @property
    def _expected_width(self) -> int:
        return code_width(self.recipe.posterior.name, self.recipe.latents, self.recipe.posterior.n_categories)

    @property
    def sees_missing(self) -> bool:
        """Whether it was trained on rows that may lack values, so that NaN is one."""
        return self.recipe.missing == "nan"

    @property
    def recognition(self) -> Recognition:
        """From prepared rows to their posteriors."""
        return self.autoencoder.posterior

    @property
    def trainable(self) -> AutoEncoder:
        """The autoencoder as training goes on from it."""
        return as_trained(self.autoencoder)

    @cached_property
    def objective(self) -> Objective:
        """What it is judged by: what it was trained to maximize, where that is a bound."""
        return build_objective(self.recipe, self.autoencoder).evaluated

    @property
    def bound(self) -> str:
        """What its bound is called: "evidence lower bound", for grey pixels under a Bernoulli "cross-entropy bound"."""
        return bound_name(self.objective, normalized=self.is_normalized)

    @property
    def is_binary_only(self) -> bool:
        """Whether it knows values of 0 and 1 only, and nothing makes others binary."""
        return self.likelihood.is_binary and self.is_normalized and self.recipe.scale.binarize == "none"

    @property
    def pixel_range(self) -> tuple[float, float] | None:
        """Black and white in the user's units, for likelihoods whose means have limits; None for others."""
        limits = self.likelihood.mean_range
        if limits is None:
            return None
        low, high = self._undo(np.array(limits)[:, None] * np.ones(self.n_features))
        return float(low.min()), float(high.max())

    def prepare(
        self,
        x: Num[np.ndarray, "rows features"],
        *,
        training: bool = False,
        allow_missing: bool | None = None,
    ) -> Float[np.ndarray, "rows features"]:
        """Rows as the model is given them: checked, scaled, and binary if it was trained on binary pixels.

        Args:
            x: rows in the user's units.
            training: keep the pixels grey that training makes binary anew whenever it sees them.
            allow_missing: let NaN pass, as a missing value; by default if the model was trained with such.

        A value that the likelihood does not know, such as one beyond the range of the training rows under a likelihood
        of values in [0, 1], is taken as the nearest that it knows, and a warning says how many rows have one.

        Raises:
            InvalidDataError: what cannot be used, and where.
        """
        rows, beyond = self._prepared(x, training=training, allow_missing=allow_missing)
        self._warn(x, beyond, "they count as the nearest that it knows")
        return rows

    def _prepared(
        self,
        x: Num[np.ndarray, "rows features"],
        *,
        training: bool = False,
        allow_missing: bool | None = None,
    ) -> tuple[Float[np.ndarray, "rows features"], Beyond]:
        """What `prepare` gives, and which cells lay beyond the limits of the likelihood."""
        about = {"n_features": self.n_features, "feature_names": self.feature_names}
        x = check_rows(
            x, allow_missing=self.sees_missing if allow_missing is None else allow_missing, **about
        )
        support = self.likelihood.domain
        if support == Support():
            return self.preparation(x, training=training), Beyond(None)
        rows = self.preparation.scaled(x)
        if self.is_binary_only and not self.likelihood.proper_domain.holds_all(rows):
            raise InvalidDataError(
                "the model was trained on values of 0 and 1 only, and would give others a cross-entropy in place of a "
                "log-likelihood: round them first, or train with `binarize='static'` or `binarize='dynamic'`"
            )
        rows, beyond = Beyond.of(rows, support)
        return self.preparation.binarized(rows, training=training), beyond

    def _warn(self, x: Num[np.ndarray, "rows features"], beyond: Beyond, consequence: str) -> None:
        beyond.warn(x, self.likelihood.domain, self.preparation.scaling, self.feature_names, consequence)

    def given(self, x: Num[np.ndarray, "rows features"]) -> Float[np.ndarray, "rows features"]:
        """Rows as the model is given them, but in the user's units: the same rows, unless pixels are made binary."""
        return self._undo(self.prepare(x))

    def encode(self, x: Num[np.ndarray, "rows features"]) -> Float[np.ndarray, "rows latents"]:
        """The mean of q(z|x) for each row; its median, or probabilities, as `AmortizedPosterior.summary`."""
        return inference.encode(self.autoencoder, self.prepare(x))

    def decode(self, z: Float[np.ndarray, "rows latents"]) -> Float[np.ndarray, "rows features"]:
        """The mean of p(x|z) for each code, in the user's units."""
        z = check_rows(z, name="z (the codes)", n_features=self.code_width)
        return self._undo(inference.decode(self.autoencoder, z.astype(np.float32)))

    def reconstruct(self, x: Num[np.ndarray, "rows features"]) -> Float[np.ndarray, "rows features"]:
        """The mean of p(x|z) at the code that `encode` gives, in the user's units."""
        return self._undo(
            inference.decode(self.autoencoder, inference.encode(self.autoencoder, self.prepare(x)))
        )

    def sample(self, n: int, seed: int, *, means: bool = False) -> Float[np.ndarray, "n features"]:
        """`n` draws of x from the model, or with `means` the means of p(x|z) at `n` draws of z, in the user's units.

        Raises:
            InvalidRecipeError: `n` below 1.
        """
        if n < 1:
            raise InvalidRecipeError(f"the number of samples must be at least 1, not {n}")
        draws, averages = inference.sample(self.autoencoder, n, jax.random.key(seed))
        return self._undo(averages if means else draws)

    def bounds(
        self,
        x: Num[np.ndarray, "rows features"],
        n_draws: int | None = None,
        show: inference.Show = inference.show_nothing,
    ) -> dict[str, Float[np.ndarray, " rows"]]:
        """The bound of each row, its parts and its Monte Carlo error, nats; see `aevb.inference.mean_bounds`.

        Of a row outside the likelihood's support, see `prepare`, the bound and the reconstruction are -inf.
        """
        key, (rows, beyond) = evaluation_key(self.recipe.seed), self._prepared(x)
        self._warn(x, beyond, IMPOSSIBLE)
        model = self.autoencoder.model
        found = inference.mean_bounds(self.objective, model, self.recognition, rows, key, n_draws, show)
        values = {"bound": -np.inf, "reconstruction": -np.inf, "monte_carlo_error": 0.0}
        return found | {name: beyond.impossible(value, found[name]) for name, value in values.items()}

    def log_marginal(
        self,
        x: Num[np.ndarray, "rows features"],
        method: inference.MarginalMethod,
        seed: int,
        show: inference.Show = inference.show_nothing,
    ) -> inference.MarginalEstimate:
        """log p(x) of each row, per the user's units; see `aevb.inference.log_marginal`.

        It is -inf for a row outside the likelihood's support, `prepare`, which a warning says.
        """
        key = jax.random.key(seed)
        rows, beyond = self._prepared(x)
        self._warn(x, beyond, IMPOSSIBLE)
        found = inference.log_marginal(self.autoencoder.model, self.recognition, rows, key, method, show)
        return dataclasses.replace(
            found,
            log_p=beyond.impossible(-np.inf, found.log_p),
            monte_carlo_error=beyond.impossible(0.0, found.monte_carlo_error),
            reliable=beyond.impossible(True, found.reliable),
        )

    def posterior(
        self,
        x: Num[np.ndarray, "rows features"],
        method: str | inference.Refined | inference.HMC = "amortized",
        n_draws: int = 100,
        seed: int = 0,
        show: inference.Show = inference.show_nothing,
    ) -> inference.PosteriorEstimate:
        """What z may be for each row; see `aevb.inference.posterior`."""
        key = jax.random.key(seed)
        return inference.posterior(self.autoencoder, self.prepare(x), key, method, n_draws, show)

    def impute(
        self,
        x: Num[np.ndarray, "rows features"],
        method: inference.ImputationMethod,
        n_draws: int = 0,
        seed: int = 0,
        noise: Noise | None = None,
        show: inference.Show = inference.show_nothing,
    ) -> inference.Imputation:
        """What is missing of rows, given what was observed of them; see `aevb.inference.impute`.

        Any model can be asked, also one that was trained on complete rows. Importance samples come from posteriors
        that are refined row by row, where codes are continuous: an encoder's own are often far off where much is
        missing.

        Args:
            x: rows in the user's units, NaN where a value is missing, at random.
            method: how.
            n_draws: how many imputations to draw beside the mean.
            seed: of all randomness.
            noise: through which the other values were observed, scaled units; all values are then found out.
            show: called with the share of the rows that are done.

        Returns:
            The imputation in the user's units and, if that is float32 or float64, in the type of `x`; values that
            were observed without noise are bit for bit those of `x`.

        Raises:
            InvalidDataError: see `prepare`.
            InvalidRecipeError: settings, or noise or recognition that does not go with the method.
        """
        rows, key = self.prepare(x, allow_missing=True), jax.random.key(seed)
        recognition = self._recognition_to_impute(method, noise, key)
        found = inference.impute(self.autoencoder.model, recognition, rows, key, method, n_draws, noise, show)
        dtype = x.dtype if x.dtype in (np.float32, np.float64) else np.dtype(np.float64)
        given, scale = x.astype(dtype), np.asarray(self.preparation.scaling.scale, dtype)
        known = ~np.isnan(given) if noise is None else np.zeros(x.shape, bool)

        def filled(values: np.ndarray) -> np.ndarray:
            return np.where(known, given, self._undo(values).astype(dtype))

        return dataclasses.replace(
            found,
            mean=filled(found.mean),
            sd=found.sd * scale,
            monte_carlo_error=found.monte_carlo_error * scale,
            sd_error=found.sd_error * scale,
            draws=None if found.draws is None else filled(found.draws),
        )

    def _recognition_to_impute(
        self, method: inference.ImputationMethod, noise: Noise | None, key: PRNGKey
    ) -> Recognition:
        if not isinstance(method, inference.ImportanceImputation):
            if isinstance(self.autoencoder.encoder, RowSearch):
                raise InvalidRecipeError(
                    f"the method {method.name} encodes rows at every step, which takes an encoder network, and this "
                    "model was trained without one (recognition 'per-row'): use the method importance"
                )
            return self.recognition
        model = self.autoencoder.model
        if not model.space.is_continuous:
            return self.recognition
        seen = model if noise is None else model.seen_through(noise)
        return inference.Laplace(AutoEncoder(seen, self.autoencoder.encoder), key)

    def _undo(self, x: np.ndarray) -> np.ndarray:
        return self.preparation.scaling.undo(x)

    def save(self, path: Path) -> None:
        """Write the model's folder in one step."""
        about = {
            "recipe": self.recipe.model_dump(mode="json", exclude_none=True),
            "scaling": dataclasses.asdict(self.preparation.scaling),
            "is_normalized": self.is_normalized,
            "feature_names": self.feature_names,
            "image_shape": self.image_shape,
            "importance_samples": self.importance_samples,
            "history": list(self.history),
        }
        save_model(path, self.trainable, about)

    @classmethod
    def load(cls, path: Path, networks: Mapping[str, type[eqx.Module]] | None = None) -> "TrainedModel":
        """Read the folder that `save` wrote.

        Raises:
            InvalidModelFileError: see `aevb.models.load_model`.
        """
        autoencoder, about = load_model(path, networks)
        try:
            recipe = Recipe.parse(about["recipe"], source=f"{path}: the recipe inside")
            scaling = Scaling(tuple(about["scaling"]["loc"]), tuple(about["scaling"]["scale"]))
            model = cls(
                for_use(autoencoder, recipe.seed),
                Preparation(scaling, recipe.scale.binarize, recipe.seed),
                recipe,
                about["is_normalized"],
                _tuple(about["feature_names"]),
                _tuple(about["image_shape"]),
                about["importance_samples"],
                tuple(about["history"]),
            )
            wrong = [what for what, right in model._consistent() if not right]
        except Exception as error:  # what belongs to the model may be anything
            raise InvalidModelFileError(f"{path} does not describe a trained model: {error!r}") from None
        if wrong:
            raise InvalidModelFileError(f"{path} contradicts itself: {', '.join(wrong)}")
        return model

    def _consistent(self) -> list[tuple[str, bool]]:
        """What must hold of a model that someone else may have written, and whether it does."""
        encoder, model = self.autoencoder.encoder, self.autoencoder.model
        posterior = eqx.filter_eval_shape(self.autoencoder.posterior, model.example())
        scaling, n = self.preparation.scaling, self.n_features
        weights = jax.tree.leaves(learned(self.autoencoder))
        names, shape = self.feature_names, self.image_shape
        is_own = self.recipe.model == CUSTOM
        return [
            ("the scaling", len(scaling.loc) == len(scaling.scale) == n and min(scaling.scale) > 0),
            ("the scaling's numbers", bool(np.isfinite([*scaling.loc, *scaling.scale]).all())),
            ("the likelihood", self.recipe.likelihood in ("auto", CUSTOM, self.likelihood.name)),
            (
                "whether the likelihood is normalized",
                self.is_normalized or self.likelihood.proper_on is not None,
            ),
            (
                "the kind of recognition",
                isinstance(encoder, RowSearch) != self.recipe.has_encoder,
            ),
            (
                "the weights' distribution",
                model.has_random_weights == self.recipe.objective.has_random_weights,
            ),
            (
                "what the encoder is given",
                is_own or isinstance(encoder, RowSearch) or encoder.sees_mask == self.sees_missing,
            ),
            (
                "the posterior",
                is_own or getattr(posterior, "family", None) == self.recipe.posterior.name,
            ),
            (
                "the number of latents",
                posterior.space.width == model.space.width
                and (is_own or model.space.width == self._expected_width),
            ),
            ("the objective", type(self.recipe.objective) in BUILDERS),
            ("the feature names", names is None or len(names) == n),
            ("the image shape", shape is None or math.prod(shape) == n),
            ("the number of importance samples", self.importance_samples >= 1),
            ("the history", all(isinstance(r, dict) and r.keys() >= COUNTS for r in self.history)),
            ("the weights", all(bool(np.isfinite(np.asarray(weight)).all()) for weight in weights)),
        ]


def _tuple(value: list[Any] | None) -> Any:
    return None if value is None else tuple(value)
