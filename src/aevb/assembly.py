"""From a recipe and a data set to everything that training needs."""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from aevb.datasets import (
    NAMES,
    Dataset,
    Scaling,
    Support,
    check_observed,
    check_rows,
    check_support,
    split_rows,
)
from aevb.distributions import FAMILIES
from aevb.errors import InvalidRecipeError
from aevb.inference.for_use import for_use
from aevb.models import (
    LIKELIHOODS,
    AutoEncoder,
    BayesianDecoder,
    Constant,
    Decoder,
    Encoder,
    LatentVariableModel,
    Likelihood,
    Prior,
    RowTable,
    choose_prior,
    code_width,
)
from aevb.models.in_units import InUnits
from aevb.models.structure import describe
from aevb.networks import MLP, OverRows
from aevb.objectives import Objective
from aevb.parts import Parts
from aevb.preparation import Beyond, Preparation
from aevb.recipe import Recipe
from aevb.selection import bound_name, build_objective
from aevb.settling import Facts, settle
from aevb.specs import CONSTANT_RATE
from aevb.training import Optimizer, Plan, TrainingData, TrainingState
from aevb.typing import PRNGKey

# Settings that the initial weights depend on, beside the seed.
ARCHITECTURE = (
    *("latents", "hidden", "activation", "initialization", "posterior", "prior", "categories"),
    *("missing", "weight_posterior"),
)
# Training rows that are enough to know what a model must not lie below.
INDEPENDENT_ROWS = 5000


@dataclasses.dataclass(frozen=True)
class Assembly:
    """A training run, ready to start.

    Args:
        autoencoder: the model with its initial weights.
        objective: what to maximize.
        plan: how.
        data: rows in scaled units.
        preparation: how rows in the user's units become these.
        recipe: the settings, with those settled that were left open.
        is_normalized: whether the likelihood is a density or mass function of these rows; not so for grey pixels
            under a Bernoulli, whose terms are cross-entropies.
    """

    autoencoder: AutoEncoder
    objective: Objective
    plan: Plan
    data: TrainingData
    preparation: Preparation
    recipe: Recipe
    is_normalized: bool

    @property
    def likelihood(self) -> Likelihood:
        """p(x|z) of a cell."""
        return self.autoencoder.model.likelihood

    @property
    def start(self) -> TrainingState:
        """The state before the first step."""
        return TrainingState.start(self.autoencoder, self.objective, self.plan.optimizer)

    @property
    def bound(self) -> str:
        """What the objective's value is called."""
        return bound_name(self.objective, normalized=self.is_normalized)


def assemble(recipe: Recipe, dataset: Dataset, parts: Parts | None = None) -> Assembly:
    """Check the data, scale it, choose the likelihood and build the model, the objective and the plan.

    Args:
        recipe: the settings.
        dataset: rows in the user's units.
        parts: a user's own objects in the place of what the recipe names.

    Raises:
        InvalidDataError: the data or some of its values cannot be used; the message says which.
        InvalidRecipeError: settings that do not go with the data.
    """
    parts = parts or Parts()
    recipe = recipe.replaced(**parts.named(recipe))
    own = parts.own_model(dataset.x_train.shape[1], recipe)
    for part in (parts.encoder_network, parts.decoder_network, parts.likelihood, parts.prior, own):
        describe(part, "the network", {})  # better refused now than when the trained model cannot be saved
    likelihood = own.model.likelihood if own else parts.likelihood or choose_likelihood(recipe, dataset)
    facts = Facts(
        dataset.n_train,
        dataset.name in NAMES,
        likelihood.name,
        likelihood.clip_norm,
        parts.own_posterior(recipe, own),
    )
    recipe = settle(recipe, facts)
    prepare, data = _prepare(recipe, dataset, likelihood)
    is_table = not facts.is_named and dataset.image_shape is None
    likelihood = likelihood.fitted(data.train, is_table=is_table)
    data = _within_support(likelihood, data, prepare, dataset.feature_names)
    proper = likelihood.proper_domain
    is_normalized = recipe.scale.binarize != "none" or all(map(proper.holds_all, data.splits.values()))
    log_scale = jnp.asarray(prepare.scaling.log_scale, jnp.float32)
    _check_tails(recipe, parts.decoder_network)
    if own is None:
        autoencoder = build_autoencoder(recipe, likelihood, log_scale, parts)
    else:
        autoencoder = AutoEncoder(InUnits(own.model, Constant(log_scale), likelihood), own.encoder)
    if not recipe.has_encoder:
        autoencoder = _with_table(autoencoder, recipe, len(data.train), parts.encoder_network)
    objective = build_objective(recipe, autoencoder, len(data.train))
    plan = build_plan(recipe, len(data.train), objective)
    if objective.is_bound:
        log_scale = prepare.scaling.log_scale if likelihood.is_density else 0.0
        plan = dataclasses.replace(plan, independent=_independent(data.train, likelihood, log_scale))
    return Assembly(autoencoder, objective, plan, data, prepare, recipe, is_normalized)


