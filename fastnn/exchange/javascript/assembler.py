"""An assembler: the text of a WebAssembly module to its bytes.

It knows the part of the text format that `fastnn.exchange.javascript.kernel` is written in: folded
instructions, in which operands stand inside the instruction that takes them,

    (func $twice (export "twice") (param $x i32) (result i32)
      (i32.shl (local.get $x) (i32.const 1)))

one imported memory, functions, ``block``, ``loop``, ``if`` and calls. Comments go from ``;;`` to
the end of a line. Encodings are those of the WebAssembly core specification 2.0, chapter 5.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple, TypeAlias

Node: TypeAlias = "str | list[Node]"

MAGIC = b"\0asm\1\0\0\0"
TYPES = {"i32": 0x7F, "v128": 0x7B}
NO_RESULT, END, FUNCTION = 0x40, 0x0B, 0x60
SIMD = 0xFD  # the prefix of instructions on vectors

# Sections, in the order in which a module has them.
TYPE, IMPORT, FUNCTIONS, EXPORT, CODE = 1, 2, 3, 7, 10

PLAIN = {
    "i32.eqz": 0x45, "i32.eq": 0x46, "i32.lt_u": 0x49, "i32.gt_u": 0x4B, "i32.ge_u": 0x4F,
    "i32.popcnt": 0x69, "i32.add": 0x6A, "i32.sub": 0x6B, "i32.mul": 0x6C, "i32.div_u": 0x6E,
    "i32.and": 0x71, "i32.or": 0x72, "i32.shl": 0x74,
}  # fmt: skip
"""Instructions without immediates."""

VECTOR = {
    "f32x4.splat": 0x13, "i32x4.splat": 0x11, "i32x4.add": 0xAE, "i32x4.sub": 0xB1,
    "i32x4.shl": 0xAB, "i32x4.shr_s": 0xAC, "i32x4.eq": 0x37, "i32x4.bitmask": 0xA4,
    "i16x8.extend_low_i8x16_u": 0x89, "i32x4.extend_low_i16x8_u": 0xA9,
    "f32x4.convert_i32x4_s": 0xFA, "f32x4.lt": 0x43, "f32x4.gt": 0x44, "f32x4.ge": 0x46,
    "v128.and": 0x4E, "v128.or": 0x50, "v128.bitselect": 0x52, "f32x4.nearest": 0x6A,
    "f32x4.abs": 0xE0, "f32x4.neg": 0xE1, "f32x4.add": 0xE4, "f32x4.sub": 0xE5, "f32x4.mul": 0xE6,
    "f32x4.div": 0xE7, "f32x4.max": 0xE9, "f32x4.pmin": 0xEA, "f32x4.pmax": 0xEB,
    "i32x4.trunc_sat_f32x4_s": 0xF8,
}  # fmt: skip
"""Instructions on vectors, without immediates; all have the prefix `SIMD`."""

MEMORY = {"i32.load": b"\x28", "i32.store": b"\x36"} | {
    name: bytes([SIMD, code])
    for name, code in {
        "v128.load": 0x00, "v128.load32_splat": 0x09, "v128.store": 0x0B, "v128.load32_zero": 0x5C,
    }.items()
}  # fmt: skip
"""Loads and stores; the alignment that is promised is that of a float32, 2² bytes."""

ALIGNMENT = 2

SHUFFLE = 0x0D
LOCALS = {"local.get": 0x20, "local.set": 0x21, "local.tee": 0x22}
BRANCHES = {"br": 0x0C, "br_if": 0x0D}
BLOCKS = {"block": 0x02, "loop": 0x03}
IF, CALL, I32_CONST, F32_CONST = 0x04, 0x10, 0x41, 0x43


class _Function(NamedTuple):
    """A function that has been read."""

    name: str
    exported: str | None
    parameters: list[tuple[str, str]]
    results: list[str]
    locals: list[tuple[str, str]]
    body: list[Node]


def assembled(text: str) -> bytes:
    """Return the bytes of a module.

    Parameters
    ----------
    text : str
        ``(module (import "…" "…" (memory n)) (func …) …)``

    Raises
    ------
    ValueError
        If an instruction, a name or a field is unknown.
    """
    (module,) = _read(text)
    fields = list(_lists(module))
    imports = [field for field in fields if field[0] == "import"]
    functions = [_function(field) for field in fields if field[0] == "func"]
    signatures = [_signature(function) for function in functions]
    types = list(dict.fromkeys(signatures))
    indices = {function.name: i for i, function in enumerate(functions)}
    exports = [
        _name(function.exported) + b"\0" + unsigned(indices[function.name])
        for function in functions
        if function.exported
    ]
    parts = (
        (TYPE, types),
        (IMPORT, [_import(field) for field in imports]),
        (FUNCTIONS, [unsigned(types.index(signature)) for signature in signatures]),
        (EXPORT, exports),
        (CODE, [_code(function, indices) for function in functions]),
    )
    return MAGIC + b"".join(bytes([kind]) + _sized(_vector(items)) for kind, items in parts)


def unsigned(value: int) -> bytes:
    """Return an integer of at least 0 in LEB128: seven bits a byte, the lowest first."""
    result = bytearray()
    while value > 0x7F:
        result.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*result, value])


def signed(value: int) -> bytes:
    """Return an integer in signed LEB128: the last byte's bit 6 is the sign."""
    result = bytearray()
    while not -0x40 <= value < 0x40:
        result.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*result, value & 0x7F])


