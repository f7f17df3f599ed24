"""A GPU without a GPU: within `stand_in()` tensors can lie on a device "cuda" that refuses to mix with the processor.

The numbers lie in ordinary memory and are computed on the processor. What is different is what Whet sees: a storage
that was made on the device is marked, `.device` says so, whatever an operation makes of marked tensors is marked, and
an operation that reads both sides fails in the words of CUDA. What CUDA allows is allowed: a single number of the
processor beside tensors of the device, indices on the processor, copies. `torch.cuda` answers as a GPU would.

Why no backend in Python (PrivateUse1): it is registered once for the life of a process and changes what every later
test sees; and its tensors are wrappers, which `tensor.data = ...` (PEFT, Whet) leaves with the old numbers inside, in
silence. A marked storage has neither fault, and the code under test takes the very branches that it takes on a GPU.
What this cannot show: kernels of a GPU, their rounding, and whether they run at the same time as the processor.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import torch
from peft.utils import save_and_load
from safetensors.torch import load_file
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

functorch: Any = getattr(torch._C, "_functorch")
CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)
FREE, TOTAL = 20 * 10**9, 24 * 10**9
INDEXED = {"index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index", "_unsafe_index_put"}
"""Their indices may lie on the processor."""
COPIES = {"copy_"}
WAITS = {"_local_scalar_dense", "nonzero", "_unique2", "masked_select", "equal"}
"""After these the processor waits until the device has come so far."""
READS = {"numpy", "__array__", "data_ptr"}
"""Reach into the memory itself."""


@dataclass
class Device:
    """What happened on it."""

    operations: int = 0
    waits: int = 0
    copies: int = 0
    """Of tensors, from one side to the other."""
    seen: set[str] = field(default_factory=set)
    """Names of operations that ran on the device."""
    within: int = 0
    """Calls under way that were given a tensor of the device: what they make inside of torch is made there."""


def tensors_in(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for part in value:
            yield from tensors_in(part)
    elif isinstance(value, dict):
        for part in value.values():
            yield from tensors_in(part)


def lies_on_device(tensor: Tensor) -> bool:
    with torch._C.DisableTorchFunction():
        return getattr(_storage(tensor), "on_device", False)


def mark(found: Any, on_device: bool) -> Any:
    """The tensors in `found`, from now on lying there."""
    with torch._C.DisableTorchFunction():
        for tensor in tensors_in(found):
            storage = _storage(tensor)
            if storage is not None:
                storage.on_device = on_device  # kept as long as the storage lives
    return found


def _storage(tensor: Tensor) -> Any:
    """Where the numbers of a tensor lie, also within torch.vmap; None of one that has none."""
    while functorch.is_functorch_wrapped_tensor(tensor):
        tensor = functorch.get_unwrapped(tensor)
    return None if tensor.is_meta or tensor.layout != torch.strided else tensor.untyped_storage()


class _Operations(TorchDispatchMode):
    """Below autograd: every operation, those of the backward pass as well."""

    def __init__(self, device: Device) -> None:
        super().__init__()
        self.device = device

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = func._schema.name.split("::")[1]
        sides = {lies_on_device(tensor) for tensor in tensors_in((args, kwargs))}
        if not sides and self.device.within:
            return mark(func(*args, **kwargs), True)
        if True not in sides or name in COPIES:
            return func(*args, **kwargs)
        self.device.operations += 1
        self.device.waits += name in WAITS
        self.device.seen.add(name)
        if func._schema.name.startswith(("mkldnn", "onednn", "quantized")):
            raise NotImplementedError(f"Could not run '{func._schema.name}' with arguments from the 'CUDA' backend.")
        if False in sides:
            _refuse_mixed(func, name, args, kwargs)
        found = func(*args, **kwargs)
        on_device = not isinstance(args[0], Tensor) or name not in INDEXED or lies_on_device(args[0])
        return mark(found, True) if on_device else found


def _refuse_mixed(func: Any, name: str, args: Any, kwargs: Any) -> None:
    """RuntimeError, as CUDA words it."""
    given = [*zip(func._schema.arguments, args, strict=False), *((_named(func, key), kwargs[key]) for key in kwargs)]
    for argument, value in given:
        if name in INDEXED and argument.name == "indices":
            continue
        written = argument.alias_info is not None and argument.alias_info.is_write
        for tensor in tensors_in(value):
            single = tensor.dim() == 0 and not written
            if not lies_on_device(tensor) and not single:
                raise RuntimeError(
                    "Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu! "
                    f"(when checking argument {argument.name} in method {name})"
                )


def _named(func: Any, key: str) -> Any:
    return next(argument for argument in func._schema.arguments if argument.name == key)


class _Calls(TorchFunctionMode):
    """Above autograd: what is said of devices, and moves."""

    def __init__(self, device: Device) -> None:
        super().__init__()
        self.device = device

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        if name == "__get__":
            return self._property(func, args)
        first = args[0] if args and isinstance(args[0], Tensor) else None
        if name == "backward" and first is not None:
            with self:  # the passes that are written in Python ask for devices, too
                return torch.autograd.backward(first, kwargs.get("gradient"))
        if first is not None:
            if name in READS and lies_on_device(first) and name != "data_ptr":
                raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first.")
            if name == "tolist" and lies_on_device(first):
                self.device.waits += 1
            if name in ("cpu", "cuda"):
                return self._moved(first, GPU if name == "cuda" else CPU, None, False)
            if name == "get_device":
                return 0 if lies_on_device(first) else -1
            if name == "to":
                return self._to(first, *args[1:], **kwargs)
            if name == "new_tensor":
                there = kwargs.pop("device", None)
                return mark(func(*args, **kwargs), is_gpu(there) if there else lies_on_device(first))
            if name == "__deepcopy__" and not isinstance(first, torch.nn.Parameter):
                return mark(func(*args, **kwargs), lies_on_device(first))
        return self._made(func, name, first, args, kwargs)

    def _property(self, func: Any, args: Any) -> Any:
        which = getattr(getattr(func, "__self__", None), "__name__", "")
        if which == "device" and not args[0].is_meta:
            return GPU if lies_on_device(args[0]) else CPU
        if which == "is_cuda":
            return lies_on_device(args[0])
        if which == "is_cpu":
            return not lies_on_device(args[0])
        return func(*args)

    def _to(self, tensor: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """All forms of Tensor.to."""
        there, dtype, copy = kwargs.get("device"), kwargs.get("dtype"), kwargs.get("copy", False)
        for value in args:
            if isinstance(value, Tensor):
                there, dtype = GPU if lies_on_device(value) else CPU, value.dtype
            elif isinstance(value, str | torch.device | int) and not isinstance(value, bool):
                there = value
            elif isinstance(value, torch.dtype):
                dtype = value
        if there is not None and torch.device(there).type == "meta":
            return Tensor.to(tensor, *args, **kwargs)
        return self._moved(tensor, there, dtype, copy)

    def _moved(self, tensor: Tensor, there: Any, dtype: torch.dtype | None, copy: bool) -> Tensor:
        wanted = is_gpu(there) if there is not None else lies_on_device(tensor)
        if wanted == lies_on_device(tensor):
            return tensor.to(dtype or tensor.dtype, copy=copy)
        self.device.copies += 1
        return _Move.apply(tensor, wanted, dtype or tensor.dtype)  # type: ignore[no-any-return]

    def _made(self, func: Any, name: str, first: Tensor | None, args: Any, kwargs: Any) -> Any:
        """A call that may make tensors on a device that it names."""
        generator = kwargs.get("generator")
        if "device" not in kwargs or kwargs["device"] is None or torch.device(kwargs["device"]).type == "meta":
            if generator is not None and first is not None:
                _refuse_generator(generator, lies_on_device(first))
            there = any(map(lies_on_device, tensors_in((args, kwargs))))
            self.device.within += there
            try:
                return func(*args, **kwargs)
            finally:
                self.device.within -= there
        wanted = is_gpu(kwargs.pop("device"))
        if generator is not None:
            _refuse_generator(generator, wanted)
        if name in ("as_tensor", "asarray") and isinstance(args[0], Tensor):
            return self._moved(func(*args, **kwargs), GPU if wanted else CPU, None, False)
        return mark(func(*args, **kwargs, device=CPU), wanted)


class _Move(torch.autograd.Function):
    """A copy on the other side; its gradient comes back to this one."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor, wanted: bool, dtype: torch.dtype) -> Tensor:
        ctx.was, ctx.dtype = lies_on_device(tensor), tensor.dtype
        return mark(tensor.detach().clone().to(dtype), wanted)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        return mark(grads[0].clone().to(ctx.dtype), ctx.was), None, None


