"""Models whose every quantity is known exactly, computed with NumPy and SciPy and none of our code."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from scipy.stats import multivariate_normal, norm

from aevb.datasets import Scaling
from aevb.models import (
    LIKELIHOODS,
    AutoEncoder,
    Constant,
    Decoder,
    Encoder,
    LatentVariableModel,
    Prior,
)
from aevb.models.conditional import LOG_VARIANCE_LIMITS
from aevb.networks import MLP


@dataclasses.dataclass(frozen=True)
class LinearGaussian:
    """z ~ N(0, I_k), x|z ~ N(W z + b, diag(exp(log_variance))): a VAE in closed form.

    With `loc` and `scale`, x above is in scaled units, and densities are of `loc + scale * x`.
    """

    weight: np.ndarray  # (d, k)
    bias: np.ndarray  # (d,)
    log_variance: np.ndarray  # (d,)

    @classmethod
    def random(cls, d, k, seed=0, *, orthogonal=False):
        """`orthogonal` makes W' W / s^2 diagonal, and with it the posterior's covariance."""
        rng = np.random.default_rng(seed)
        weight, log_variance = rng.normal(size=(d, k)), rng.uniform(-1, 1, size=d)
        if orthogonal:
            columns = np.linalg.qr(weight)[0] * np.linspace(1.0, 2.0, k)
            weight = columns * np.exp(log_variance / 2)[:, None]
        return cls(weight, rng.normal(size=d), log_variance)

    @classmethod
    def ppca(cls, x, k):
        """The maximum-likelihood solution for `x` at R = I, and its log-likelihood (Tipping & Bishop 1999)."""
        n, d = x.shape
        values, vectors = np.linalg.eigh(np.cov(x.T, bias=True))
        values, vectors = values[::-1], vectors[:, ::-1]
        s2 = values[k:].mean()
        weight = vectors[:, :k] * np.sqrt(values[:k] - s2)
        best = -n / 2 * (d * np.log(2 * np.pi) + np.log(values[:k]).sum() + (d - k) * np.log(s2) + d)
        return cls(weight, x.mean(0), np.full(d, np.log(s2))), best

    @property
    def d(self):
        return self.weight.shape[0]

    @property
    def k(self):
        return self.weight.shape[1]

    @property
    def covariance(self):
        return self.weight @ self.weight.T + np.diag(np.exp(self.log_variance))

    def sample(self, n, seed=1):
        x = np.random.default_rng(seed).multivariate_normal(self.bias, self.covariance, size=n)
        return x.astype(np.float32)

    def log_marginal(self, x, loc=0.0, scale=1.0):
        """log p(x) per row; `x` scaled, the density per unit of `loc + scale * x`."""
        scale = np.broadcast_to(np.asarray(scale, float), self.d)
        return multivariate_normal(loc + scale * self.bias, scale[:, None] * self.covariance * scale).logpdf(
            loc + scale * x.astype(float)
        )

    @property
    def encoder_map(self):
        """A, c and covariance of the posterior N(A x + c, covariance)."""
        scaled = self.weight.T / np.exp(self.log_variance)
        covariance = np.linalg.inv(np.eye(self.k) + scaled @ self.weight)
        return covariance @ scaled, -covariance @ scaled @ self.bias, covariance

    def bound(self, x, encoder=None):
        """The bound per row, and its reconstruction and KL, of a linear-Gaussian encoder (A, c, log variances)."""
        a, c, log_v = self.exact_encoder if encoder is None else encoder
        x, v = x.astype(float), np.exp(log_v)
        m = x @ a.T + c
        fit = norm.logpdf(x, m @ self.weight.T + self.bias, np.exp(self.log_variance / 2)).sum(1)
        reconstruction = fit - 0.5 * np.sum(self.weight**2 @ v / np.exp(self.log_variance))
        kl = 0.5 * np.sum(v + m**2 - 1 - log_v, axis=1)
        return reconstruction - kl, reconstruction, kl

    @property
    def exact_encoder(self):
        """The exact posterior as an encoder with a diagonal covariance; only where it has one."""
        a, c, covariance = self.encoder_map
        assert np.allclose(covariance, np.diag(np.diag(covariance)), atol=1e-12)
        return a, c, np.log(np.diag(covariance))

    def imperfect_encoder(self, shift=0.1, stretch=0.4):
        """The posterior's means moved and its marginal variances multiplied by exp(stretch)."""
        a, c, covariance = self.encoder_map
        return 0.95 * a, c + shift, np.log(np.diag(covariance)) + stretch

    def autoencoder(self, encoder=None, scaling=None):
        """The same model in aevb's classes, in JAX's default dtype."""
        a, c, log_v = self.exact_encoder if encoder is None else encoder
        autoencoder = tiny("gaussian", self.d, self.k, (), scaling=scaling)
        decoder = with_head(autoencoder.model.decoder, "loc", self.weight, self.bias)
        decoder = with_log_variance(decoder, self.log_variance)
        q = with_encoder(autoencoder.encoder, a, c, log_v)
        return AutoEncoder(
            LatentVariableModel(autoencoder.model.prior, decoder, autoencoder.model.log_scale), q
        )


