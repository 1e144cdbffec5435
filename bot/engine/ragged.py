"""Attention of growing answers on the CPU: compiled by numba, run by torch's own threads.

A growing answer asks for one token's attention over all of its blocks, wherever they lie. torch
has no operator for that: rows must first be copied side by side and padded to the longest, which
took half of a step of 32 chats. Here each row is read where it is, once. A step of 32 chats of
100 to 400 tokens spent 15 ms in all layers' attention, and 75 ms before.

Promises: a row's result depends on that row alone, to the last bit, whoever is in the batch and
however many threads there are; what is no number in one row stays there.
"""

import ctypes
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numba
import numpy as np
import structlog
import torch
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

log = structlog.get_logger(__name__)

_F4 = np.float32
_REORDERED: Final = {"reassoc", "contract", "nsz", "arcp"}
"""Sums may be reordered into vectors. Not the rest of "fast math", which takes it that there is
no infinity and no NaN, and would make up a number where there is none."""

# A job is a line of 64-bit numbers; these are its columns. The first are addresses.
_QUERY, _KEYS, _VALUES, _TABLES, _SLOTS, _LENGTHS, _SCORES, _SUMS, _OUT, _WHO, _TEAM = range(11)
_NUM_ROWS, _NUM_BLOCKS, _NUM_SLOTS, _TABLE_WIDTH, _SCORES_WIDTH, _PARTS, _WINDOW = range(11, 18)
_SCALE: Final = 18  # the bits of a double
_JOB_SIZE: Final = 19


@dataclass(frozen=True, slots=True)
class Shape:
    """What a kernel is compiled for; `dim` is of a key, `value_dim` of a value."""

    heads: int
    kv_heads: int
    dim: int
    value_dim: int
    block_size: int


