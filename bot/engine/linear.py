"""Linear layers on the CPU, packed for steps of few rows.

A decode step multiplies all weights of the model with one row for each chat, so it takes as long
as it takes to read them, and the BLAS behind `nn.Linear` does not even reach that: it is made for
hundreds of rows. `pack` gives the layers FBGEMM's packed matrices instead, in which weights are
float16 and everything else (the inputs, the products, their sums) stays float32.

Promises: a packed layer computes with its weights rounded to float16 and with nothing else
changed; a layer whose weights float16 cannot hold stays as it was. Weights published as bfloat16
or float16 keep their values, but for the very small.

Why these matrices: the speed of other ways as a multiple of `nn.Linear`'s, over all linear layers
of the default model, on one thread with AVX-512 (and AVX2), and what they change of its answers:
likeliest tokens of 6,300, perplexity, and greedy answers of 20 that stay the same for 48 tokens.

  rows in a step                1          4          8         32        128  tokens   perpl.  same
  this                  3.0 (2.6)  3.3 (3.4)  2.5 (2.5)  1.5 (1.5)  1.2 (1.1)   0.1 %  +0.00 %    20
  `(W @ x.T).T`         1.0 (1.0)  1.3 (1.4)  1.0 (1.0)  0.9 (1.0)  1.0 (1.0)
  oneDNN, packed        1.0 (0.9)  1.7 (1.2)  1.5 (1.2)  1.4 (1.2)  1.2 (1.1)
  int8 weights          2.3 (1.7)  2.3 (1.7)  1.6 (1.3)  0.9 (0.7)  0.8 (0.6)   4.6 %   +1.1 %     3
  4-bit weights         4.9 (2.4)  4.3 (2.9)  2.7 (1.8)  1.3 (0.9)  1.0 (0.6)   1.2 %   -0.2 %    14
  bfloat16              1.2 (2.3)  1.6 (1.2)  1.7 (0.7)  1.8 (0.3)  2.0 (0.2)   2.7 %   +0.3 %    11

(int8 has a scale a row, 4-bit one for 32 weights; both kernels want bfloat16 inputs.) One layout
for any number of rows, because two would double the memory, and would make an answer depend on who
else is in the batch. Layers that are given the same input share a matrix: that saves a twentieth of
a step of one row on one thread, a fifth on two where another program keeps a core busy (each
product ends with the threads waiting for each other), and nothing from eight rows on.
"""

from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn

_ROUNDING = 2.0**-11
"""Relative: half the distance of two float16 numbers, as long as they are not very small."""


_SIBLINGS = (("q_proj", "k_proj", "v_proj"), ("gate_proj", "up_proj"))
"""Names, in the order of their calls, of layers that transformers' classes give the same input."""


Change = Callable[[torch.Tensor, Sequence[torch.Tensor]], None]
"""Given the input of some layers and the output of each, changes the outputs in place."""


class Matrix:
    """The packed weights of layers that are called one after the other with the same input.

    The first call computes the outputs of all. A layer that is called with another input gets the
    right output too, only later. For one thread. `changes` are made to whatever it computes.
    """

    def __init__(self, layers: Sequence[nn.Linear]) -> None:
        self._sizes = [layer.out_features for layer in layers]
        weight = torch.cat([layer.weight for layer in layers])
        bias = torch.cat([layer.bias for layer in layers]) if _has_bias(layers[0]) else None
        self._packed: Any = torch.ops.quantized.linear_prepack_fp16(weight, bias)
        self._given: torch.Tensor | None = None
        self._outputs: dict[int, torch.Tensor] = {}
        self.changes: list[Change] = []

    @property
    def num_layers(self) -> int:
        return len(self._sizes)

    def output(self, place: int, inputs: torch.Tensor) -> torch.Tensor:
        """The output of the layer at `place`; handed out once, so it may be changed in place."""
        if len(self._sizes) == 1:
            return self._products(inputs)[0]
        if inputs is not self._given or place not in self._outputs:
            self._given = inputs
            self._outputs = dict(enumerate(self._products(inputs)))
        output = self._outputs.pop(place)
        if not self._outputs:
            self._given = None
        return output

    def _products(self, inputs: torch.Tensor) -> Sequence[torch.Tensor]:
        out: torch.Tensor = torch.ops.quantized.linear_dynamic_fp16.default(inputs, self._packed)
        is_one = len(self._sizes) == 1
        outputs = (out,) if is_one else torch.split_with_sizes(out, self._sizes, -1)
        for change in self.changes:
            change(inputs, outputs)
        return outputs