# -- text to nested lists -------------------------------------------------------------------------


def _read(text: str) -> list[Node]:
    stack: list[list[Node]] = [[]]
    for token in re.findall(r'[()]|"[^"]*"|[^\s()"]+', re.sub(r";;.*", "", text)):
        if token == "(":
            stack.append([])
        elif token == ")":
            done = stack.pop()
            stack[-1].append(done)
        else:
            stack[-1].append(token)
    if len(stack) != 1:
        raise ValueError("parentheses do not match")
    return stack[0]


def _lists(node: Node) -> Iterator[list[Node]]:
    return (child for child in node if isinstance(child, list))


def _words(node: Iterable[Node]) -> list[str]:
    return [child for child in node if isinstance(child, str)]


def _function(field: list[Node]) -> _Function:
    result = _Function(_words(field)[1], None, [], [], [], [])
    for part in _lists(field):
        words = _words(part)
        match words[0]:
            case "export":
                result = result._replace(exported=words[1].strip('"'))
            case "param":
                result.parameters.append((words[1], words[2]))
            case "result":
                result.results.append(words[1])
            case "local":
                result.locals.append((words[1], words[2]))
            case _:
                result.body.append(part)
    return result


# -- sections -------------------------------------------------------------------------------------


def _vector(items: Sequence[bytes]) -> bytes:
    return unsigned(len(items)) + b"".join(items)


def _sized(content: bytes) -> bytes:
    return unsigned(len(content)) + content


def _name(text: str) -> bytes:
    return _sized(text.encode())


def _import(field: list[Node]) -> bytes:
    module, name = (word.strip('"') for word in _words(field)[1:])
    (memory,) = _lists(field)
    pages = int(_words(memory)[1])
    return _name(module) + _name(name) + b"\x02\0" + unsigned(pages)


def _signature(function: _Function) -> bytes:
    parameters = [bytes([TYPES[kind]]) for _, kind in function.parameters]
    results = [bytes([TYPES[kind]]) for kind in function.results]
    return bytes([FUNCTION]) + _vector(parameters) + _vector(results)


def _code(function: _Function, functions: dict[str, int]) -> bytes:
    kinds = [TYPES[kind] for _, kind in function.locals]
    declared = [unsigned(len(list(same))) + bytes([kind]) for kind, same in groupby(kinds)]
    names = [name for name, _ in (*function.parameters, *function.locals)]
    body = _Body(functions, {name: i for i, name in enumerate(names)})
    code = b"".join(body.instruction(node, ()) for node in function.body)
    return _sized(_vector(declared) + code + bytes([END]))


# -- instructions ---------------------------------------------------------------------------------


class _Body(NamedTuple):
    """What the names in a function's body stand for."""

    functions: dict[str, int]
    locals: dict[str, int]

    def instruction(self, node: Node, labels: tuple[str, ...]) -> bytes:
        """Return the code of a folded instruction; `labels` are of the blocks around it."""
        words = _words(node)
        operation, operands = words[0], list(_lists(node))
        if operation in BLOCKS:
            inside = (*labels, words[1])
            content = self._all(operands, inside)
            return bytes([BLOCKS[operation], NO_RESULT]) + content + bytes([END])
        if operation == "if":
            condition, then = operands
            content = self._all(list(_lists(then)), (*labels, ""))
            start = self.instruction(condition, labels) + bytes([IF, NO_RESULT])
            return start + content + bytes([END])
        return self._all(operands, labels) + self._operation(words, labels)

    def _all(self, nodes: Sequence[Node], labels: tuple[str, ...]) -> bytes:
        return b"".join(self.instruction(node, labels) for node in nodes)

    def _operation(self, words: list[str], labels: tuple[str, ...]) -> bytes:
        """Return an instruction whose operands are on the stack."""
        operation, *immediates = words
        if operation in PLAIN:
            return bytes([PLAIN[operation]])
        if operation in VECTOR:
            return bytes([SIMD]) + unsigned(VECTOR[operation])
        if operation in MEMORY:
            offset = int(immediates[0].removeprefix("offset=")) if immediates else 0
            return MEMORY[operation] + unsigned(ALIGNMENT) + unsigned(offset)
        if operation in LOCALS:
            return bytes([LOCALS[operation]]) + unsigned(self.locals[immediates[0]])
        if operation in BRANCHES:
            depth = labels[::-1].index(immediates[0])
            return bytes([BRANCHES[operation]]) + unsigned(depth)
        match operation:
            case "call":
                return bytes([CALL]) + unsigned(self.functions[immediates[0]])
            case "i32.const":
                return bytes([I32_CONST]) + signed(int(immediates[0], 0))
            case "f32.const":
                return bytes([F32_CONST]) + struct.pack("<f", float(immediates[0]))
            case "i8x16.shuffle":
                return bytes([SIMD, SHUFFLE, *map(int, immediates)])
        raise ValueError(f"there is no instruction {operation}")
