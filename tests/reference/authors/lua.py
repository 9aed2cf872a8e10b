"""Runs ENet's Lua files, encoder.lua and decoder.lua, with PyTorch in place of Torch 7.

Needs lupa. The tables below stand for the few modules of `nn` that the files use.
"""

import torch
from lupa.lua51 import LuaRuntime
from torch import nn

# Lua's objects: a method's first argument is the object itself, and `add` returns it.
HELPERS = """
opt = {dataClasses = {}, datahistClasses = {}, nGPU = 1, devid = 1}
for i = 1, classes do opt.dataClasses[i] = i end
local count = 0
local function object(kind, ...)
   count = count + 1
   local self = {kind = kind, arguments = {...}, modules = {}, biased = true, id = count}
   function self:add(module) table.insert(self.modules, module); return self end
   function self:remove(place) table.remove(self.modules, place) end
   function self:noBias() self.biased = false; return self end
   function self:apply(f)
      f(self)
      for _, module in ipairs(self.modules) do module:apply(f) end
   end
   return self
end
local library = {__index = function(_, kind)
   return function(...) return object(kind, ...) end
end}
nn, cudnn = setmetatable({}, library), setmetatable({}, library)
torch = {
   setdefaulttensortype = function() end,
   load = function() return encoder end,
   typename = function(module) return "nn." .. module.kind end,
}
package.loaded.torch, package.loaded.image = torch, {}
package.loaded.moses = {bindn = function(f, ...)
   local first = {...}
   return function(...)
      local all = {unpack(first)}
      local given = {...}
      for i = 1, select("#", ...) do all[#first + i] = given[i] end
      return f(unpack(all, 1, #first + select("#", ...)))
   end
end}
print = function() end
"""


def enet(folder, classes):
    """ENet as its authors' files build it.

    Args:
        folder: of encoder.lua and decoder.lua.
        classes: channels of the classifier.
    """
    lua = LuaRuntime()
    lua.execute(f"classes = {classes}\n{HELPERS}")
    for name in ("encoder", "decoder"):
        text = (folder / f"{name}.lua").read_text()
        # What follows the network is the loss, and the GPUs.
        text = text.partition("local gpu_list")[0].partition("if cutorch.")[0]
        text = text.replace("nn.DataParallelTable.deserializeNGPUs = 1", "")
        lua.execute(f"{text}\n{name} = model")
    return Network(lua.globals().encoder)


class Network(nn.Module):
    """A Lua object and its modules."""

    def __init__(self, root):
        super().__init__()
        self.pools = {}
        self.model = self._module(root)

    def _module(self, it):
        inside = [self._module(x) for x in it.modules.values()]
        given = list(it.arguments.values())
        if it.kind == "Sequential":
            return nn.Sequential(*inside)
        if it.kind == "ConcatTable":
            return Branches(inside)
        if it.kind == "SpatialMaxPooling":
            # The same Lua object is met again by the unpooling that reverses it.
            return self.pools.setdefault(it.id, Pool(*given[:3:2]))
        if it.kind == "SpatialMaxUnpooling":
            return Unpool(self.pools[given[0].id])
        return MODULES[it.kind](it.biased, *given)

    def forward(self, x):
        return self.model(x)


class Branches(nn.ModuleList):
    def forward(self, x):
        return [branch(x) for branch in self]


class Pool(nn.Module):
    """Max pooling that keeps its input's size and its maxima's places."""

    def __init__(self, side, stride):
        super().__init__()
        self.pool = nn.MaxPool2d(side, stride, return_indices=True)

    def forward(self, x):
        self.size = x.shape[2:]
        x, self.indices = self.pool(x)
        return x


class Unpool(nn.Module):
    def __init__(self, pool):
        super().__init__()
        self.given = (pool,)  # Not a module of its own.

    def forward(self, x):
        (pool,) = self.given
        return nn.functional.max_unpool2d(x, pool.indices, 2, output_size=pool.size)


class Joined(nn.Module):
    """Concatenated, or added, branches."""

    def __init__(self, join):
        super().__init__()
        self.join = join

    def forward(self, branches):
        return self.join(branches)


class Padding(nn.Module):
    """Zeros as further channels."""

    def __init__(self, count):
        super().__init__()
        self.count = int(count)

    def forward(self, x):
        return nn.functional.pad(x, (0, 0, 0, 0, 0, self.count))


def _pairs(given, defaults):
    """Torch 7's numbers, horizontal before vertical, as PyTorch's pairs; with defaults."""
    numbers = [int(x) for x in given] + list(defaults)[len(given) :]
    return [pair[::-1] for pair in zip(numbers[::2], numbers[1::2], strict=True)]


def _conv(biased, into, out, *sizes):
    """Kernel, stride, padding and dilation."""
    return nn.Conv2d(int(into), int(out), *_pairs(sizes, (1, 1, 1, 1, 0, 0, 1, 1)), bias=biased)


def _full_conv(biased, into, out, *sizes):
    """Kernel, stride, padding, and pixels at the end."""
    sizes = _pairs(sizes, (1, 1, 1, 1, 0, 0, 0, 0))
    return nn.ConvTranspose2d(int(into), int(out), *sizes, bias=biased)


MODULES = {
    "SpatialConvolution": _conv,
    "SpatialDilatedConvolution": _conv,
    "SpatialFullConvolution": _full_conv,
    "SpatialBatchNormalization": lambda _, count, epsilon: nn.BatchNorm2d(int(count), eps=epsilon),
    "PReLU": lambda _, count: nn.PReLU(int(count)),
    "ReLU": lambda *_: nn.ReLU(),
    "SpatialDropout": lambda _, rate: nn.Dropout2d(rate),
    "Identity": lambda _: nn.Identity(),
    "JoinTable": lambda _, axis: Joined(lambda x: torch.cat(x, int(axis) - 1)),
    "CAddTable": lambda _: Joined(sum),
    "Padding": lambda _, axis, count, *__: Padding(count),
}
