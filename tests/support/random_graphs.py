"""Random ONNX graphs of the operators that plain networks have, many of them a little off.

Most are what an exporter could have written; in others a node has another input, none where it
needs one, two of them exchanged, or an attribute that it should not have.
"""

import numpy as np
from onnx import TensorProto, ValueInfoProto, helper, numpy_helper

N_ROWS = 5
KINDS = ("FLOAT", "DOUBLE", "INT32", "INT64", "BOOL", "STRING", "UINT8")
UNARY = (
    "Relu", "Sigmoid", "Tanh", "Exp", "Neg", "Softplus", "Elu", "LeakyRelu", "Identity", "Abs",
    "Selu", "Celu", "HardSigmoid", "Softsign",
)  # fmt: skip
ML = (
    "ArrayFeatureExtractor", "Binarizer", "Scaler", "Normalizer", "LinearClassifier",
    "LinearRegressor",
)  # fmt: skip
ODD = 0.04
"""How often a node is changed."""


def random_graph(seed):
    """Return a model of operator set 17 with one output, and rows x for it."""
    return _Graph(np.random.default_rng([seed, 40_001])).made()


class _Graph:
    def __init__(self, rng):
        self.rng = rng
        self.dtype = str(rng.choice(["float32", "float64"], p=[0.8, 0.2]))
        self.nodes = []
        self.n = int(rng.integers(1, 6))  # numbers a row
        self.constants = {}
        self.value = "x"

    def one_of(self, *choices):
        return choices[self.rng.integers(len(choices))]

    def is_likely(self, p):
        return self.rng.random() < p

    def constant(self, values):
        name = f"c{len(self.constants)}"
        self.constants[name] = np.asarray(values)
        return name

    def number(self, *values):
        """A constant of one number, mostly without dimensions."""
        shape = (1,) * self.rng.choice(4, p=[0.82, 0.1, 0.06, 0.02])
        return self.constant(np.full(shape, self.one_of(*values), self.dtype))

    def normal(self, *shape):
        return self.constant(self.rng.normal(size=shape).astype(self.dtype))

    def node(self, op, *inputs, **attributes):
        inputs = list(inputs)
        if self.is_likely(ODD):
            i = self.rng.integers(len(inputs))
            names = ["", "x", self.value, *self.constants, *(n.output[0] for n in self.nodes)]
            inputs[i] = names[self.rng.integers(len(names))]
        if self.is_likely(ODD / 2):
            self.rng.shuffle(inputs)
        if self.is_likely(ODD / 2):
            attributes[self.one_of("axis", "keepdims", "alpha", "transA", "to")] = self.one_of(0, 1)
        name = f"t{len(self.nodes)}"
        domain = "ai.onnx.ml" if op in ML else ""
        outputs = [name, f"{name}_scores"] if op == "LinearClassifier" else [name]
        self.nodes.append(helper.make_node(op, inputs, outputs, domain=domain, **attributes))
        return name

    def away_from_zero(self, *shape):
        sign = self.rng.choice([-1.0, 1.0], size=shape)
        return (sign * self.rng.uniform(0.5, 2, size=shape)).astype(self.dtype)

    def made(self):
        shape, declared = self.input()
        for i in range(self.rng.integers(1, 4)):
            if i and self.is_likely(0.9):
                self.activation()
                if self.is_likely(0.2):
                    self.scaling(self.n)
                if self.is_likely(0.1):
                    self.activation()
            self.layer()
            if self.is_likely(0.25):
                self.scaling(self.n)
        self.end()
        x = self.rng.normal(size=shape)
        if self.is_bytes:
            x = np.abs(99 * x).astype(np.uint8)
        kind = TensorProto.UINT8 if self.is_bytes else self.kind()
        graph = helper.make_graph(
            self.nodes,
            "random",
            [helper.make_tensor_value_info("x", kind, declared)],
            [ValueInfoProto(name=self.value)],
            [numpy_helper.from_array(v, name) for name, v in self.constants.items()],
        )
        imports = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
        model = helper.make_model(graph, opset_imports=imports, ir_version=8)
        return model, x if self.is_bytes else x.astype(self.dtype)

    def kind(self):
        return TensorProto.DOUBLE if self.dtype == "float64" else TensorProto.FLOAT

    def to(self):
        if self.is_likely(0.8):
            return self.kind()
        return getattr(TensorProto, self.one_of(*KINDS))

    def input(self):
        """Choose the input and what is done to it; return its shape, and that declared."""
        n, shape = self.n, (N_ROWS, self.n)
        self.is_bytes = self.is_likely(0.15)
        if self.is_bytes:
            self.value = self.node("Cast", "x", to=self.to())
        declared = self.one_of(["rows", n], ["rows", n], [N_ROWS, n], ["rows", "width"], None)
        if n % 2 == 0 and self.is_likely(0.25):
            m = n // 2
            shape = (N_ROWS, 2, m)
            declared = self.one_of(["rows", 2, m], [N_ROWS, 2, m], ["a", "b", "c"], None)
            if self.is_likely(0.4):
                shape_of_it = self.one_of(
                    (2, m), (1, 2, m), (2, 1), (m,), (1, m), (1, 1, 1), (n,), (N_ROWS, 1, m)
                )
                constant = self.constant(self.away_from_zero(*shape_of_it))
                self.value = self.node(self.one_of("Add", "Sub", "Mul"), self.value, constant)
            if self.is_likely(0.1):
                self.normalization(2)
            self.flatten(n)
        for _ in range(self.rng.integers(3)):
            self.one_of(
                lambda: self.scaling(n),
                lambda: self.scaling(n),
                lambda: self.through("Identity"),
                lambda: self.through("Neg"),
                lambda: self.through("Cast", to=self.to()),
                lambda: self.through("Dropout", self.constant(np.float32(0.5))),
                lambda: self.flatten(n),
                lambda: self.turned_and_back(),
                lambda: self.through("Scaler", **self.offsets(n)),
            )()
        return shape, declared

    def through(self, op, *others, **attributes):
        self.value = self.node(op, self.value, *others, **attributes)

    def scaling(self, n):
        """Scale or shift the columns, one constant for all or each of its own."""
        if self.is_likely(0.2):
            self.normalization(n)
            return
        shape = self.one_of((), (1,), (n,), (n,), (1, n), (1, n))
        if self.is_likely(0.05):
            shape = self.one_of((N_ROWS, 1), (n, 1), (1, 1, n), (n + 1,))
        pair = [self.value, self.constant(self.away_from_zero(*shape))]
        if self.is_likely(0.3):
            pair.reverse()
        self.value = self.node(self.one_of("Add", "Div", "Mul", "Sub"), *pair)

    def normalization(self, n):
        statistics = [self.normal(n) for _ in range(3)]
        variance = self.constant(np.abs(self.away_from_zero(n)))
        self.through("BatchNormalization", *statistics, variance, epsilon=self.one_of(1e-5, 0.1))

    def offsets(self, n):
        size = self.one_of(1, n, n)
        return {name: self.away_from_zero(size).tolist() for name in ("offset", "scale")}

    def turned_and_back(self):
        axis = self.constant(np.array([self.one_of(1, 1, 2, -1, 0)]))
        self.through("Unsqueeze", axis)
        self.through(self.one_of("Squeeze", "Squeeze", "Flatten"), *([axis] * self.is_likely(0.9)))

    def flatten(self, n):
        if self.is_likely(0.4):
            self.value = self.node("Flatten", self.value)
        elif self.is_likely(0.5):
            shape = self.node("Shape", self.value)
            rows = self.node("Gather", shape, self.constant(self.one_of(0, 0, 0, 1)), axis=0)
            rows = self.node("Unsqueeze", rows, self.constant(np.array([0])))
            rest = self.constant(np.array([self.one_of(-1, n)]))
            if self.is_likely(0.2):
                rows, rest = rest, rows
            self.through("Reshape", self.node("Concat", rows, rest, axis=0))
        else:
            shape = self.one_of(
                [-1, n], [0, n], [N_ROWS, n], [N_ROWS, -1], [0, -1], [-1, 1], [1, -1]
            )
            self.value = self.node("Reshape", self.value, self.constant(np.array(shape)))
        return self.value

    def dropout(self):
        training = self.constant(np.array(self.is_likely(0.2)))
        return self.node(
            "Dropout", self.value, self.constant(np.float32(0.5)), self.one_of(training, "")
        )

    def layer(self):
        n_in, self.n = self.n, self.one_of(1, 1, 2, 3, 4)
        weight, attributes = self.normal(n_in, self.n), {}
        if self.is_likely(0.2):
            weight, attributes["transB"] = self.normal(self.n, n_in), 1
        if self.is_likely(0.1):
            weight = self.node("Cast", weight, to=self.to())
        bias = self.one_of(self.normal(self.n), self.normal(1, self.n), self.number(0.25), "")
        if self.is_likely(0.1):
            coefficients = self.rng.normal(size=n_in * self.n).tolist()
            intercepts = self.rng.normal(size=self.n).tolist()
            self.through(
                "LinearRegressor",
                coefficients=coefficients,
                intercepts=intercepts + [1.0] * self.is_likely(0.1),
                targets=self.n,
            )
            return
        if self.is_likely(0.5):
            for name in ("alpha", "beta"):
                if self.is_likely(0.2):
                    attributes[name] = self.one_of(0.5, 2.0, 0.0)
            self.value = self.node("Gemm", self.value, weight, bias, **attributes)
            return
        if attributes:
            weight = self.node("Transpose", weight)
        self.value = self.node("MatMul", self.value, weight)
        if bias:
            pair = [self.value, bias]
            self.rng.shuffle(pair)
            self.value = self.node("Add", *map(str, pair))

    def activation(self):
        z = self.value
        limits = [self.one_of("", self.number(0.0)), self.one_of("", self.number(0.0, 6.0))]
        self.value = self.one_of(
            lambda: self.node(self.one_of(*UNARY), z),
            lambda: self.node("Relu", z),
            lambda: self.node("Clip", z, *limits[: self.rng.integers(3)]),
            lambda: self.node("Clip", z, self.number(0.0)),
            lambda: self.node(self.one_of("Max", "Min"), z, self.number(0.0)),
            lambda: self.node("Max", z, self.node("Mul", z, self.number(0.01, 0.2))),
            lambda: self.node("Mul", z, self.node("Sigmoid", z)),
            lambda: self.node("PRelu", z, self.number(0.01, 0.2)),
            lambda: self.node("PRelu", z, self.normal(*self.one_of((self.n,), (1, self.n)))),
            lambda: self.node("LeakyRelu", z, alpha=self.one_of(0.01, 0.2, -0.5)),
            lambda: self.node("Elu", z, alpha=self.one_of(1.0, 0.5)),
            lambda: self.node("Mul", z, self.node("Tanh", self.node("Softplus", z))),
            lambda: self.node("Selu", z),
            lambda: self.node("Celu", z, alpha=self.one_of(1.0, 0.5)),
            lambda: self.node("HardSigmoid", z, alpha=self.one_of(0.2, 1 / 6)),
            lambda: self.node("Clip", z, self.number(-1.0), self.number(1.0, 6.0)),
            lambda: self.node("Tanh", self.node("Mul", z, self.number(0.5))),
            self.quick_gelu,
            lambda: self.node("Sub", self.number(1.0), self.node("Sigmoid", z)),
            self.dropout,
            self.spelled_sigmoid,
            self.spelled_gelu,
        )()

    def spelled_sigmoid(self):
        e = self.node("Exp", self.node("Neg", self.value))
        return self.node("Reciprocal", self.node("Add", e, self.number(1.0)))

    def quick_gelu(self):
        p = self.node("Sigmoid", self.node("Mul", self.value, self.number(1.702)))
        return self.node("Mul", self.value, p)

    def spelled_gelu(self):
        e = self.node("Erf", self.node("Div", self.value, self.number(2**0.5)))
        p = self.node("Add", e, self.number(1.0))
        return self.node("Mul", self.node("Mul", self.value, p), self.number(0.5))

    def end(self):
        """Append an output, or what is chosen from it."""
        for _ in range(self.rng.integers(2)):
            if self.n == 1:
                self.value = self.one_of(
                    lambda: self.node(
                        "Squeeze", self.value, self.constant([self.one_of(1, -1, 0)])
                    ),
                    lambda: self.node("Reshape", self.value, self.constant([self.one_of(-1, 0)])),
                    lambda: self.node("Reshape", self.value, self.constant([-1, 1])),
                )()
        self.value = self.one_of(
            lambda: self.node(self.one_of("Softmax", "LogSoftmax"), self.value),
            lambda: self.node("Softmax", self.value, axis=self.one_of(0, 1, -1)),
            lambda: self.node("Sigmoid", self.value),
            lambda: self.node("Exp", self.value),
            lambda: self.node(self.one_of("Tanh", "Softplus", "Relu"), self.value),
            lambda: self.node("Sigmoid", self.node("Mul", self.value, self.number(2.0, -1.0))),
            self.classifier,
            self.one_against_the_other,
            lambda: self.node("Cast", self.value, to=self.to()),
            lambda: self.value,
        )()
        if self.is_likely(0.2):
            no = self.node("Sub", self.number(1.0), self.value)
            self.value = self.node("Concat", no, self.value, axis=self.one_of(1, -1, 0))
        if self.is_likely(0.5):
            self.label()

    def classifier(self):
        n_in, n = self.n, self.one_of(1, 2, 2, 3)
        coefficients = self.rng.normal(size=(n, n_in))
        intercepts = self.rng.normal(size=n)
        if n == 2 and self.is_likely(0.8):
            coefficients[0], intercepts[0] = -coefficients[1], -intercepts[1]
        n_classes = max(n, 2)
        names = self.one_of(
            {"classlabels_ints": [3 * i - 2 for i in range(n_classes)]},
            {"classlabels_ints": list(range(n_classes))},
            {"classlabels_strings": [f"no {i}" for i in range(n_classes)]},
        )
        label = self.node(
            "LinearClassifier",
            self.value,
            coefficients=coefficients.ravel().tolist(),
            intercepts=intercepts.tolist(),
            post_transform=self.one_of("NONE", "LOGISTIC", "LOGISTIC", "SOFTMAX"),
            **names,
        )
        if self.is_likely(0.5):
            return label
        scores = f"{label}_scores"
        return self.node("Normalizer", scores, norm="L1") if self.is_likely(0.3) else scores

    def one_against_the_other(self):
        """Two columns -z and z, whose sigmoids are divided by their sum."""
        weight = self.rng.normal(size=(self.n, 1)).astype(self.dtype)
        if self.is_likely(0.9):
            weight = np.hstack([-weight, weight])
        p = self.node("Sigmoid", self.node("MatMul", self.value, self.constant(weight)))
        total = self.node("ReduceSum", self.node("Abs", p), self.constant(np.array([1])))
        return self.node("Div", p, total)

    def label(self):
        axis, keepdims = self.one_of(1, 1, -1, 0), self.one_of(0, 1)
        last = self.one_of(0, 0, 0, 1)
        y = self.value
        self.value = self.one_of(
            lambda: self.node("ArgMax", y, axis=axis, keepdims=keepdims, select_last_index=last),
            lambda: self.node("ArgMax", y, axis=axis, keepdims=keepdims),
            lambda: self.node("Greater", y, self.number(0.5, 0.0)),
            lambda: self.node("Binarizer", y, threshold=self.one_of(0.5, 0.0)),
        )()
        if self.is_likely(0.3):
            self.value = self.node("Cast", self.value, to=getattr(TensorProto, self.one_of(*KINDS)))
        if self.is_likely(0.4):
            n = self.one_of(2, max(self.n, 2))
            names = self.one_of(
                np.array([f"no {i}" for i in range(n)], object),
                np.arange(n) + 3,
                np.arange(n) / 2,
                np.arange(n) % 2 == 1,
                np.arange(2 * n).reshape(2, n),
                np.arange(n).reshape(1, n),
            )
            op = self.one_of("Gather", "ArrayFeatureExtractor")
            self.value = self.node(op, self.constant(names), self.value)
        if self.is_likely(0.2):
            self.value = self.node("Cast", self.value, to=self.to())
        if self.is_likely(0.2):
            self.value = self.node("Reshape", self.value, self.constant(np.array([-1])))
