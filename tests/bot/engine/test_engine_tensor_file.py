"""The reader of safetensors files against the library's own writer and reader."""

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from bot.engine import tensor_file


def test_it_reads_what_the_library_reads(tmp_path: Path) -> None:
    path = tmp_path / "some.safetensors"
    wanted = {
        "matrix": torch.randn(3, 5),
        "half": torch.randn(7).half(),
        "brain": torch.randn(2, 1, 3).bfloat16(),
        "empty": torch.empty(0, 4),
        "number": torch.tensor(1.5),
    }
    save_file(wanted, path, metadata={"format": "pt"})
    got, library = tensor_file.tensors(tensor_file.read(path)), load_file(path)
    assert set(got) == set(library) == set(wanted)
    for name, tensor in library.items():
        assert got[name].dtype is tensor.dtype
        assert torch.equal(got[name], tensor)


def test_numbers_may_begin_anywhere_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "odd.safetensors"
    header = b'{"x":{"dtype":"F32","shape":[2],"data_offsets":[1,9]}}'
    numbers = torch.tensor([1.0, -2.5])
    path.write_bytes(len(header).to_bytes(8, "little") + header + b"?" + numbers.numpy().tobytes())
    assert torch.equal(tensor_file.tensors(tensor_file.read(path))["x"], numbers)
