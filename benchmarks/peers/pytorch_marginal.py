"""log p(x) by importance sampling as a plain PyTorch loop over images does it: codes a second, as JSON.

`python pytorch_marginal.py ROWS K`; run in the environment of PyTorch.
"""

import json
import math
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

LATENTS, HIDDEN, PIXELS = 20, 400, 784


class VAE(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.loc, self.log_variance = (
            nn.Linear(PIXELS, HIDDEN),
            nn.Linear(HIDDEN, LATENTS),
            nn.Linear(HIDDEN, LATENTS),
        )
        self.decoder = nn.Sequential(nn.Linear(LATENTS, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, PIXELS))

    def log_p(self, x: torch.Tensor, k: int) -> torch.Tensor:
        h = F.relu(self.hidden(x))
        loc, log_variance = self.loc(h), self.log_variance(h)
        noise = torch.randn(k, LATENTS)
        z = loc + torch.exp(0.5 * log_variance) * noise
        logits = self.decoder(z)
        fit = -F.binary_cross_entropy_with_logits(logits, x.expand_as(logits), reduction="none").sum(1)
        log_ratio = 0.5 * (noise**2 - z**2 + log_variance).sum(1)
        return torch.logsumexp(fit + log_ratio, 0) - math.log(k)


def main() -> None:
    rows, k = int(sys.argv[1]), int(sys.argv[2])
    torch.manual_seed(0)
    vae, x = VAE(), torch.rand(rows, PIXELS)
    with torch.no_grad():
        vae.log_p(x[0], k)
        start = time.perf_counter()
        for row in x:
            vae.log_p(row, k)
        taken = time.perf_counter() - start
    print(json.dumps({"codes_per_second": rows * k / taken}))


if __name__ == "__main__":
    main()
