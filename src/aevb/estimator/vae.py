"""`VAE`: a variational auto-encoder as a scikit-learn estimator."""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from aevb.datasets import Dataset, check_rows
from aevb.errors import InvalidRecipeError, RunFolderError
from aevb.estimator.fitting import Fit
from aevb.estimator.networks import Networks
from aevb.estimator.progress import progress
from aevb.estimator.reading import as_dense, read_rows
from aevb.estimator.settings import (
    parts_of,
    recipe_of,
    refuse_changes,
    refuse_pieces,
    refuse_unused,
    replaced,
)
from aevb.evaluation import make_method
from aevb.inference import (
    ImportanceImputation,
    ImputationMethod,
    MetropolisWithinGibbs,
    PseudoGibbs,
)
from aevb.inference.importance import DEFAULT_SAMPLES
from aevb.models import AutoEncoder, Conditional, Likelihood
from aevb.specs import MLP, Categorical, ObjectiveSpec, OptimizerSpec, Posterior, Scale

IMPUTATION_METHODS: dict[str, type[ImputationMethod]] = {
    method.name: method for method in (ImportanceImputation, PseudoGibbs, MetropolisWithinGibbs)
}


class VAE(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """A variational auto-encoder: p(z), and p(x|z) and q(z|x) given by neural networks, trained together.

    Maximizes the evidence lower bound E_q(z|x)[log p(x|z)] - KL(q(z|x) || p(z)) (Kingma & Welling 2014,
    equation 3). All bounds and log-likelihoods are in nats per row, in the units of the data given.

    An argument that has settings of its own takes a name, or a spec that holds them: `objective="iwae"` or
    `objective=aevb.IWAE(n_samples=20)`. A search over settings reaches them as `objective__n_samples`.

    Args:
        n_latents: dimensions of the code z.
        hidden: the hidden layers of both networks: their widths; an `aevb.MLP`, which has an activation and an
            initialization, too; or `aevb.Networks` of your own.
        likelihood: p(x|z), a name in `aevb.models.LIKELIHOODS`, such as "gaussian", "student-t" or "poisson"; an
            `aevb.models.Likelihood` of your own; or "auto": Bernoulli for binary data and for images in [0, 1],
            otherwise Gaussian.
        posterior: family of q(z|x), a name in `aevb.distributions.FAMILIES`; an `aevb.Categorical` with its number of
            categories; or an `aevb.Posterior`, which may have recognition="per-row": free parameters of every training
            row in place of an encoder network (classical variational Bayes). For other rows those are searched for,
            which takes its time.
        prior: family of p(z); "auto" for the one that goes with the posterior; or an `aevb.models.Conditional` of your
            own, called with a batch, that returns the distribution of one code. Its arrays are learned.
        objective: "sgvb-a", every term of the bound sampled; "sgvb-b", the KL divergence in closed form;
            "score-function", "stl", "iwae", "iwae-stl", "dreg", "renyi", or "concrete" for discrete codes; the
            baselines "wake-sleep", "mcem" (Monte Carlo EM, without an encoder) and "autoencoder" (no inference).
            "auto": sgvb-b where the divergence is closed, else sgvb-a; for discrete codes score-function. As specs
            `aevb.SGVBA`, `SGVBB`, `ScoreFunction`, `STL`, `IWAE`, `IWAESTL`, `DReG`, `Renyi`, `Concrete`,
            `WakeSleep`, `MCEM`, `Reconstruction`, `EM` and `AutoObjective`.
        optimizer: "sgd", "momentum", "adagrad", "rmsprop", "adam" or "adamw"; or `aevb.SGD`, `Momentum`, `Adagrad`,
            `RMSProp`, `Adam` or `AdamW` with a learning_rate, a schedule, a warmup and a clip_norm.
        scale: "auto", "none", "standard", "minmax" or "mean"; fitted on training rows, undone in all that comes out.
            An `aevb.Scale` may also make pixels binary.
        image_shape: height and width, where a row is an image, which `fit` knows of an array of images, `(rows, height,
            width)`. Unsigned bytes are pixels only of images.
        missing: "error", or "nan": NaN is a missing value, and the model learns from what is observed. This assumes
            values missing at random: given what is observed, whether a value is missing does not depend on it. Of a
            row without any value the bound is -KL(q(z|x) || p(z)).
        validation: share of the training rows that choose the best model; None for 0.1 where `epochs` is None and
            there are 50 rows or more, else 0.
        batch_size: rows per minibatch, M.
        epochs: passes over the data; None for 6,000 steps, stopping early.
        patience: epochs without a better validation bound after which to stop, or None.
        model: what builds a model of your own, in place of n_latents, hidden, likelihood, posterior and prior: a class
            or function that is called with the number of columns and `key=`, and returns an `aevb.models.AutoEncoder`
            of rows in scaled units. A model that was loaded is built as it was saved.
        n_importance_samples: draws per row in `score_samples` and `score`, K.
        random_state: seed of all randomness.
        verbose: 0 for silence; 1 for a progress bar, on a terminal or in a notebook, and a line of what came out.

    Attributes:
        model_: the trained model, an `aevb.trained.TrainedModel`.
        history_: a dict per evaluation. It is saved with the model, and loaded.
        bound_: what the bound is: "evidence lower bound", or "cross-entropy bound" for grey pixels under a
            Bernoulli likelihood, whose values are no log densities.
        n_iter_: epochs taken.
        n_features_in_: the number of features.
        feature_names_in_: their names, when fitted on a data frame.

    >>> from sklearn.datasets import load_iris
    >>> vae = VAE(n_latents=2, hidden=(32,), epochs=5, random_state=0).fit(load_iris().data)
    >>> vae.transform(load_iris().data).shape
    (150, 2)
    """

    def __init__(
        self,
        n_latents: int = 20,
        hidden: Sequence[int] | MLP | Networks = (400,),
        likelihood: str | Likelihood = "auto",
        posterior: str | Posterior | Categorical = "gaussian",
        prior: str | Conditional = "auto",
        objective: str | ObjectiveSpec = "auto",
        optimizer: str | OptimizerSpec = "adam",
        scale: str | Scale = "auto",
        image_shape: tuple[int, int] | None = None,
        missing: str = "error",
        validation: float | None = None,
        batch_size: int = 128,
        epochs: int | None = None,
        patience: int | None = None,
        model: Callable[..., AutoEncoder] | None = None,
        n_importance_samples: int = DEFAULT_SAMPLES,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ):
        self.n_latents = n_latents
        self.hidden = hidden
        self.likelihood = likelihood
        self.posterior = posterior
        self.prior = prior
        self.objective = objective
        self.optimizer = optimizer
        self.scale = scale
        self.image_shape = image_shape
        self.missing = missing
        self.validation = validation
        self.batch_size = batch_size
        self.epochs = epochs
        self.patience = patience
        self.model = model
        self.n_importance_samples = n_importance_samples
        self.random_state = random_state
        self.verbose = verbose

    def set_params(self, **params: Any) -> "VAE":
        """Set arguments by name, and settings inside of them: `set_params(objective__n_samples=5)`.

        A name takes the settings of its spec: `VAE(objective="iwae")` is as good as `VAE(objective=aevb.IWAE())`.

        Raises:
            InvalidRecipeError: a setting is unknown or wrong.
            ValueError: there is no such argument.
        """
        inside: dict[str, dict[str, Any]] = {}
        for name in [name for name in params if "__" in name]:
            argument, _, setting = name.partition("__")
            inside.setdefault(argument, {})[setting] = params.pop(name)
        unknown = {name: None for name in inside if name not in self.get_params(deep=False)}
        super().set_params(**params, **unknown)
        for argument, changes in inside.items():
            setattr(self, argument, replaced(argument, getattr(self, argument), changes))
        return self

    def fit(self, X: Any, y: Any = None) -> "VAE":
        """Train on the rows of `X`; `y` is ignored.

        Args:
            X: an array of shape `(rows, features)`, a data frame, or grey images, `(rows, height, width)` or
                `(rows, height, width, 1)`. Masked cells of a masked array are missing values, as NaN is. A SciPy
                sparse matrix is made dense.
            y: nothing.

        Raises:
            InvalidDataError: values that cannot be used; the message names the first.
            InvalidRecipeError: a constructor argument is wrong.
            NonFiniteBoundError: training diverged. Where it only became worse than knowing nothing, a warning says so.
            KeyboardInterrupt: someone interrupted it, in a notebook or with Ctrl-C. What was learned until then is
                kept: `model_` and `history_` are set, every method works, and `partial_fit` goes on.
        """
        return self._train(self._start(X))

    def partial_fit(self, X: Any, y: Any = None) -> "VAE":
        """Take one more pass, over the rows of `X`; the first call also fits the scaling and builds the model.

        All rows are trained on, whatever `validation` says, and the last model is kept. A model that was loaded
        goes on from its weights with a fresh optimizer.

        Raises:
            InvalidDataError: as in `fit`.
            InvalidRecipeError: the schedule is not constant, as the length of training is unknown; or the
                recognition is "per-row".
            NonFiniteBoundError: training diverged.
        """
        refuse_pieces(recipe_of(self.get_params(deep=False), 0))
        if not hasattr(self, "model_"):
            return self._train(self._start(X, validation=0.0, patience=None, epochs=1, schedule="constant"))
        refuse_changes(self.model_.recipe, self.get_params(deep=False))
        return self._train(Fit.further(self.model_, self._rows(X), getattr(self, "_state", None)))

    def transform(self, X: Any) -> Float[np.ndarray, "rows latents"]:
        """The mean of q(z|x) for each row, in the input's float type.

        Its median instead for families whose mean may be infinite; for discrete codes the probabilities. Of a posterior
        of your own it is what its `summary` gives, by default the mean of 256 draws.
        """
        x = self._rows(X)
        return self.model_.encode(x).astype(_float_type(x))

    def inverse_transform(self, Z: Any) -> Float[np.ndarray, "rows features"]:
        """The mean of p(x|z) for each code, in the data's units."""
        check_is_fitted(self)
        z = np.asarray(as_dense(Z, "Z"))
        return self.model_.decode(z).astype(_float_type(z))

    def reconstruct(self, X: Any) -> Float[np.ndarray, "rows features"]:
        """The mean of p(x|z) at the code that `transform` gives, in the data's units.

        For discrete codes that is at probabilities, which the decoder has not seen in training.
        """
        x = self._rows(X)
        return self.model_.reconstruct(x).astype(_float_type(x))

    def sample(
        self, n_samples: int = 1, *, means: bool = False, random_state: int | None = None
    ) -> Float[np.ndarray, "n features"]:
        """`n_samples` draws of x from the model, in the data's units.

        Where grey pixels were trained on under a Bernoulli likelihood, draws are black and white, which a warning says:
        `means=True` gives grey ones.

        Args:
            n_samples: how many.
            means: give the means of p(x|z) at draws of z, without the noise of p(x|z).
            random_state: seed; None goes on from `self.random_state`, and gives the same draws every time.

        Raises:
            InvalidRecipeError: `n_samples` below 1.
        """
        check_is_fitted(self)
        if not (means or self.model_.is_normalized):
            warnings.warn(
                "draws of grey pixels under a Bernoulli likelihood are black and white; sample(n, means=True) is grey",
                stacklevel=2,
            )
        seed = self._seed if random_state is None else _seed(random_state)
        return self.model_.sample(n_samples, seed, means=means)

    def elbo(self, X: Any, *, n_draws: int = 64, return_error: bool = False) -> Any:
        """The bound of each row, nats; see `bound_` for whether it bounds a log-likelihood.

        A mean over draws of z, which can lie above log p(x) by its Monte Carlo error. A row's bound depends on that
        row alone.

        Args:
            X: the rows.
            n_draws: draws of z per row, at least 2; the error falls with their square root.
            return_error: return the standard error of each row's bound, too.

        Returns:
            The bounds, shape `(rows,)`, or the pair of bounds and errors.

        Raises:
            InvalidRecipeError: `n_draws` below 2.
        """
        found = self.model_.bounds(self._rows(X), n_draws)
        return (found["bound"], found["monte_carlo_error"]) if return_error else found["bound"]

    def score_samples(self, X: Any, *, method: str = "importance", return_error: bool = False) -> Any:
        """log p(x) of each row, nats, as `aevb score` gives it with the same number of draws and the same seed.

        The expectation of an importance sampling estimate lies below log p(x), less so with more draws. A row's score
        depends on that row alone.

        Args:
            X: the rows.
            method: "importance" with `n_importance_samples` draws from a mixture around q(z|x) that is wider than it;
                "iwae" with so many from q(z|x) itself, the importance-weighted bound; "annealed", "hmc-density" or
                "quadrature", which take longer and no number of draws.
            return_error: return the standard error of each score, too: how far another seed may lead.

        Returns:
            The scores, shape `(rows,)`, or the pair of scores and errors.

        Raises:
            InvalidRecipeError: an unknown method, or one that does not suit the model.
        """
        chosen = make_method(method, self.n_importance_samples)
        found = self.model_.log_marginal(self._rows(X), chosen, self._seed)
        return (found.log_p, found.monte_carlo_error) if return_error else found.log_p

    def impute(
        self, X: Any, *, method: str = "importance", n_draws: int = 0, random_state: int | None = None
    ) -> Float[np.ndarray, "..."]:
        """The rows with their missing values filled in, in the input's float type; observed values stay as they are.

        Right for values missing at random: given what was observed, being missing depends on nothing that is
        missing. Also for models of complete rows, fitted with missing="error".

        Args:
            X: rows, NaN where a value is missing.
            method: "importance", "pseudo-gibbs" or "metropolis" (within Gibbs). `model_.impute` gives standard
                deviations, the errors of both, and which rows are reliable, too.
            n_draws: 0 for the conditional means, shape `(rows, features)`; else so many draws of all that is missing,
                shape `(n_draws, rows, features)`: multiple imputations.
            random_state: seed, as in `sample`.

        Raises:
            InvalidRecipeError: an unknown method, or `n_draws` below 0.
        """
        x = self._rows(X)
        if method not in IMPUTATION_METHODS:
            raise InvalidRecipeError(
                f"no imputation method {method!r}: choose {', '.join(IMPUTATION_METHODS)}"
            )
        seed = self._seed if random_state is None else _seed(random_state)
        found = self.model_.impute(x, IMPUTATION_METHODS[method](), n_draws, seed)
        return found.mean if found.draws is None else found.draws

    def score(self, X: Any, y: Any = None) -> float:
        """The mean of `score_samples` over the rows; `y` is ignored."""
        return float(np.mean(self.score_samples(X), dtype=np.float64))

    def save(self, path: str | Path) -> None:
        """Write the model to a folder, as data; `aevb.load` reads it.

        Raises:
            RunFolderError: there is something else under that name.
        """
        check_is_fitted(self)
        path = Path(path)
        if path.exists() and not (path / "model.json").exists() and (path.is_file() or any(path.iterdir())):
            raise RunFolderError(
                f"{path} exists and is not a saved model, and stays as it is: choose another name"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        self.model_.save(path)

    def _rows(self, X: Any) -> np.ndarray:
        """The rows of anything that `fit` takes, as an array of the fitted number of features."""
        check_is_fitted(self)
        return read_rows(self, X, reset=False, image_shape=self.model_.image_shape)[0]

    def _start(self, X: Any, **changes: Any) -> Fit:
        """Check rows and settings: a fit before its first step, with settings of the recipe changed."""
        x, image_shape = read_rows(self, X, reset=True, image_shape=self.image_shape)
        names = tuple(map(str, getattr(self, "feature_names_in_", ()))) or None
        self._seed = _seed(self.random_state)
        refuse_unused(self.get_params(deep=False), VAE().get_params(deep=False))
        recipe = recipe_of(self.get_params(deep=False), self._seed, **changes)
        x = check_rows(x, name="X", feature_names=names, allow_missing=recipe.missing == "nan")
        dataset = Dataset("X", x, image_shape=image_shape, feature_names=names)
        return Fit.new(recipe, dataset, parts_of(self.get_params(deep=False)))

    def _train(self, fit: Fit) -> "VAE":
        """Train to the end of the plan, and set the fitted attributes, also where something stops it on the way."""
        with progress(self.verbose, fit) as show:
            fit = fit.run(show, self._keep)
        fit.check_end()
        return self

    def _keep(self, fit: Fit) -> None:
        """Set the fitted attributes."""
        self._state = fit.state
        self.model_ = fit.trained(self.n_importance_samples)
        self.history_ = list(fit.state.progress.history)
        self.n_iter_ = fit.state.progress.epoch
        self.bound_ = fit.model.bound

    @property
    def _n_features_out(self) -> int:
        return self.model_.code_width

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn should know: codes keep the input's float type, and whether NaN is welcome."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = self.missing == "nan"
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _float_type(x: np.ndarray) -> Any:
    return x.dtype if x.dtype in (np.float32, np.float64) else np.float64


def _seed(random_state: Any) -> int:
    if isinstance(random_state, int | np.integer):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31))