def _independent(train: Float[np.ndarray, "rows features"], likelihood: Likelihood, log_scale: Any) -> float:
    """The mean over training rows, thinned out, of log p(x) where columns are independent; the user's units."""
    rows = train[:: math.ceil(len(train) / INDEPENDENT_ROWS)]
    cells = likelihood.independent(rows.astype(np.float64), rows.astype(np.float64)) - log_scale
    return float(np.mean(np.nansum(cells, axis=1)))


def _prepare(recipe: Recipe, dataset: Dataset, likelihood: Likelihood) -> tuple[Preparation, TrainingData]:
    """The scaling, fitted on training rows, and all rows checked, split and scaled by it."""
    about = {"feature_names": dataset.feature_names, "allow_missing": recipe.missing == "nan"}
    x = check_rows(dataset.x_train, name="the training data", min_rows=2, **about)
    if dataset.image_shape is not None and math.prod(dataset.image_shape) != x.shape[1]:
        height, width = dataset.image_shape
        raise InvalidRecipeError(
            f"image_shape {height},{width} does not go with rows of {x.shape[1]} features"
        )
    kept, held_out = split_rows(len(x), recipe.validation or 0.0, recipe.seed)
    train = x[kept] if len(held_out) else x
    check_observed(train, dataset.feature_names)
    method = likelihood.auto_scale if recipe.scale.name == "auto" else recipe.scale.name
    scaling = Scaling.fit(
        train,
        method,
        is_image=dataset.image_shape is not None,
        on_unit_interval=likelihood.mean_range is not None or recipe.scale.binarize != "none",
    )
    prepare = Preparation(scaling, recipe.scale.binarize, recipe.seed)
    validation = prepare(x[held_out]) if len(held_out) else None
    test = dataset.x_test
    if test is not None:
        test = prepare(check_rows(test, name="the test data", n_features=x.shape[1], **about))
    return prepare, TrainingData(prepare(train, training=True), validation, test)


def _within_support(
    likelihood: Likelihood, data: TrainingData, prepare: Preparation, names: tuple[str, ...] | None
) -> TrainingData:
    """The rows, those that are held out taken as at the end of the likelihood's support where they lie beyond it.

    Training rows there are refused, also those that a sigmoid's means cannot reach.
    """
    name = "the train data (rows counted after the split, values as scaled)"
    about = {"name": name, "feature_names": names, "advice": likelihood.advice}
    check_support(data.train, likelihood.name, likelihood.reach or likelihood.support, **about)
    support, held_out = likelihood.domain, {}
    if support == Support():
        return data
    for split, rows in data.splits.items():
        if split != "train":
            held_out[split], beyond = Beyond.of(rows, support)
            in_units = prepare.scaling.undo(rows)
            consequence = f"these {split} rows count as the nearest that it knows"
            beyond.warn(in_units, support, prepare.scaling, names, consequence)
    return dataclasses.replace(data, **held_out)


def _check_tails(recipe: Recipe, decoder_network: eqx.Module | None) -> None:
    """Refuse a decoder under which the bound of a posterior without a mean is minus infinity."""
    bounded = recipe.network.activation == "tanh" and recipe.network.hidden
    if recipe.posterior.name == "cauchy" and decoder_network is None and not bounded:
        raise InvalidRecipeError(
            "a cauchy posterior has no mean, and where the decoder grows with |z| its bound is minus infinity: use "
            "activation tanh with at least one hidden layer, or the posterior student-t"
        )


def choose_likelihood(recipe: Recipe, dataset: Dataset) -> Likelihood:
    """The likelihood of a recipe; `auto` is Bernoulli for binary values and for images in [0, 1], else Gaussian."""
    if recipe.likelihood != "auto":
        return LIKELIHOODS[recipe.likelihood]
    x = dataset.x_train
    # fmin and fmax pass over NaN.
    low, high = np.fmin.reduce(x, axis=None), np.fmax.reduce(x, axis=None)
    within = {"none": low >= 0 and high <= 1, "minmax": True}
    within["auto"] = within["none"] or x.dtype == np.uint8
    is_grey = dataset.image_shape is not None and within.get(recipe.scale.name, False)
    is_binary = recipe.scale.name in within and bool(np.all((x == 0) | (x == 1) | np.isnan(x)))
    return LIKELIHOODS["bernoulli" if is_grey or is_binary or recipe.scale.binarize != "none" else "gaussian"]


def build_autoencoder(
    recipe: Recipe,
    likelihood: Likelihood,
    log_scale: Float[jax.Array, " features"],
    parts: Parts,
) -> AutoEncoder:
    """The model with its initial weights, a function of the recipe's seed."""
    # Other settings are left at their defaults, so that no program is compiled anew for another value of theirs.
    settings = recipe.model_dump()
    shape = Recipe.parse({name: settings[name] for name in ARCHITECTURE if name in settings})
    return _built(shape, likelihood, log_scale, parts, jax.random.key(recipe.seed))