def with_head(module, name, weight, bias):
    """The module with these arrays in its linear head `name`."""
    return eqx.tree_at(lambda m: m.heads[name], module, with_weights(module.heads[name], weight, bias))


def with_weights(linear, weight, bias):
    """The linear layer with these arrays, the weight as mathematics writes it."""
    arrays = tuple(jnp.asarray(np.asarray(w, jnp.result_type(float))) for w in (np.transpose(weight), bias))
    return eqx.tree_at(lambda layer: (layer.weight, layer.bias), linear, arrays)


def with_log_variance(module, log_variance):
    """The module with constant log-variances."""
    head = inverse_soft_clip(np.asarray(log_variance, float))
    return with_head(module, "log_variance", np.zeros(module.heads["log_variance"].weight.shape[::-1]), head)


def with_encoder(encoder, a, c, log_variance):
    """A Gaussian encoder without hidden layers, with means A x + c and constant log-variances."""
    flat = np.asarray(log_variance, float)
    zeros = np.zeros(encoder.heads["log_variance"].weight.shape[::-1])
    arrays = {"loc": (a, c), "log_variance": (zeros, inverse_soft_clip(flat))}
    heads = {name: with_weights(encoder.heads[name], *arrays[name]) for name in arrays}
    return eqx.tree_at(lambda e: e.heads, encoder, heads)


def inverse_soft_clip(y, limits=LOG_VARIANCE_LIMITS):
    """The value that soft_clip maps to `y`: softplus is undone as log(expm1(y)), twice."""
    lower, upper = limits
    below = lower + np.log(np.expm1(y - lower))
    return upper - np.log(np.expm1(upper - below))


def tiny(likelihood="gaussian", d=5, k=2, hidden=(4,), activation="tanh", seed=0, scaling=None):
    """A small autoencoder with random weights, drawn by NumPy so that nothing is compiled for it."""

    def build():
        key = jax.random.key(0)
        encoder = Encoder(MLP(d, hidden, activation, key=key), d, k, key=key)
        decoder = Decoder(LIKELIHOODS[likelihood], MLP(k, hidden, activation, key=key), k, d, key=key)
        model = LatentVariableModel(Prior("gaussian", k), decoder, Constant(jnp.zeros(d)))
        return AutoEncoder(model, encoder)

    rng = np.random.default_rng(seed)
    shapes = eqx.filter_eval_shape(build)
    drawn = jax.tree.map(lambda w: jnp.asarray(0.5 * rng.normal(size=w.shape).astype(w.dtype)), shapes)
    log_scale = (scaling or Scaling.identity(d)).log_scale
    return eqx.tree_at(
        lambda a: a.model.log_scale.value, drawn, jnp.asarray(log_scale, jnp.result_type(float))
    )


def same_bits(a, b):
    """Whether two trees of arrays are equal bit for bit."""
    a, b = (
        jax.tree.leaves(eqx.filter(t, lambda leaf: isinstance(leaf, jax.Array | np.ndarray))) for t in (a, b)
    )
    return len(a) == len(b) and all(
        x.dtype == y.dtype and np.asarray(x).tobytes() == np.asarray(y).tobytes()
        for x, y in zip(a, b, strict=True)
    )


def linear_gaussian_elbo(autoencoder, x):
    """The closed form of the bound of each row, of a linear autoencoder such as `LinearGaussian.autoencoder` gives.

    A function of the same arrays, so that its gradient has the same shape. Where the decoder's log-variances depend
    on z there is no closed form: of their weights, which are to be 0, no derivative is taken.
    """
    encoder, decoder = autoencoder.encoder, autoencoder.model.decoder
    m = x @ encoder.heads["loc"].weight + encoder.heads["loc"].bias
    log_v = _limited(x @ encoder.heads["log_variance"].weight + encoder.heads["log_variance"].bias)
    log_s2 = _limited(decoder.heads["log_variance"].bias)
    residual = x - m @ decoder.heads["loc"].weight - decoder.heads["loc"].bias
    spread = residual**2 + jnp.exp(log_v) @ decoder.heads["loc"].weight ** 2
    reconstruction = -0.5 * jnp.sum(spread * jnp.exp(-log_s2) + log_s2 + np.log(2 * np.pi), axis=1)
    return reconstruction - 0.5 * jnp.sum(jnp.exp(log_v) + m**2 - 1 - log_v, axis=1)


def linear_gaussian_evidence(autoencoder, x):
    """log p(x) of the same."""
    decoder = autoencoder.model.decoder
    covariance = decoder.heads["loc"].weight.T @ decoder.heads["loc"].weight + jnp.diag(
        jnp.exp(_limited(decoder.heads["log_variance"].bias))
    )
    return jax.scipy.stats.multivariate_normal.logpdf(x, decoder.heads["loc"].bias, covariance)


def _limited(h, limits=LOG_VARIANCE_LIMITS):
    h = limits[1] - jnp.logaddexp(0.0, limits[1] - h)
    return limits[0] + jnp.logaddexp(0.0, h - limits[0])
