"""A network as a C header: it compiles without a warning and computes what fastnn does."""

import re
from dataclasses import replace

import numpy as np
import pytest
from support.c_programs import batches, compiled, output_of, run, sanitizers
from support.examples import same_bits, small_network
from support.propagation import propagated
from support.random_networks import N_NETWORKS, THOROUGH, random_network

import fastnn
from fastnn.architecture import ACTIVATIONS, OUTPUTS
from fastnn.exchange.c.eight_bits import quantize
from fastnn.exchange.c.header import header, name_for
from fastnn.exchange.quantization import dequantized

BATCH = 8
"""Networks in one program."""

SEEDS = range(N_NETWORKS if THOROUGH else 24)


def written(network, weights="float32"):
    """The network that the header computes: of float32 parameters, or of dequantised ones."""
    if weights == "int8":
        return dequantized(network)
    result = fastnn.Network.from_architecture(
        replace(network.architecture, dtype="float32"),
        class_labels=network.class_labels,
        backend="numpy",
    )
    for mine, its in zip(result.weights, network.weights, strict=True):
        mine[...] = its
    for mine, its in zip(result.biases, network.biases, strict=True):
        if mine is not None:
            mine[...] = its
    return result


def outputs(network, x):
    """What fastnn computes."""
    if network.architecture.classifies:
        return network.predict_proba(x)
    return network.predict(x).reshape(len(x), -1)


def assert_agrees(network, x, found, weights="float32"):
    """Compare with fastnn's outputs, and C's classes with C's own outputs.

    In eight bits a sum is rounded once more when it is scaled, on either side, and the weights of
    the network in fastnn hold what C rounds: four roundings are more than enough.
    """
    x = x if x.dtype == np.uint8 else x.astype(np.float32)
    model = written(network, weights)
    _, bound = propagated(model, x, extra_roundings=4 if weights == "int8" else 0)
    expected = outputs(model, x).astype(np.float64)
    assert np.isfinite(bound).all()
    wrong = ~(np.abs(found.out - expected) <= bound)
    assert not wrong.any(), (network, np.argwhere(wrong)[:3], found.out[wrong][:3])
    if found.classes is not None:
        yes = model.architecture.output == "sigmoid"
        classes = (found.out[:, 0] > 0.5).astype(int) if yes else found.out.argmax(axis=1)
        np.testing.assert_array_equal(found.classes, classes)


def sweep(folder, seeds, *flags, weights="float32"):
    pairs = [random_network(seed) for seed in seeds]
    networks, rows = zip(*pairs, strict=True)
    found = run(folder, networks, rows, *flags, weights=weights)
    for network, x, outs in zip(networks, rows, found, strict=True):
        assert_agrees(network, x, outs, weights)


# -- what it computes -----------------------------------------------------------------------------


@pytest.mark.parametrize("seeds", list(batches(SEEDS, BATCH)), ids=lambda seeds: f"from {seeds[0]}")
@pytest.mark.parametrize("weights", ["float32", "int8"])
def test_random_networks_compute_in_c_what_they_compute_in_fastnn(tmp_path, seeds, weights):
    sweep(tmp_path, seeds, "-O1", weights=weights)


@pytest.mark.parametrize("weights", ["float32", "int8"])
def test_no_undefined_behaviour_and_no_step_past_an_array(tmp_path, weights):
    sweep(tmp_path, range(1000, 1008), *sanitizers(tmp_path), weights=weights)


@pytest.mark.parametrize("weights", ["float32", "int8"])
def test_it_is_cpp_too(tmp_path, weights):
    networks, rows = zip(*(random_network(seed) for seed in range(2000, 2006)), strict=True)
    found = run(tmp_path, networks, rows, weights=weights, language="cpp")
    for network, x, outs in zip(networks, rows, found, strict=True):
        assert_agrees(network, x, outs, weights)


FAR = np.array([[s * z] for z in (0, 1e-45, 1e-30, 0.3, 1, 9, 20, 88, 89, 104, 1e4, 1e30, 3e38)
                for s in (1, -1)], np.float32)  # fmt: skip


