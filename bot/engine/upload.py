"""Numbers on their way from Python to the device."""

from collections.abc import Sequence

import torch


def upload(
    numbers: Sequence[Sequence[int]] | Sequence[int],
    device: torch.device,
    *,
    dtype: torch.dtype = torch.long,
) -> torch.Tensor:
    """The numbers as a tensor on the device, in the order of its work; nobody waits for it."""
    if device.type != "cuda":
        return torch.tensor(numbers, dtype=dtype, device=device)
    # A copy from memory that is not pinned waits for all the device has to do. The allocator of
    # pinned memory gives it to no other before the copy is done.
    return torch.tensor(numbers, dtype=dtype, pin_memory=True).to(device, non_blocking=True)
