"""Models with several sites of codes, made with nothing but what the package exports, and their exact answers.

Both are linear-Gaussian given what is discrete, so that marginals, posteriors and conditionals are known.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from numpyro.distributions import Categorical, Normal
from scipy.special import logsumexp, softmax
from scipy.stats import multivariate_normal

from aevb.batch import Batch
from aevb.models import AutoEncoder, CodeSpace, Model, Posterior, RecognitionModel, Site


def normal_log_prob(value, loc, log_sd):
    return jnp.sum(Normal(loc, jnp.exp(log_sd)).log_prob(value), axis=-1)


class TwoLayers(Model):
    """z1 ~ N(0, 1), z2 ~ N(a z1, s^2), x ~ N(W z2 + b, t^2), with z = {"top": z1, "bottom": z2}."""

    slope: jax.Array
    weight: jax.Array
    bias: jax.Array
    log_s: jax.Array
    log_t: jax.Array

    @property
    def space(self):
        return CodeSpace({"top": Site((1,)), "bottom": Site((1,))})

    def example(self, n_rows=1):
        return Batch(jnp.zeros((n_rows, len(self.bias))))

    def log_prior(self, z, batch):
        top = normal_log_prob(z["top"], 0.0, 0.0)
        return top + normal_log_prob(z["bottom"], self.slope * z["top"], self.log_s)

    def predictive(self, batch, z):
        return Normal(z["bottom"] @ self.weight + self.bias, jnp.exp(self.log_t))

    def log_likelihood(self, batch, z):
        cells = self.predictive(batch, z).log_prob(batch.observed)
        return jnp.sum(cells if batch.mask is None else jnp.where(batch.mask, cells, 0.0), axis=-1)

    def simulate(self, key, batch):
        keys = jax.random.split(key, 3)
        top = jax.random.normal(keys[0], (batch.n_rows, 1))
        bottom = self.slope * top + jnp.exp(self.log_s) * jax.random.normal(keys[1], (batch.n_rows, 1))
        z = {"top": top, "bottom": bottom}
        return z, eqx.tree_at(lambda b: b.x, batch, self.predictive(batch, z).sample(keys[2]))


class TwoLayerPosterior(Posterior):
    """q(z2|x) q(z1|z2), both normal: of a row's features, and of the code below."""

    bottom: tuple
    top: tuple  # slope and log sd, the same for all rows

    @property
    def space(self):
        return CodeSpace({"top": Site((1,)), "bottom": Site((1,))})

    def sample(self, key):
        low, high = jax.random.split(key)
        loc, log_sd = self.bottom
        bottom = loc + jnp.exp(log_sd) * jax.random.normal(low, loc.shape, loc.dtype)
        slope, log_sd = self.top
        top = slope * bottom + jnp.exp(log_sd) * jax.random.normal(high, bottom.shape, bottom.dtype)
        return {"top": top, "bottom": bottom}

    def log_prob(self, z):
        slope, log_sd = self.top
        return normal_log_prob(z["bottom"], *self.bottom) + normal_log_prob(
            z["top"], slope * z["bottom"], log_sd
        )


class TwoLayerRecognition(RecognitionModel):
    """Its posterior, linear in x."""

    weight: jax.Array
    bias: jax.Array
    log_sd: jax.Array
    slope: jax.Array
    top_log_sd: jax.Array

    def features(self, batch):
        loc = batch.observed @ self.weight + self.bias
        return {"loc": loc, "log_sd": jnp.broadcast_to(self.log_sd, loc.shape)}

    def posterior(self, features, batch, model):
        return TwoLayerPosterior((features["loc"], features["log_sd"]), (self.slope, self.top_log_sd))