@pytest.mark.parametrize("sanitized", [False, True])
def test_every_function_is_right_however_far_its_argument(tmp_path, sanitized):
    """One unit of weight 1 passes x on to each hidden activation and each output."""
    networks = [
        fastnn.Network((1, 1, 1), activation=f, output="identity", bias=False, init=1.0, seed=0)
        for f in ACTIVATIONS
    ] + [
        fastnn.Network((1, 2 if f == "softmax" else 1), output=f, bias=False, seed=0)
        for f in OUTPUTS
    ]
    for network in networks:
        for weight in network.weights:
            weight[...] = 1
        if network.architecture.output == "softmax":
            network.weights[0][0, 1] = -1
    flags = sanitizers(tmp_path) if sanitized else ()
    found = run(tmp_path, networks, [FAR] * len(networks), *flags)
    for network, (out, _) in zip(networks, found, strict=True):
        with np.errstate(over="ignore", under="ignore"):
            expected = outputs(network, FAR)
            # gelu's erfc magnifies its argument's rounding by z² (see bounds.py), up to ±14
            factor = 8 + 2 * np.clip(FAR, -14, 14) ** 2 * (
                "gelu" in network.architecture.activations
            )
            if network.architecture.output == "softmax":
                factor = factor + 4 * np.minimum(np.abs(FAR), 104)
            # what is below the smallest normal number is zero to fastnn; silu and mish times z
            smallest = np.finfo("f4").tiny * np.maximum(np.abs(FAR), 1)
            bound = factor * np.finfo("f4").eps * np.abs(expected) + smallest
        same = (out == expected) | (
            np.abs(out - np.where(np.isinf(expected), 0, expected)) <= bound
        )
        assert same.all(), (network, FAR[~same], out[~same], expected[~same])


def test_rows_do_not_depend_on_those_before(tmp_path):
    network, x = random_network(7)
    (once,) = run(tmp_path, [network], [x])
    (twice,) = run(tmp_path, [network], [np.concatenate([x[::-1], x])])
    assert same_bits(once.out, twice.out[len(x) :])


def test_ties_go_to_the_first_class_and_one_half_is_no(tmp_path):
    tie = fastnn.Network((1, 3), seed=0)
    half = fastnn.Network((1, 1), output="sigmoid", seed=0)
    for network in (tie, half):
        network.weights[0][...] = 0
    tie.biases[0][...] = [0, 1, 1]
    found = run(tmp_path, [tie, half], [np.ones((1, 1), np.float32)] * 2)
    assert [f.classes.tolist() for f in found] == [[1], [0]]


# -- what it holds --------------------------------------------------------------------------------

VALUES = np.array(
    [0.0, -0.0, 1.0, 0.1, 1 / 3, 16777216, 16777217, 1e-45, -1e-45, 1.1754942e-38, 1.1754944e-38,
     3.4028235e38, -3.4028235e38, 1e10, 123456789, 9.999999e-5]
).astype(np.float32)  # fmt: skip


