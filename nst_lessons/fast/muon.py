"""Muon, an optimizer for matrices: momentum whose every step turns all directions alike (Jordan et al. 2024)."""
import torch


def zeroth_power(matrix, steps=5):
    """The nearest matrix with all singular values near one, by Newton–Schulz (Bernstein & Newhouse 2024): [M, N] → [M, N]."""
    tall = matrix.shape[0] > matrix.shape[1]
    x = (matrix.T if tall else matrix) / (matrix.norm() + 1e-7)
    for _ in range(steps):
        square = x @ x.T                                                     # the shorter side squared
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x   # a polynomial that lifts all singular values to about 1
    return x.T if tall else x


class Muon(torch.optim.Optimizer):
    """For convolutions' kernels [out, in, k, k], seen as matrices [out, in·k·k]; `lr` is the size of a step for each direction."""

    def __init__(self, params, lr=0.01, momentum=0.95):
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self):
        """One step along the gradients that are there."""
        for group in self.param_groups:
            for kernel in group["params"]:
                if kernel.grad is None:
                    continue
                buffer = self.state[kernel].setdefault("momentum", torch.zeros_like(kernel))
                buffer.lerp_(kernel.grad, 1 - group["momentum"])
                ahead = kernel.grad.lerp(buffer, group["momentum"]).flatten(1)         # Nesterov's look ahead, [out, in·k·k]
                longer = max(1, ahead.shape[0] / ahead.shape[1]) ** 0.5
                kernel.add_(zeroth_power(ahead).view(kernel.shape), alpha=-group["lr"] * longer)