class Kinds(Model):
    """k ~ Categorical(p), z ~ N(0, 1), x ~ N(W z + b_k, t^2), with codes (one-hot k, z)."""

    logits: jax.Array
    weight: jax.Array
    bias: jax.Array
    log_t: jax.Array

    @property
    def space(self):
        n = len(self.logits)
        return CodeSpace((Site((n,), values=np.eye(n)), Site((1,))))

    def example(self, n_rows=1):
        return Batch(jnp.zeros((n_rows, self.bias.shape[1])))

    def log_prior(self, z, batch):
        kind, place = z
        return kind @ jax.nn.log_softmax(self.logits) + normal_log_prob(place, 0.0, 0.0)

    def predictive(self, batch, z):
        kind, place = z
        return Normal(place @ self.weight + kind @ self.bias, jnp.exp(self.log_t))

    def log_likelihood(self, batch, z):
        cells = self.predictive(batch, z).log_prob(batch.observed)
        return jnp.sum(cells if batch.mask is None else jnp.where(batch.mask, cells, 0.0), axis=-1)

    def simulate(self, key, batch):
        keys = jax.random.split(key, 3)
        kind = jax.nn.one_hot(
            Categorical(logits=self.logits).sample(keys[0], (batch.n_rows,)), len(self.logits)
        )
        z = kind, jax.random.normal(keys[1], (batch.n_rows, 1))
        return z, eqx.tree_at(lambda b: b.x, batch, self.predictive(batch, z).sample(keys[2]))


class KindsPosterior(Posterior):
    """q(k|x) q(z|x)."""

    logits: jax.Array
    loc: jax.Array
    log_sd: jax.Array

    @property
    def space(self):
        n = self.logits.shape[-1]
        return CodeSpace((Site((n,), values=np.eye(n)), Site((1,))))

    def sample(self, key):
        low, high = jax.random.split(key)
        kind = jax.nn.one_hot(jax.random.categorical(low, self.logits), self.logits.shape[-1])
        return kind, self.loc + jnp.exp(self.log_sd) * jax.random.normal(high, self.loc.shape)

    def log_prob(self, z):
        kind, place = z
        log_kind = jnp.sum(kind * jax.nn.log_softmax(self.logits), axis=-1)
        return log_kind + normal_log_prob(place, self.loc, self.log_sd)


class KindsRecognition(RecognitionModel):
    """Its posterior, linear in x."""

    to_kind: jax.Array
    to_place: jax.Array
    log_sd: jax.Array

    def features(self, batch):
        x = jnp.concatenate([batch.observed, jnp.ones_like(batch.x[:, :1])], axis=1)
        loc = x @ self.to_place
        return {"logits": x @ self.to_kind, "loc": loc, "log_sd": jnp.broadcast_to(self.log_sd, loc.shape)}

    def posterior(self, features, batch, model):
        return KindsPosterior(features["logits"], features["loc"], features["log_sd"])


# Numbers of both models.
SLOPE, S, T = 0.8, 0.6, 0.5
WEIGHT, BIAS = np.array([[1.0, -0.7, 0.4]]), np.array([0.3, 0.0, -1.0])
P = np.array([0.5, 0.3, 0.2])
KIND_BIAS = np.array([[1.5, 0.0, 0.0], [-1.0, 1.0, 0.5], [0.0, -1.5, 1.0]])


def _array(value):
    return jnp.asarray(np.asarray(value, np.float32))


def two_layers():
    """The first model, with the exact posterior for a recognition model, a little too wide."""
    model = TwoLayers(*map(_array, (SLOPE, WEIGHT, BIAS, np.log(S), np.log(T))))
    prior_variance = SLOPE**2 + S**2
    variance = 1 / (1 / prior_variance + np.sum(WEIGHT**2) / T**2)
    gain = variance * WEIGHT.T / T**2
    top_variance = 1 / (1 + SLOPE**2 / S**2)
    encoder = TwoLayerRecognition(
        _array(gain),
        _array(-BIAS @ gain),
        _array(np.log(np.sqrt(variance)) + 0.1),
        _array(top_variance * SLOPE / S**2),
        _array(np.log(np.sqrt(top_variance)) + 0.1),
    )
    return AutoEncoder(model, encoder)


def kinds():
    """The second model, with a rough recognition model."""
    model = Kinds(*map(_array, (np.log(P), WEIGHT, KIND_BIAS, np.log(T))))
    to_kind = 0.5 * np.vstack([KIND_BIAS.T, np.log(P) - 0.5 * np.sum(KIND_BIAS**2, axis=1)])
    to_place = np.vstack([0.4 * WEIGHT.T, 0.0])
    return AutoEncoder(model, KindsRecognition(_array(to_kind), _array(to_place), _array(np.log(1.0))))