def test_weights_and_biases_are_the_same_to_the_bit_but_for_subnormal_ones(tmp_path):
    bits = np.random.default_rng(0).integers(0, 2**32, 4000, np.uint64).astype(np.uint32)
    random = bits.view(np.float32)
    values = np.concatenate([VALUES, random[np.isfinite(random)]])
    values = values[: len(values) // 4 * 4]
    network = fastnn.Network((len(values) // 4, 4), seed=0)
    network.weights[0][...] = values.reshape(-1, 4)
    network.biases[0][...] = VALUES[7:11]
    network.to_c(tmp_path / "net.h")
    program = compiled(
        tmp_path,
        '#include "net.h"\n#include <stdio.h>\nint main(void)\n{\n'
        "    fwrite(net_weight_1, sizeof net_weight_1, 1, stdout);\n"
        "    fwrite(net_bias_1, sizeof net_bias_1, 1, stdout);\n    return 0;\n}\n",
    )
    expected = np.concatenate([values, VALUES[7:11]])
    expected[np.abs(expected) < np.finfo("float32").smallest_normal] *= 0  # signs remain
    assert output_of(program) == expected.tobytes()


def test_eight_bits_are_those_of_the_quantization(tmp_path):
    network = small_network()
    network.weights[0][:, 2] = 0
    network.to_c(tmp_path / "net.h", weights="int8")
    program = compiled(
        tmp_path,
        '#include "net.h"\n#include <stdio.h>\nint main(void)\n{\n'
        "    fwrite(net_weight_1, sizeof net_weight_1, 1, stdout);\n"
        "    fwrite(net_scale_1, sizeof net_scale_1, 1, stdout);\n    return 0;\n}\n",
    )
    integers, scale = quantize(network.weights[0].astype(np.float32))
    assert output_of(program) == integers.tobytes() + scale.tobytes()


@pytest.mark.parametrize("weights", ["float32", "int8"])
@pytest.mark.parametrize("bias", [True, False])
def test_the_size_that_the_header_states_is_that_of_its_arrays(tmp_path, weights, bias):
    network = small_network((4, 6, 3), bias=bias)
    n_bytes = network.to_c(tmp_path / "net.h", weights=weights).n_bytes
    text = (tmp_path / "net.h").read_text()
    arrays = re.findall(r"const (?:float|int8_t) (net_(?:weight|scale|bias)_\d)", text)
    sizes = " + ".join(f"sizeof {array}" for array in arrays)
    program = compiled(
        tmp_path,
        '#include "net.h"\n#include <stdio.h>\nint main(void)\n{\n'
        f'    printf("%d", (int)({sizes}));\n    return 0;\n}}\n',
    )
    size = int(output_of(program))
    assert n_bytes == size
    assert f"Memory: {size} bytes of constants" in text


LABELS = [
    '"',
    "\\",
    "a\nb",
    "\t\r\x01\x7f",
    "é日本🙂",
    "??=??/",
    "%s*/",
    "",
    "\\042",
    "é1",
    "NAME_x",
]


def test_labels_of_text_are_the_same_bytes(tmp_path):
    network = small_network((2, len(LABELS)), class_labels=LABELS)
    network.to_c(tmp_path / "net.h")
    source = (
        '#include "net.h"\n#include <stdio.h>\nint main(void)\n{\n'
        "    for (int i = 0; i < net_N_CLASSES; i++) {\n"
        "        fwrite(net_class_labels[i], 1, 999, stdout);\n    }\n    return 0;\n}\n"
    ).replace(
        "fwrite(net_class_labels[i], 1, 999, stdout)", 'printf("%s%c", net_class_labels[i], 0)'
    )
    for language in ("c", "cpp"):
        program = compiled(tmp_path, source, "-trigraphs", "-Wno-trigraphs", language=language)
        assert output_of(program).decode().split("\0")[:-1] == LABELS


@pytest.mark.parametrize(
    ("labels", "kind", "form"),
    [
        ([-1, 0, 2147483647], "int32_t", "%lld"),
        ([True, False, 2], "int32_t", "%lld"),
        ([-(2**63), 2**63 - 1, -(2**31)], "int64_t", "%lld"),
        ([0.1, -1e300, 5e-324], "double", "%.17g"),
        ([1, 2.5, -3], "double", "%.17g"),
    ],
)
def test_labels_of_numbers_are_numbers(tmp_path, labels, kind, form):
    small_network((2, 3), class_labels=labels).to_c(tmp_path / "net.h")
    assert f"static const {kind} net_class_labels[3]" in (tmp_path / "net.h").read_text()
    cast = "" if kind == "double" else "(long long)"
    program = compiled(
        tmp_path,
        '#include "net.h"\n#include <stdio.h>\nint main(void)\n{\n'
        "    for (int i = 0; i < 3; i++) {\n"
        f'        printf("{form}\\n", {cast}net_class_labels[i]);\n    }}\n    return 0;\n}}\n',
    )
    number = float if kind == "double" else int
    assert [number(text) for text in output_of(program).split()] == labels


def test_a_binary_classifier_has_two_classes():
    network = small_network((2, 1), output="sigmoid", class_labels=("no", "yes"))
    text = header(network, "net", weights="float32")
    assert "net_N_CLASSES = 2" in text
    assert "net_class_labels[2]" in text


@pytest.mark.parametrize(
    ("options", "absent"),
    [
        ({"output": "identity"}, "classif"),
        ({"output": "sigmoid"}, "classif"),  # three yes or no
        ({}, "class_labels"),
        ({"bias": False}, "bias"),
        ({"activation": "identity"}, "identity("),
    ],
)
def test_it_holds_nothing_that_the_network_does_not_need(options, absent):
    assert absent not in header(small_network(**options), "net", weights="float32")


@pytest.mark.parametrize("weights", ["float32", "int8"])
def test_the_text_is_ascii_in_100_columns_and_its_names_begin_with_the_networks(weights):
    for seed in range(8):
        text = header(random_network(seed)[0], "net", weights=weights)
        assert text.isascii()
        assert all(len(line) <= 100 for line in text.splitlines() if '"' not in line)
        assert text.endswith("#endif /* net_H */\n")
        code = re.sub(r'/\*.*?\*/|"(?:\\.|[^"\\])*"', "", text, flags=re.DOTALL)
        declared = re.findall(
            r"^(?:static|#define).*?(\w+)(?= *[(\[=\n])", code, flags=re.MULTILINE
        )
        assert len(declared) > 5
        assert all(word.startswith("net_") for word in declared), declared


def test_the_same_network_makes_the_same_bytes(tmp_path):
    for name in ("a.h", "b.h"):
        random_network(3)[0].to_c(tmp_path / name, name="net")
    assert (tmp_path / "a.h").read_bytes() == (tmp_path / "b.h").read_bytes()


def test_the_example_on_top_compiles(tmp_path):
    small_network().to_c(tmp_path / "net.h")
    text = (tmp_path / "net.h").read_text()
    example = text[text.index("How to call it:") : text.index("Inputs in bytes")]
    lines = [line[7:].split(";")[0] + ";" for line in example.splitlines() if ";" in line]
    assert len(lines) == 4
    body = "\n".join(lines).replace("net_N_IN];", "net_N_IN] = {0};")
    program = compiled(
        tmp_path,
        f'#include "net.h"\nint main(void)\n{{\n{body}\n    return c < 0 || out[0] < 0;\n}}\n',
    )
    assert output_of(program) == b""


# -- names and refusals ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("digits.h", "digits"),
        ("/a/b/my-net.v2.h", "my_net_v2"),
        ("784-100.h", "net_784_100"),
        ("_private.h", "net_private"),
        ("日本.h", "net"),
        ("int.h", "int"),
    ],
)
def test_the_name_is_by_default_the_files(path, name):
    assert name_for(path) == name


@pytest.mark.parametrize("name", ["", "2net", "a-b", "a b", "_a", "__a", "é", "a\n", "a;"])
def test_a_name_that_is_no_identifier_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="name must be an identifier of C"):
        small_network().to_c(tmp_path / "net.h", name=name)
    assert not list(tmp_path.iterdir())