def _build_autoencoder(
    recipe: Recipe,
    likelihood: Likelihood,
    log_scale: Float[jax.Array, " features"],
    parts: Parts,
    key: PRNGKey,
) -> AutoEncoder:
    n_features, n_latents = len(log_scale), recipe.latents
    family, n_categories, network = recipe.posterior.name, recipe.posterior.n_categories, recipe.network
    width = code_width(family, n_latents, n_categories)
    prior = parts.prior or Prior(choose_prior(recipe.prior, family), n_latents, n_categories)
    if (p := prior(None)).event_shape != (width,) or p.batch_shape != ():
        raise InvalidRecipeError(
            f"the prior is of {p.batch_shape} codes of shape {p.event_shape}, and the posterior {family} of "
            f"{n_latents} latents needs one of a single code of shape ({width},), the same for every row"
        )
    keys = jax.random.split(key, 4)
    sees_mask = recipe.missing == "nan"
    n_inputs = likelihood.input_width(n_features) + sees_mask * n_features
    encoder_network = (
        MLP(n_inputs, network.hidden, network.activation, network.initialization, key=keys[0])
        if parts.encoder_network is None
        else _lift(
            parts.encoder_network,
            n_inputs,
            "the values, 0 where missing, then 1 or 0 each for observed or not" * sees_mask,
        )
    )
    decoder_network = (
        MLP(width, network.hidden[::-1], network.activation, network.initialization, key=keys[1])
        if parts.decoder_network is None
        else _lift(parts.decoder_network, width)
    )
    encoder = Encoder(
        encoder_network,
        n_features,
        n_latents,
        family,
        n_categories,
        network.initialization,
        sees_mask,
        likelihood,
        key=keys[2],
    )
    decoder = Decoder(likelihood, decoder_network, width, n_features, network.initialization, key=keys[3])
    if recipe.objective.has_random_weights:
        decoder = BayesianDecoder(decoder)
    model = LatentVariableModel(prior, decoder, Constant(log_scale))
    return AutoEncoder(model, encoder)


# One program for all initial weights, instead of one per layer. It runs once, so its compilation is what takes time.
_built: Callable[..., AutoEncoder] = eqx.filter_jit(  # pyright: ignore[reportCallIssue]
    _build_autoencoder, compiler_options={"xla_backend_optimization_level": 0}
)


def _with_table(
    autoencoder: AutoEncoder, recipe: Recipe, n_rows: int, network: eqx.Module | None
) -> AutoEncoder:
    """The autoencoder with a table of parameters per training row in place of its encoder; empty for MCEM."""
    what = "recognition 'per-row'" if recipe.objective.has_encoder else f"objective {recipe.objective.name}"
    if network is not None:
        raise InvalidRecipeError(
            f"{what} has no encoder network: leave the encoder of `aevb.Networks` out, or choose another"
        )
    if FAMILIES[recipe.posterior.name].route == "discrete":
        raise InvalidRecipeError(
            f"{what} finds the parameters of new rows along the gradient of draws, and codes of "
            f"{recipe.posterior.name} are discrete, without one: choose another, or a continuous posterior"
        )
    kept = n_rows if recipe.objective.has_encoder else 0
    table = RowTable(kept, recipe.latents, recipe.posterior.name, recipe.posterior.n_categories)
    return AutoEncoder(autoencoder.model, table)


def _lift(network: eqx.Module, n_inputs: int, which: str = "") -> OverRows:
    """A user's network of one row, tried on the shape that it will be given, as a network of many."""
    given = f"{n_inputs} features{which and f' ({which})'}"
    try:
        outputs = eqx.filter_eval_shape(network, jax.ShapeDtypeStruct((n_inputs,), jnp.float32))  # pyright: ignore[reportArgumentType]
    except Exception as error:
        raise InvalidRecipeError(
            f"the network {type(network).__name__} fails on one row of {given}: {error}"
        ) from error
    if getattr(outputs, "ndim", None) != 1:
        raise InvalidRecipeError(
            f"the network {type(network).__name__} must map one row of {given} to a vector of features; "
            f"it gave {outputs}"
        )
    return OverRows(network)


def build_plan(recipe: Recipe, n_rows: int, objective: Objective) -> Plan:
    """The plan of training, for a number of training rows."""
    batch_size = n_rows if objective.takes_all_rows else recipe.batch_size
    steps_per_epoch, updates = math.ceil(n_rows / min(batch_size, n_rows)), objective.steps_per_batch
    limits = (recipe.steps, recipe.epochs and recipe.epochs * steps_per_epoch)
    last_step = min((limit for limit in limits if limit is not None), default=None)
    spec = recipe.optimizer
    optimizer = Optimizer(
        spec.name,
        spec.learning_rate or CONSTANT_RATE,
        "cosine" if spec.schedule == "cosine" else "constant",
        updates * spec.warmup,
        updates * last_step if spec.schedule == "cosine" and last_step is not None else None,
        spec.clip_norm,
        **spec.own,
    )
    return Plan(
        optimizer,
        batch_size,
        recipe.epochs,
        recipe.steps,
        None if recipe.minutes is None else 60 * recipe.minutes,
        recipe.evaluate_every or 1,
        recipe.patience,
        recipe.scale.binarize == "dynamic",
        recipe.missing == "nan",
        recipe.seed,
        for_use=functools.partial(for_use, seed=recipe.seed),
    )