def can_run(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether the kernel computes there, in this number format."""
    return device.type == "cpu" and dtype is torch.float32


class Rows:
    """The rows of one step, for all layers: `slots` and `lengths` (tokens seen, `longest` at most),
    each int64 `[rows]`; `tables` int64 `[slots, blocks of a context]`."""

    def __init__(
        self, slots: torch.Tensor, lengths: torch.Tensor, tables: torch.Tensor, longest: int
    ) -> None:
        self.num_rows = len(slots)
        self._held = (slots.contiguous(), lengths.contiguous(), tables)
        self._longest = longest
        self._scratch: tuple[Shape, torch.Tensor, torch.Tensor] | None = None
        self._job = np.zeros(_JOB_SIZE, np.int64)

    def attend(
        self,
        query: torch.Tensor,
        keys: torch.Tensor,
        values: torch.Tensor,
        out: torch.Tensor,
        *,
        scale: float,
        window: int | None,
    ) -> None:
        """Write each row's attention to `out` `[rows, heads, value_dim]`.

        `query` `[rows, heads, dim]`, `keys` and `values` `[blocks, block_size, kv_heads, ..]`; all
        contiguous float32. A row sees its newest `window` tokens, or all.
        """
        num_rows, heads, dim = query.shape
        num_blocks, block_size, kv_heads, value_dim = values.shape
        shape = Shape(heads, kv_heads, dim, value_dim, block_size)
        num_threads = torch.get_num_threads()
        scores, sums = self._room(shape, num_threads)
        slots, lengths, tables = self._held
        job = self._job
        tensors = (query, keys, values, tables, slots, lengths, scores, sums, out)
        if not all(tensor.is_contiguous() for tensor in tensors):
            raise ValueError("the kernel reads contiguous tensors alone")
        job[_QUERY : _OUT + 1] = [tensor.data_ptr() for tensor in tensors]
        gomp = openmp(_gomp_path())
        job[_WHO], job[_TEAM] = gomp.who, gomp.team
        job[_NUM_ROWS], job[_NUM_BLOCKS] = num_rows, num_blocks
        job[_NUM_SLOTS], job[_TABLE_WIDTH] = tables.shape
        job[_SCORES_WIDTH] = scores.shape[-1]
        # A row is read once for all of its heads, unless there are more threads than rows.
        job[_PARTS] = kv_heads if num_rows < num_threads else 1
        job[_WINDOW] = window or self._longest
        job[_SCALE:].view(np.float64)[0] = scale
        gomp.run(_compiled(shape).address, job.ctypes.data, num_threads)

    def _room(self, shape: Shape, num_threads: int) -> tuple[torch.Tensor, torch.Tensor]:
        """For each thread: `[heads, tokens]` scores and `[heads, dim]` sums."""
        if self._scratch is None or self._scratch[0] != shape:
            width = -(-self._longest // shape.block_size) * shape.block_size
            largest = max(shape.dim, shape.value_dim)
            self._scratch = (
                shape,
                torch.empty(num_threads, shape.heads, width),
                torch.empty(num_threads, shape.heads, largest),
            )
        return self._scratch[1:]


@dataclass(frozen=True, slots=True)
class Library:
    """libgomp, which torch's threads wait in: `run` calls a function by its address on so many of
    them; `who` and `team` are the addresses by which the function asks for its number, and theirs;
    0 where there is no libgomp, and one thread."""

    run: Callable[[int, int, int], None]
    who: int = 0
    team: int = 0


@cache
def openmp(path: Path | None) -> Library:
    """The libgomp of that path, or None's one thread."""
    if path is None:
        signature = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
        return Library(lambda address, job, _: signature(address)(job))
    gomp = ctypes.CDLL(str(path))
    parallel = gomp.GOMP_parallel
    parallel.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
    parallel.restype = None
    who, team = (
        ctypes.cast(function, ctypes.c_void_p).value or 0
        for function in (gomp.omp_get_thread_num, gomp.omp_get_num_threads)
    )
    return Library(lambda address, job, num: parallel(address, job, num, 0), who, team)


@cache
def _gomp_path() -> Path | None:
    """The very library that torch has loaded: the threads of another would fight with its."""
    if not sys.platform.startswith("linux"):
        return None
    lines = Path("/proc/self/maps").read_text().splitlines()
    found = {line.split(maxsplit=5)[-1] for line in lines if "/libgomp" in line}
    ours = [path for path in found if "/torch" in path] or sorted(found)
    return Path(ours[0]) if ours else None


@intrinsic
def _floats(_context: Any, address: Any) -> Any:
    """The pointer to float32 at an address."""
    return types.CPointer(types.float32)(types.int64), _to_pointer


@intrinsic
def _ints(_context: Any, address: Any) -> Any:
    """The pointer to int64 at an address."""
    return types.CPointer(types.int64)(types.int64), _to_pointer


def _to_pointer(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))


