"""Expressions of any engine brought to one form, counted and evaluated in one way.

A tree is a number, "x", or a tuple of a name of FUNCTIONS and its operands. `affine_form` reads infix text and folds
constants, so that no engine pays for the way it writes a*f + b:
  - operands that are all constant become one constant;
  - every operand of a non-linear function, and the whole, is one a*f + b at most: a coefficient or an offset on top of
    another is joined with it;
  - a coefficient of 1 and an offset of 0 vanish, f - g needs no coefficient -1, and the coefficients of the two sides
    of a product or quotient, and equal ones of the two sides of a sum, are one.
"""

import ast
import math
from typing import NamedTuple

import numpy as np

FUNCTIONS = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "min": np.minimum, "max": np.maximum,
    "neg": np.negative, "abs": np.abs, "square": np.square, "sqrt": np.sqrt, "rsqrt": lambda a: 1 / np.sqrt(a),
    "exp": np.exp, "tanh": np.tanh, "sigmoid": lambda a: 1 / (1 + np.exp(-a)), "erf": np.vectorize(math.erf),
    "clip": np.clip, "clip5": lambda a: np.clip(a, -5, 5),
}


class Affine(NamedTuple):
    """factor * core + offset; a constant has no core."""

    factor: float
    core: object
    offset: float

    def times(self, c):
        if c == 0:
            return constant(0)
        return Affine(self.factor * c, self.core, self.offset * c)

    def plus(self, c):
        return Affine(self.factor, self.core, self.offset + c)


def constant(c):
    return Affine(0.0, None, float(c))


def call(name, *operands):
    return Affine(1.0, (name, *operands), 0.0)


def is_quotient_of_constant(core):
    return isinstance(core, tuple) and core[0] == "/" and isinstance(core[1], float)


def scaled(f):
    """The shortest tree of factor * core."""
    if is_quotient_of_constant(f.core):
        return ("/", f.factor * f.core[1], f.core[2])
    if f.factor == -1:
        return ("neg", f.core)
    return f.core if f.factor == 1 else ("*", f.factor, f.core)


def tree(f):
    """The shortest tree of an affine form."""
    if f.core is None:
        return f.offset
    if f.offset and f.factor == -1:
        return ("-", f.offset, f.core)
    return ("+", scaled(f), f.offset) if f.offset else scaled(f)


def add(f, g):
    if f.core is None:
        return g.plus(f.offset)
    if g.core is None:
        return f.plus(g.offset)
    offset = f.offset + g.offset
    if f.factor == g.factor:
        return call("+", f.core, g.core).times(f.factor).plus(offset)
    if f.factor == -g.factor:
        return call("-", f.core, g.core).times(f.factor).plus(offset)
    if f.factor == -1:
        f, g = g, f
    if g.factor == -1:
        return call("-", scaled(f), g.core).plus(offset)
    return call("+", scaled(f), scaled(g)).plus(offset)


def subtract(f, g):
    return add(f, g.times(-1.0))


def without_factor(f):
    """The factor that can leave a product, and the tree that stays."""
    return (1.0, tree(f)) if f.offset or is_quotient_of_constant(f.core) else (f.factor, f.core)


def multiply(f, g):
    if f.core is None:
        return g.times(f.offset)
    if g.core is None:
        return f.times(g.offset)
    (a, f_tree), (b, g_tree) = without_factor(f), without_factor(g)
    return call("*", f_tree, g_tree).times(a * b)


def divide(f, g):
    if g.core is None:
        return f.times(float(np.divide(1.0, g.offset)))
    b, g_tree = without_factor(g)
    if f.core is None:
        return call("/", 1.0, g_tree).times(f.offset / b)
    a, f_tree = without_factor(f)
    return call("/", f_tree, g_tree).times(a / b)


def apply(name, operands):
    """A function other than + - * / and neg."""
    if all(f.core is None for f in operands):
        return constant(FUNCTIONS[name](*(f.offset for f in operands)))
    return call(name, *(tree(f) for f in operands))


BINARY = {ast.Add: add, ast.Sub: subtract, ast.Mult: multiply, ast.Div: divide}


def affine(node):
    """The affine form of a node of Python's syntax tree."""
    match node:
        case ast.Constant():
            return constant(node.value)
        case ast.Name():
            return Affine(1.0, "x", 0.0)
        case ast.UnaryOp(op=ast.USub()):
            return affine(node.operand).times(-1.0)
        case ast.BinOp(op=ast.BitXor(), right=ast.Constant(value=2)):
            return apply("square", [affine(node.left)])
        case ast.BinOp():
            return BINARY[type(node.op)](affine(node.left), affine(node.right))
        case ast.Call(func=ast.Name(id="neg")):
            return affine(node.args[0]).times(-1.0)
        case ast.Call():
            return apply(node.func.id, [affine(argument) for argument in node.args])
    raise ValueError(f"not an expression of x: {ast.dump(node)}")


def affine_form(text):
    """The affine form of infix text of x; f ^ 2 is square(f)."""
    with np.errstate(all="ignore"):
        return affine(ast.parse(text, mode="eval").body)


def rescaled_trees(text, x, y):
    """The normal form of infix text and, with its core g, the trees g, g + b, a*g and a*g + b of the best a and b."""
    f = affine_form(text)
    if f.core is None:
        return [tree(f)]
    z = evaluate(f.core, x)
    with np.errstate(all="ignore"):
        deviation = z - z.mean()
        factor, slope = (float(v @ y / (v @ v)) if v.any() else 0.0 for v in (z, deviation))
        scalings = [(1.0, 0.0), (1.0, float(np.mean(y - z))), (factor, 0.0), (slope, float(np.mean(y - slope * z)))]
    return [tree(f), *(tree(Affine(1.0, f.core, 0.0).times(a).plus(b)) for a, b in scalings)]


def operands_of(f):
    return f[1:2] if f[0] == "clip" else f[1:]  # the bounds of a clip belong to it


def count_nodes(f):
    """Every function, every x and every constant is one node."""
    return 1 + sum(map(count_nodes, operands_of(f))) if isinstance(f, tuple) else 1


def count_length(f):
    """Operon's own length: like count_nodes, but c * x is one node."""
    if not isinstance(f, tuple):
        return 1
    if f[0] == "*" and f[2] == "x" and isinstance(f[1], float):
        return 1
    return 1 + sum(map(count_length, operands_of(f)))


def evaluate(f, x):
    """The values of a tree in float64."""
    if not isinstance(f, tuple):
        return x if f == "x" else np.full_like(x, f)
    with np.errstate(all="ignore"):
        return FUNCTIONS[f[0]](*(evaluate(operand, x) for operand in f[1:]))