class _Generator(torch.Generator):
    """Says on which side it draws."""

    def __new__(cls, device: Any = "cpu") -> Any:
        made: Any = super().__new__(cls, "cpu")  # pyright: ignore[reportCallIssue]
        made.on_device = is_gpu(device)
        return made


def _refuse_generator(generator: Any, wanted: bool) -> None:
    if getattr(generator, "on_device", False) != wanted:
        sides = ("cuda", "cpu") if wanted else ("cpu", "cuda")
        raise RuntimeError(f"Expected a '{sides[0]}' device type for generator but found '{sides[1]}'")


def is_gpu(device: Any) -> bool:
    return isinstance(device, int) or torch.device(device).type == "cuda"


def _load_file(file: str, device: Any = "cpu") -> dict[str, Tensor]:
    """safetensors reads into a GPU's memory by itself."""
    return {name: tensor.to(device) for name, tensor in load_file(file).items()}


def _no_compiler(*_args: Any, **_more: Any) -> Any:
    raise RuntimeError("there is no compiler for the stand-in")


@contextlib.contextmanager
def stand_in(**answers: Any) -> Iterator[Device]:
    """Within this block there is a GPU; `answers` replace functions of torch.cuda by what they return."""
    device = Device()
    random = torch.Generator().manual_seed(5)
    given: dict[str, Callable[..., Any]] = {
        "is_available": lambda: True,
        "is_initialized": lambda: True,
        "_lazy_init": lambda: None,
        "device_count": lambda: 1,
        "current_device": lambda: 0,
        "get_device_name": lambda *_: "stand-in",
        "get_device_capability": lambda *_: (8, 0),
        "get_rng_state": lambda *_: random.get_state(),
        "set_rng_state": lambda state, *_: random.set_state(state),
        "synchronize": lambda *_: None,
        "empty_cache": lambda: None,
        "manual_seed_all": random.manual_seed,
        "mem_get_info": lambda *_: (FREE, TOTAL),
        "memory_allocated": lambda *_: 0,
        "memory_reserved": lambda *_: 0,
        "max_memory_allocated": lambda *_: 123_456_789,
        "reset_peak_memory_stats": lambda *_: None,
        "is_bf16_supported": lambda including_emulation=True: True,
        "get_device_properties": lambda *_: mock.Mock(total_memory=TOTAL, major=8, minor=0, name="stand-in"),
    }
    given |= {name: (lambda *_, answer=answer, **__: answer) for name, answer in answers.items()}
    with (
        mock.patch.multiple(torch.cuda, **given),  # pyright: ignore
        mock.patch.object(torch, "Generator", _Generator),
        mock.patch.object(torch, "compile", _no_compiler),
        mock.patch.object(save_and_load, "safe_load_file", _load_file),
        mock.patch.dict(os.environ, {"HF_DEACTIVATE_ASYNC_LOAD": "1"}),  # modes are those of one thread
        _Operations(device),
        _Calls(device),
    ):
        yield device
