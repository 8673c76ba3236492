"""deriva-store(5), RECIPES: canonical computations, as dicts."""

import re
import struct

from common import ZERO, Reader, must

SHELL, ARGV, FUNCTION = 1, 2, 3
ONE_FILE, A_DIRECTORY, SEVERAL = 1, 2, 3
NETWORK, OBSERVED = 1, 2
EXECUTABLE, NAMED, LIST = 1, 2, 4
EMPTY_LIST, FILE, DIR = 0, 1, 2
CONTEXT = "deriva recipe v1"


def rise(items, what):
    names = [item[0] for item in items]
    must(all(a < b for a, b in zip(names, names[1:])), what)


def recipe_read(data):
    r = Reader(data)
    kind, shape, flags = r.u8(), r.u8(), r.u32()
    version, depth = r.u32(), r.u32()
    words = [r.str() for _ in range(r.u32())]
    inputs = []
    for _ in range(r.u32()):
        what, how = r.u8(), r.u8()
        name = r.str()
        address = r.address()
        inputs.append((name, what, how, address, r.str()))
    params = [(r.name(), r.str()) for _ in range(r.u32())]
    env = []
    for _ in range(r.u32()):
        is_set = r.u8()
        must(is_set <= 1, "a variable is set or not")
        name, value = r.name(), r.str()
        must(is_set or not value, "a value of what is not set")
        env.append((name, value if is_set else None))
    tools = [(r.name(), r.address()) for _ in range(r.u32())]
    outputs = [(r.str(), r.str()) for _ in range(r.u32())]
    r.end()
    recipe = dict(kind=kind, shape=shape, flags=flags, version=version,
                  depth=depth, words=words, inputs=inputs, params=params,
                  env=env, tools=tools, outputs=outputs)
    check(**recipe)
    return recipe


def check(kind, shape, flags, version, depth, words, inputs, params, env,
          tools, outputs):
    must(SHELL <= kind <= FUNCTION, "kind")
    must(ONE_FILE <= shape <= SEVERAL, "shape")
    must(flags & ~(NETWORK | OBSERVED) == 0, "flags")
    must(version, "version")
    must(depth == 0 or flags & OBSERVED, "depth")
    must(words, "no words")
    must(kind == ARGV or len(words) == 1, "number of words")
    must(kind != ARGV or words[0], "first argument")
    must(not inputs or not flags & OBSERVED, "inputs that are observed")
    check_inputs(inputs)
    rise(params, "order of params")
    rise(env, "order of variables")
    rise(tools, "order of tools")
    if kind == FUNCTION:
        must(flags == 0 and shape == ONE_FILE and not env and not tools and
             not outputs, "a function")
        return
    must(outputs, "no outputs")
    if shape == SEVERAL:
        rise(outputs, "order of outputs")
    else:
        must(len(outputs) == 1 and not outputs[0][0], "one output")
    for name, file in outputs:
        must(shape != SEVERAL or re.fullmatch(b"[A-Za-z_][A-Za-z0-9_]*", name),
             "name of an output")
        must(1 <= len(file) <= 255 and b"/" not in file and
             file not in (b".", b".."), "file of an output")


def check_inputs(inputs):
    named = bool(inputs and inputs[0][0])
    for i, (name, what, how, address, path) in enumerate(inputs):
        before = inputs[i - 1] if i else None
        must(what <= DIR, "kind of an input")
        must(how & ~(EXECUTABLE | NAMED | LIST) == 0, "flags of an input")
        must(bool(name) == named, "some inputs with a name")
        must(bool(how & NAMED) == named, "flag named")
        must(named or how & LIST, "flag list")
        must(what == FILE or not how & EXECUTABLE, "flag executable")
        if before and named:
            must(before[0] <= name, "order of inputs")
            must(before[0] < name or before[2] & how & LIST and
                 before[1] != EMPTY_LIST and what != EMPTY_LIST,
                 "inputs of one name")
        if what == EMPTY_LIST:
            must(named and how & LIST and address == ZERO and not path,
                 "an empty list")


def recipe_bytes(recipe):
    def u32(n):
        return struct.pack("<I", n)

    def str_(text):
        return u32(len(text)) + text

    def each(items, encode):
        return u32(len(items)) + b"".join(encode(*item) for item in items)

    return (bytes([recipe["kind"], recipe["shape"]]) + u32(recipe["flags"]) +
            u32(recipe["version"]) + u32(recipe["depth"]) +
            each([(w,) for w in recipe["words"]], str_) +
            each(recipe["inputs"], lambda name, what, how, address, path:
                 bytes([what, how]) + str_(name) + address + str_(path)) +
            each(recipe["params"], lambda n, v: str_(n) + str_(v)) +
            each(recipe["env"], lambda n, v: bytes([v is not None]) +
                 str_(n) + str_(v or b"")) +
            each(recipe["tools"], lambda n, a: str_(n) + a) +
            each(recipe["outputs"], lambda n, f: str_(n) + str_(f)))