class TwoLayersExact:
    """log p(x), p(z|x) and p(x_missing|x_observed) of `two_layers`, in double precision."""

    covariance = WEIGHT.T @ WEIGHT * (SLOPE**2 + S**2) + T**2 * np.eye(3)
    # Of (top, bottom) with x.
    with_codes = np.vstack([SLOPE * WEIGHT, (SLOPE**2 + S**2) * WEIGHT])

    def log_p(self, x):
        observed = ~np.isnan(x)
        return np.array(
            [
                multivariate_normal(BIAS[o], self.covariance[np.ix_(o, o)]).logpdf(row[o]) if o.any() else 0.0
                for row, o in zip(x.astype(float), observed, strict=True)
            ]
        )

    def codes(self, x):
        """Mean and standard deviation of (bottom, top), in the order of the columns of a dict's sites."""
        gain = self.with_codes @ np.linalg.inv(self.covariance)
        mean = (x - BIAS) @ gain.T
        variance = np.array([1.0, SLOPE**2 + S**2]) - np.sum(gain * self.with_codes, axis=1)
        return mean[:, ::-1], np.sqrt(variance)[::-1]

    def bound(self, x, encoder):
        """The evidence lower bound of each row: log p(x) less the divergence of q(z|x) from p(z|x), both normal."""
        gain = self.with_codes @ np.linalg.inv(self.covariance)
        prior = np.array([[1.0, SLOPE], [SLOPE, SLOPE**2 + S**2]])
        p_mean, p = (x - BIAS) @ gain.T, prior - gain @ self.with_codes.T
        slope, v, w = (
            float(encoder.slope),
            np.exp(2 * float(encoder.log_sd)),
            np.exp(2 * float(encoder.top_log_sd)),
        )
        bottom = (x @ np.asarray(encoder.weight, float) + np.asarray(encoder.bias, float))[:, 0]
        q_mean = np.stack([slope * bottom, bottom], axis=1)
        q = np.array([[slope**2 * v + w, slope * v], [slope * v, v]])
        shift = p_mean - q_mean
        inverse = np.linalg.inv(p)
        spread = np.trace(inverse @ q) - 2 + np.log(np.linalg.det(p) / np.linalg.det(q))
        return self.log_p(x) - 0.5 * (np.einsum("ni,ij,nj->n", shift, inverse, shift) + spread)

    def missing(self, x):
        """Mean and standard deviation of the missing values."""
        means, sds = x.astype(float).copy(), np.zeros(x.shape)
        for row, mean, sd in zip(x, means, sds, strict=True):
            m = np.isnan(row)
            gain = self.covariance[np.ix_(m, ~m)] @ np.linalg.inv(self.covariance[np.ix_(~m, ~m)])
            mean[m] = BIAS[m] + gain @ (row[~m] - BIAS[~m])
            sd[m] = np.sqrt(np.diag(self.covariance[np.ix_(m, m)] - gain @ self.covariance[np.ix_(~m, m)]))
        return means, sds


class KindsExact:
    """The same of `kinds`, a mixture of three normal distributions."""

    covariance = WEIGHT.T @ WEIGHT + T**2 * np.eye(3)

    def _by_kind(self, x):
        observed = ~np.isnan(x)
        terms = [
            [
                np.log(p) + multivariate_normal(b[o], self.covariance[np.ix_(o, o)]).logpdf(row[o])
                for p, b in zip(P, KIND_BIAS, strict=True)
            ]
            for row, o in zip(x.astype(float), observed, strict=True)
        ]
        return np.array(terms)

    def log_p(self, x):
        return logsumexp(self._by_kind(x), axis=1)

    def missing(self, x):
        share = softmax(self._by_kind(x), axis=1)
        means, sds = x.astype(float).copy(), np.zeros(x.shape)
        for i, row in enumerate(x):
            m = np.isnan(row)
            gain = self.covariance[np.ix_(m, ~m)] @ np.linalg.inv(self.covariance[np.ix_(~m, ~m)])
            each = KIND_BIAS[:, m] + (row[~m] - KIND_BIAS[:, ~m]) @ gain.T
            within = np.diag(self.covariance[np.ix_(m, m)] - gain @ self.covariance[np.ix_(~m, m)])
            means[i, m] = share[i] @ each
            sds[i, m] = np.sqrt(within + share[i] @ (each - means[i, m]) ** 2)
        return means, sds
