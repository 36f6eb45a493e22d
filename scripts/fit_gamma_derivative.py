"""Fits the constants in `aevb.distributions.gamma_derivative`, and prints them with their largest relative error.

    python scripts/fit_gamma_derivative.py

A variate z of Gamma(a, 1) moves with its concentration, at a fixed quantile, by
d log z / da = sum over k >= 0 of z^k (psi(a + k + 1) - log z) / (a (a + 1) ... (a + k)),
the derivative of z^a e^-z sum z^k / Gamma(a + k + 1) divided by -z f. The approximation is linear in its constants,
so the smallest possible largest relative error over a grid is a linear program.
"""

import numpy as np
from scipy import special
from scipy.optimize import linprog

# s = SCALE / (a + SCALE) takes concentrations, y = (w - 1) / (w + SHIFT) takes w = z / e^psi(a + 1), to where low
# degrees do. Other values gave larger errors with as many constants.
SCALE, SHIFT = 0.7, 1.5
DEGREE_S, DEGREE_Y = 3, 6


def derivative(a: np.ndarray, log_z: np.ndarray) -> np.ndarray:
    """The series, in float64. All terms are positive where z < a; above, digits cancel: 7 at the last quantile."""
    z = np.exp(log_z)
    factor, psi = 1 / a, special.digamma(a + 1)
    total, term, k = np.zeros_like(log_z), np.full_like(log_z, np.inf), 0
    while k < a.max() or np.any(np.abs(term) > 1e-16 * np.abs(total)):
        term = factor * (psi - log_z)
        total += term
        k += 1
        factor = factor * z / (a + k)
        psi = psi + 1 / (a + k)
    return total


def quantiles(a: np.ndarray, p: np.ndarray) -> np.ndarray:
    """log z at F = p and at F = 1 - p; by the leading term p = z^a / Gamma(a + 1) where z would underflow."""
    leading = (np.log(p) + special.gammaln(a + 1)) / a
    z = np.maximum(special.gammaincinv(a, p), 1e-290)
    return np.concatenate(
        [np.where(leading < -30, leading, np.log(z)), np.log(special.gammainccinv(a, p))], axis=1
    )


def grid(concentrations: int, levels: int) -> tuple[np.ndarray, np.ndarray]:
    """Concentrations in [0.02, 1e4], and log z between the quantiles 1e-6 and 1 - 1e-6 of each."""
    a = np.geomspace(0.02, 1e4, concentrations)[:, None]
    log_z = quantiles(a, special.expit(np.linspace(special.logit(1e-6), 0, levels))[None])
    return np.broadcast_to(a, log_z.shape).ravel(), log_z.ravel()


def log_exp_psi(a: np.ndarray, constant: float) -> np.ndarray:
    """psi(a + 1), nearly: e^psi(a + 1) = a + 1/2 + 1 / (24 a + 12 + ...)."""
    return np.log(a + 0.5 + 1 / (24 * a + 12 + constant / (1 + a)))


def basis(a: np.ndarray, log_z: np.ndarray, constant: float) -> tuple[np.ndarray, np.ndarray]:
    """a d log z / da is the first result, plus the second times the constants: s (l / (w - 1)) s^i y^j, s w / .."""
    log_w = log_z - log_exp_psi(a, constant)
    log_w = np.where(np.abs(log_w) < 1e-9, 1e-9, log_w)
    w, s = np.exp(log_w), SCALE / (a + SCALE)
    leading, y = log_w / np.expm1(log_w), (w - 1) / (w + SHIFT)
    columns = [s ** (i + 1) * y**j * leading for i in range(DEGREE_S) for j in range(DEGREE_Y + 1)]
    return leading, np.stack([*columns, s * w / (w + SHIFT) ** 2], axis=-1)


def main() -> None:
    # Exact at a = 0, where e^psi is farthest from a + 1/2.
    constant = round(1 / (np.exp(special.digamma(1)) - 0.5) - 12, 3)
    a, log_z = grid(120, 27)
    target = a * derivative(a, log_z)
    leading, columns = basis(a, log_z, constant)
    relative, residual = columns / target[:, None], 1 - leading / target
    bound = -np.ones((len(a), 1))
    solution = linprog(
        np.r_[np.zeros(columns.shape[1]), 1],
        A_ub=np.block([[relative, bound], [-relative, bound]]),
        b_ub=np.r_[residual, -residual],
        bounds=(None, None),
    )
    constants = np.round(solution.x[:-1], 5)
    a, log_z = grid(317, 101)
    target = a * derivative(a, log_z)
    leading, columns = basis(a, log_z, constant)
    error = np.abs((leading + columns @ constants) / target - 1)
    print(f"e^psi(a + 1): {constant}")
    print(np.array2string(constants[:-1].reshape(DEGREE_S, -1), separator=", "))
    print(
        f"{constants[-1]}\nlargest relative error {solution.x[-1]:.2e} where fitted, {error.max():.2e} between"
    )


if __name__ == "__main__":
    main()