@intrinsic
def _ask(_context: Any, address: Any) -> Any:
    """What the C function `int f(void)` at an address answers."""

    def call(_: Any, builder: Any, __: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(ir.IntType(32), [])
        return builder.call(builder.inttoptr(arguments[0], kind.as_pointer()), [])

    return types.int32(types.int64), call


@numba.njit(fastmath=_REORDERED, inline="always", error_model="numpy")
def _exp(x: Any) -> Any:
    """e to the `x`, at most 0, within 2 units of the last place: Cephes' `expf`, whose steps the
    compiler can do for many numbers at once."""
    if x < _F4(-87.0):
        x = _F4(-87.0)
    whole = np.floor(x * _F4(1.44269504) + _F4(0.5))
    x = x - whole * _F4(0.693359375) + whole * _F4(2.12194440e-4)
    sum_ = _F4(1.9875691500e-4)
    sum_ = sum_ * x + _F4(1.3981999507e-3)
    sum_ = sum_ * x + _F4(8.3334519073e-3)
    sum_ = sum_ * x + _F4(4.1665795894e-2)
    sum_ = sum_ * x + _F4(1.6666665459e-1)
    sum_ = sum_ * x + _F4(5.0000001201e-1)
    sum_ = sum_ * x * x + x + _F4(1.0)
    bits = (np.int32(whole) + np.int32(127)) << np.int32(23)
    return sum_ * np.int32(bits).view(np.float32)


@cache
def _compiled(shape: Shape) -> Any:
    """The kernel for a shape. Compiling takes seconds, once a machine: numba keeps the result
    beside this file or in the user's cache, where it may write to one of them."""
    try:
        return _compile(shape, keeps=True)
    except RuntimeError as error:
        log.info("ragged.not_kept", error=str(error))
        return _compile(shape, keeps=False)


def _compile(shape: Shape, *, keeps: bool) -> Any:
    heads, kv_heads, block_size = shape.heads, shape.kv_heads, shape.block_size
    dim, value_dim, shared = shape.dim, shape.value_dim, shape.heads // shape.kv_heads
    largest = max(dim, value_dim)

    @numba.cfunc(
        types.void(types.CPointer(types.int64)),
        cache=keeps,
        fastmath=_REORDERED,
        error_model="numpy",
    )
    def attend(pointer: Any) -> None:
        job = numba.carray(pointer, (_JOB_SIZE,))
        who, team = 0, 1
        if job[_WHO] != 0:
            who, team = _ask(job[_WHO]), _ask(job[_TEAM])
        num_rows, num_blocks, parts = job[_NUM_ROWS], job[_NUM_BLOCKS], job[_PARTS]
        scale = _F4(job[_SCALE:].view(np.float64)[0])
        query = numba.carray(_floats(job[_QUERY]), (num_rows, heads, dim))
        keys = numba.carray(_floats(job[_KEYS]), (num_blocks, block_size, kv_heads, dim))
        values = numba.carray(_floats(job[_VALUES]), (num_blocks, block_size, kv_heads, value_dim))
        tables = numba.carray(_ints(job[_TABLES]), (job[_NUM_SLOTS], job[_TABLE_WIDTH]))
        slots = numba.carray(_ints(job[_SLOTS]), (num_rows,))
        lengths = numba.carray(_ints(job[_LENGTHS]), (num_rows,))
        scores = numba.carray(_floats(job[_SCORES]), (team, heads, job[_SCORES_WIDTH]))[who]
        sums = numba.carray(_floats(job[_SUMS]), (team, heads, largest))[who]
        out = numba.carray(_floats(job[_OUT]), (num_rows, heads, value_dim))

        for item in range(who, num_rows * parts, team):
            row, part = item // parts, item % parts
            first_kv, last_kv = part * kv_heads // parts, (part + 1) * kv_heads // parts
            blocks, end = tables[slots[row]], lengths[row]
            start = max(0, end - job[_WINDOW])
            first, last = start // block_size, (end + block_size - 1) // block_size

            for head in range(first_kv * shared, last_kv * shared):
                for place in range(dim):
                    sums[head, place] = query[row, head, place] * scale
            for number in range(first, last):
                block = keys[blocks[number]]
                for token in range(block_size):
                    for kv in range(first_kv, last_kv):
                        for other in range(shared):
                            score = _F4(0)
                            for place in range(dim):
                                score += sums[kv * shared + other, place] * block[token, kv, place]
                            scores[kv * shared + other, number * block_size + token] = score

            for head in range(first_kv * shared, last_kv * shared):
                # Tokens outside of what is seen count nothing, whatever stands there.
                for token in range(first * block_size, start):
                    scores[head, token] = _F4(0)
                for token in range(end, last * block_size):
                    scores[head, token] = _F4(0)
                top = scores[head, start]
                for token in range(start, end):
                    top = max(top, scores[head, token])
                whole = _F4(0)
                for token in range(start, end):
                    weight = _exp(scores[head, token] - top)
                    scores[head, token] = weight
                    whole += weight
                for token in range(start, end):
                    scores[head, token] /= whole
                for place in range(value_dim):
                    sums[head, place] = _F4(0)

            for number in range(first, last):
                block = values[blocks[number]]
                for token in range(block_size):
                    for kv in range(first_kv, last_kv):
                        for other in range(shared):
                            head = kv * shared + other
                            weight = scores[head, number * block_size + token]
                            for place in range(value_dim):
                                sums[head, place] += weight * block[token, kv, place]
            for head in range(first_kv * shared, last_kv * shared):
                for place in range(value_dim):
                    out[row, head, place] = sums[head, place]

    return attend