def test_a_name_that_is_no_text_is_refused(tmp_path):
    with pytest.raises(TypeError, match="name must be a string such as 'digits', got 7"):
        small_network().to_c(tmp_path / "net.h", name=7)


def test_a_keyword_will_do_as_a_name(tmp_path):
    small_network().to_c(tmp_path / "int.h")
    compiled(tmp_path, '#include "int.h"\nint main(void)\n{\n    return 0;\n}\n')


def test_names_that_differ_in_case_alone_do_not_meet(tmp_path):
    for name in ("net", "NET", "net_predict"):
        small_network().to_c(tmp_path / f"{name}.header", name=name)
    includes = "".join(f'#include "{n}.header"\n' for n in ("net", "NET", "net_predict"))
    total = "net_N_IN + NET_N_IN + net_predict_N_IN"
    compiled(tmp_path, f"{includes}int main(void)\n{{\n    return {total} - 12;\n}}\n")


@pytest.mark.parametrize(("weights", "error"), [("int4", ValueError), (8, TypeError)])
def test_other_weights_are_refused(tmp_path, weights, error):
    with pytest.raises(error, match="weights must be one of 'float32', 'int8'"):
        small_network().to_c(tmp_path / "net.h", weights=weights)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e39])
@pytest.mark.parametrize("part", ["weights", "biases"])
@pytest.mark.parametrize("weights", ["float32", "int8"])
def test_parameters_that_float_cannot_hold_are_refused(tmp_path, part, value, weights):
    network = small_network()
    getattr(network, part)[1][..., 0] = value
    with pytest.raises(ValueError, match=f"the {part} of layer 2 holds"):
        network.to_c(tmp_path / "net.h", weights=weights)
    assert not list(tmp_path.iterdir())


def test_a_scale_that_float_cannot_hold_is_refused(tmp_path):
    with pytest.raises(ValueError, match="input_scale holds 1e\\+300"):
        small_network(input_scale=1e300).to_c(tmp_path / "net.h")


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("a\0b", "holds a zero character"),
        ("\ud800", "is not valid Unicode"),
        ("é" * 2048, "has 4,096 bytes"),
        (2**63, "does not fit in 64 bits"),
    ],
)
def test_labels_that_have_no_place_in_c_are_refused(tmp_path, label, words):
    others = ("x", "y") if isinstance(label, str) else (1, 2)
    network = small_network(class_labels=(label, *others))
    with pytest.raises(ValueError, match=words):
        network.to_c(tmp_path / "net.h")


def test_a_label_as_long_as_compilers_must_take_compiles(tmp_path):
    small_network((2, 2), class_labels=("é" * 2047, "b")).to_c(tmp_path / "net.h")
    compiled(tmp_path, '#include "net.h"\nint main(void)\n{\n    return 0;\n}\n')