class PackedLinear(nn.Module):
    """In the place of an `nn.Linear`: `[..., in_features]` float32 to `[..., out_features]`.

    It has no `weight`: the packed matrix is the only copy. FBGEMM pads `in_features` to a multiple
    of 512, so that it takes up to 1.8 times the bytes of float16 in small models.
    """

    def __init__(self, linear: nn.Linear, matrix: Matrix, place: int) -> None:
        super().__init__()
        self.in_features = linear.in_features
        self.out_features = linear.out_features
        self.matrix = matrix
        self.place = place

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.matrix.output(self.place, inputs)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}"


def shared_matrix(layers: Sequence[nn.Module]) -> Matrix | None:
    """The matrix of exactly these layers in this order, if they are packed in one."""
    packed = [layer for layer in layers if isinstance(layer, PackedLinear)]
    if not packed or len(packed) != len(layers):
        return None
    matrix = packed[0].matrix
    is_shared = all(layer.matrix is matrix for layer in packed)
    is_whole = [layer.place for layer in packed] == list(range(matrix.num_layers))
    return matrix if is_shared and is_whole else None


def can_pack() -> bool:
    """Whether torch has the kernels here: on x86 with AVX2."""
    return torch.backends.quantized.engine in {"fbgemm", "x86"}


def pack(model: nn.Module) -> int:
    """Replace the linear layers of `model`, float32 and on the CPU; returns how many.

    Old weights are let go one by one, and what is left moves out of the file that it was mapped
    from.
    """
    packed: WeakKeyDictionary[nn.Module, PackedLinear] = WeakKeyDictionary()
    for parent in [module for module in model.modules() if type(module) is not nn.Linear]:
        layers = {name: x for name, x in parent.named_children() if type(x) is nn.Linear}
        fitting = {n: x for n, x in layers.items() if x not in packed and _fits(x.weight)}
        for group in _groups(fitting):
            matrix = Matrix(group)
            packed.update({x: PackedLinear(x, matrix, n) for n, x in enumerate(group)})
        for name, layer in layers.items():
            if layer in packed:
                setattr(parent, name, packed[layer])
    num_packed = sum(isinstance(module, PackedLinear) for module in model.modules())
    if num_packed:
        for parameter in model.parameters():
            parameter.data = parameter.data.clone()
    return num_packed


def _groups(layers: dict[str, nn.Linear]) -> list[list[nn.Linear]]:
    """A module's layers by name, those together that can share a matrix."""
    left, groups = dict(layers), []
    for names in _SIBLINGS:
        group = [left[name] for name in names if name in left]
        kinds = {(layer.in_features, _has_bias(layer)) for layer in group}
        if len(group) == len(names) and len(kinds) == 1:
            groups.append(group)
            left = {name: layer for name, layer in left.items() if name not in names}
    return [*groups, *([layer] for layer in left.values())]


def _has_bias(layer: nn.Linear) -> bool:
    return "bias" in dict(layer.named_parameters())  # None without one, which its type denies


def _fits(weight: torch.Tensor) -> bool:
    """Whether float16 holds these weights: not too large, nor most of them too small."""
    error = torch.linalg.vector_norm(weight - weight.half())
    return bool(error <= _ROUNDING * torch.linalg.vector_norm(weight))
