"""A network as a C header in integers: the bits of its NumPy model, no floats, little lost."""

import re
import subprocess
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.c_programs import COMPILER, batches, compiled, output_of, sanitizers
from support.examples import small_network
from support.integer_programs import (
    ARM_NM,
    compiled_for_cortex_m,
    general_registers,
    integers_of,
    need_cortex_m,
    run_integers,
    run_on_cortex_m,
)
from support.random_networks import N_NETWORKS, THOROUGH, random_network

import fastnn
from fastnn.architecture import ACTIVATIONS, OUTPUTS
from fastnn.datasets import digits, mnist
from fastnn.exchange.c.integers.accuracy import measured
from fastnn.exchange.c.integers.calibration import calibrated
from fastnn.exchange.c.integers.header import integer_header
from fastnn.exchange.c.integers.network import LEVELS

SEEDS = range(N_NETWORKS if THOROUGH else 24)


def case(seed):
    """A random network in integers, and rows: its own, and some that calibration did not see."""
    network, x = random_network(seed)
    rng = np.random.default_rng([seed, 31])
    integers = integers_of(network, x)
    n_in = network.architecture.n_in
    if integers.inputs is None:
        others = np.stack([np.full(n_in, 255), rng.integers(0, 256, n_in)]).astype(np.uint8)
    else:
        ends = np.where(rng.random((2, n_in)) < 0.5, -32768, 32767)
        others = np.concatenate([ends, rng.integers(-32768, 32768, (2, n_in))]).astype(np.int16)
    return network, integers, np.concatenate([integers.quantized(x), others])


def assert_same(cases, found):
    for (network, integers, rows), (out, classes) in zip(cases, found, strict=True):
        np.testing.assert_array_equal(out, integers.predict(rows), err_msg=str(network))
        if network.architecture.n_classes:
            yes = network.architecture.output == "sigmoid"
            expected = (out[:, 0] > 0).astype(int) if yes else out.argmax(axis=1)
            np.testing.assert_array_equal(classes, expected)


def sweep(folder, seeds, *flags, language="c"):
    cases = [case(seed) for seed in seeds]
    assert_same(cases, run_integers(folder, cases, *flags, language=language))


# -- the same integers ----------------------------------------------------------------------------


@pytest.mark.parametrize("seeds", list(batches(SEEDS, 8)), ids=lambda seeds: f"from {seeds[0]}")
def test_random_networks_give_in_c_the_integers_of_the_numpy_model(tmp_path, seeds):
    sweep(tmp_path, seeds, "-O1")


def test_no_undefined_behaviour_and_no_step_past_an_array(tmp_path):
    sweep(tmp_path, range(1000, 1012), *sanitizers(tmp_path))


def test_it_is_cpp_too(tmp_path):
    sweep(tmp_path, range(2000, 2006), language="cpp")


MAGNITUDES = [0.0, 1e-38, 1e-20, 1e-3, 1.0, 1e3, 1e15]


@settings(max_examples=40)
@given(st.data())
def test_no_sum_leaves_int32_whatever_the_magnitudes(data):
    """Weights, biases and inputs of any magnitudes, columns of zeros, and the most extreme rows."""
    activations = data.draw(st.lists(st.sampled_from(ACTIVATIONS), max_size=2))
    sizes = data.draw(
        st.lists(st.integers(1, 700), min_size=len(activations) + 2, max_size=len(activations) + 2)
    )
    network = fastnn.Network(
        sizes, activation=activations, output=data.draw(st.sampled_from(OUTPUTS)), seed=0
    )
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    for part in (*network.weights, *network.biases):
        size = data.draw(st.sampled_from(MAGNITUDES))
        part[...] = size * rng.choice([-1, 1, 1, 0.5], part.shape)
        part[..., rng.random(part.shape[-1]) < 0.1] = 0
    x = rng.normal(size=(5, sizes[0])) * rng.choice([0, 1e-20, 1, 1e6], sizes[0])
    of_bytes = data.draw(st.booleans())
    rows = np.abs(x).clip(0, 255).astype(np.uint8) if of_bytes else x.astype(np.float32)
    try:
        integers = calibrated(network, rows)
    except ValueError as error:
        if "not finite" not in str(error):
            raise
        return
    largest = np.full(sizes[0], 255 if of_bytes else 32768)
    if integers.inputs is not None and integers.inputs.limit < LEVELS:
        largest[:] = integers.inputs.limit
    for layer in integers.layers:
        sums = largest @ np.abs(layer.weight.astype(np.int64)) + np.abs(layer.bias.astype(np.int64))
        assert sums.max() < 2**31
        assert layer.shift.min() >= 8
        assert layer.shift.max() <= 62
        assert layer.multiplier.max() < 2**31
        assert layer.limit <= 2**30
        largest = np.full(layer.weight.shape[1], layer.levels)
    rows_of_c = integers.quantized(rows)
    h = rows_of_c.astype(np.int64)
    for layer in integers.layers:
        h = layer.forward(h)
        assert np.abs(h).max() <= layer.levels


@pytest.mark.parametrize("limit", ["wide", "narrow"])
def test_a_layer_with_more_inputs_gets_fewer_levels_and_one_with_too_many_is_refused(limit):
    n_in = 2000 if limit == "narrow" else 100_000
    network = fastnn.Network((n_in, 2), seed=0)
    network.weights[0][...] = 1
    x = np.linspace(-1, 1, 2 * n_in, dtype=np.float32).reshape(2, n_in)
    if limit == "narrow":
        assert calibrated(network, x).inputs.limit == (2**30 - 1) // (127 * n_in)
        return
    for rows in (x, np.full((2, n_in), 9, np.uint8)):
        with pytest.raises(ValueError, match="layer 1 has 100,000 inputs, and the sums of so many"):
            calibrated(network, rows)


def test_inputs_past_a_narrow_limit_are_bounded_in_c_as_in_numpy(tmp_path):
    rng = np.random.default_rng(5)
    network = small_network((600, 4, 3))
    network.weights[0][...] = rng.choice([-1, 1], (600, 4))  # the limit is that of equal sizes
    integers = integers_of(network, rng.normal(size=(20, 600)).astype(np.float32))
    assert integers.inputs.limit < LEVELS
    ends = np.where(rng.random((6, 600)) < 0.5, -32768, 32767).astype(np.int16)
    mixed = rng.integers(-32768, 32768, (6, 600)).astype(np.int16)
    cases = [(network, integers, np.concatenate([ends, mixed]))]
    assert_same(cases, run_integers(tmp_path, cases))


def test_units_far_above_what_calibration_saw_are_bounded_in_c_as_in_numpy(tmp_path):
    rng = np.random.default_rng(6)
    cases = []
    for activation in ACTIVATIONS:
        network = fastnn.Network((40, 3, 2), activation=activation, seed=0)
        network.weights[0][...] = 1
        integers = integers_of(network, rng.choice([-1.0, 1.0], (20, 40)).astype(np.float32))
        cases.append((network, integers, np.repeat(np.array([[32767], [-32767]], np.int16), 40, 1)))
    assert_same(cases, run_integers(tmp_path, cases))


def test_of_equal_outputs_the_first_is_the_class_and_a_logit_of_zero_is_a_no(tmp_path):
    cases = []
    for output, n_out in (("softmax", 3), ("sigmoid", 1)):
        network = fastnn.Network((4, n_out), output=output, seed=0)
        network.weights[0][...] = 0
        integers = integers_of(network, np.eye(4, dtype=np.float32))
        cases.append((network, integers, np.eye(4, dtype=np.int16)))
    found = run_integers(tmp_path, cases)
    assert_same(cases, found)
    for out, classes in found:
        assert not out.any()
        assert not np.any(classes)


def test_floats_become_the_same_integers_in_c_and_numpy(tmp_path):
    network = small_network((5, 4, 3))
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(50, 5)) * [1, 1e-6, 1e6, 1, 0] + [0, 0, 1e5, 3e4, 7]).astype(np.float32)
    integers = integers_of(network, x)
    far = np.array([[s * v] * 5 for v in (0, 1e-45, 1, 1e10, 3e38, np.inf) for s in (1, -1)], "f4")
    rows = np.concatenate([x, np.nextafter(x, np.float32(9)), far])
    Path(tmp_path, "net.h").write_text(integer_header(network, integers, "net"))
    program = compiled(
        tmp_path,
        '#define net_FLOAT\n#include "net.h"\n#include <stdio.h>\nint main(void)\n{\n'
        "    float x[net_N_IN];\n    int16_t q[net_N_IN];\n"
        "    while (fread(x, sizeof x, 1, stdin) == 1) {\n"
        "        net_quantize(x, q);\n        fwrite(q, sizeof q, 1, stdout);\n    }\n"
        "    return net_classify(q) > 2;\n}\n",
    )
    found = np.frombuffer(output_of(program, rows.tobytes()), "<i2").reshape(-1, 5)
    np.testing.assert_array_equal(found, integers.quantized(rows))
    assert integers.inputs.constant == (4,)


# -- no floats ------------------------------------------------------------------------------------


def test_the_header_needs_no_float_registers_and_names_no_float(tmp_path):
    flag = general_registers(tmp_path)
    for seed in range(3000, 3012):
        network, integers, _ = case(seed)
        text = integer_header(network, integers, "net")
        Path(tmp_path, "net.h").write_text(text)
        suffix = "_bytes" if integers.inputs is None else ""
        kind = "uint8_t" if integers.inputs is None else "int16_t"
        source = Path(tmp_path, "net.c")
        source.write_text(
            f'#include "net.h"\nvoid run(const {kind} *x, int32_t *out);\n'
            f"void run(const {kind} *x, int32_t *out)\n{{\n    net_predict{suffix}(x, out);\n}}\n"
        )
        command = [COMPILER, "-std=c99", "-O2", "-Werror", flag, "-c", source,
                   "-o", source.with_suffix(".o")]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        code = re.sub(r'/\*.*?\*/|"(?:\\.|[^"\\])*"', "", text, flags=re.DOTALL)
        code = re.sub(r"#ifdef net_FLOAT.*?#endif", "", code, flags=re.DOTALL)
        code = re.sub(r"static const double net_class_labels.*?;", "", code, flags=re.DOTALL)
        assert not re.search(r"\b(float|double|math|\w*\.\d)", code)


def test_on_a_cortex_m_it_gives_the_same_integers(tmp_path):
    need_cortex_m()
    cases = [case(seed) for seed in range(4000, 4008)]
    assert_same(cases, run_on_cortex_m(tmp_path, cases))


def test_on_a_cortex_m0_nothing_computes_floats_in_software(tmp_path):
    need_cortex_m()

    def symbols(line):
        source = f'#define net_FLOAT\n#include "cortex_m.h"\n#include "net.h"\n{line}'
        program = compiled_for_cortex_m(tmp_path, source, cpu="cortex-m0")
        return subprocess.run([ARM_NM, program], capture_output=True, text=True, check=True).stdout

    network = small_network((5, 4, 3), activation="gelu")
    integers = integers_of(network, np.random.default_rng(0).normal(size=(9, 5)))
    Path(tmp_path, "net.h").write_text(integer_header(network, integers, "net"))
    in_software = re.compile(r"__aeabi_[fd]|__(add|sub|mul|div)[sd]f3")
    plain = "int16_t q[5];\nint main(void)\n{\n    print(net_classify(q));\n    return 0;\n}\n"
    assert not in_software.search(symbols(plain))
    floats = "float x[5];\n" + plain.replace("    print", "    net_quantize(x, q);\n    print")
    assert in_software.search(symbols(floats))  # which would be found


# -- what it loses --------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_keeps_its_digits(activation):
    rng = np.random.default_rng(0)
    network = fastnn.Network((20, 40, 30, 5), activation=activation, output="identity", seed=1)
    for bias in network.biases:
        bias[...] = rng.normal(size=bias.shape) / 4
    x = rng.normal(size=(500, 20)).astype(np.float32)
    agreement, error = measured(network, integers_of(network, x), x)
    values = network.predict(x)
    assert agreement.agreement > 0.999
    assert error < 0.02 * np.abs(values - values.mean(axis=0)).max()


@pytest.mark.parametrize("output", OUTPUTS)
def test_outputs_are_in_units_of_the_fraction_bits(output):
    network = small_network((6, 8, 3), output=output)
    x = np.random.default_rng(0).normal(size=(200, 6)).astype(np.float32)
    integers = integers_of(network, x)
    found = integers.values(integers.predict(integers.quantized(x)))
    exact = network.predict_proba(x) if network.architecture.classifies else network.predict(x)
    if output in ("softmax", "sigmoid"):
        found = 1 / (1 + np.exp(-found)) if output == "sigmoid" else np.exp(found)
        found = found / found.sum(axis=1, keepdims=True) if output == "softmax" else found
    found = np.exp(found) if output == "exp" else found
    np.testing.assert_allclose(found, exact, rtol=0.05, atol=0.02)


def test_columns_of_different_sizes_far_from_zero_keep_their_accuracy():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(400, 4)).astype(np.float32)
    x = (z * [1e-5, 1, 1e4, 5] + [0, -40, 3e6, 1013]).astype(np.float32)
    network = fastnn.Network((4, 16, 3), activation="relu", dtype="float64", seed=0)
    network.weights[0][...] /= np.array([1e-5, 1, 1e4, 5])[:, None]
    network.biases[0][...] -= np.array([0, -40, 3e6, 1013]) @ network.weights[0]
    agreement, _ = measured(network, integers_of(network, x), x)
    assert agreement.agreement > 0.97


def lost(network, data, folder):
    network.fit(*data.train, epochs=5, progress=False)
    written = network.to_c(folder / "net.h", weights="int8", arithmetic="int32",
                           calibration=data.train.x[:1000], rows=tuple(data.test))  # fmt: skip
    assert written.agreement.n_rows == len(data.test.x)
    assert 0 < written.largest_logit_error < 1
    return written.agreement.lost


def test_digits_lose_next_to_nothing(tmp_path):
    network = fastnn.Network((784, 16, 10), activation="relu", seed=0)
    assert abs(lost(network, digits(), tmp_path)) <= 0.005


@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
def test_mnist_is_within_two_tenths_of_a_point(tmp_path, mnist_folder, activation):
    network = fastnn.Network((784, 100, 10), activation=activation, seed=0)
    assert abs(lost(network, mnist(mnist_folder), tmp_path)) <= 0.002


# -- what it holds, and refusals ------------------------------------------------------------------


def export(network, folder, calibration, **options):
    options = {"weights": "int8", "arithmetic": "int32"} | options
    return network.to_c(folder / "net.h", calibration=calibration, **options)


@pytest.fixture
def rows():
    return np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)


@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_the_size_that_the_header_states_is_that_of_its_arrays(tmp_path, rows, activation):
    network = small_network((4, 6, 3), activation=activation, output="identity")
    n_bytes = export(network, tmp_path, rows).n_bytes
    text = (tmp_path / "net.h").read_text()
    pattern = r"const u?int\d+_t (net_(?:weight|bias|multiplier|shift|curve)_\d)"
    sizes = " + ".join(f"sizeof {name}" for name in re.findall(pattern, text))
    program = compiled(
        tmp_path,
        '#include "net.h"\n#include <stdio.h>\nint main(void)\n{\n'
        f'    printf("%d", (int)({sizes}));\n    return 0;\n}}\n',
    )
    assert int(output_of(program)) == n_bytes
    assert f"Memory: {n_bytes:,} bytes of constants" in text


def test_the_text_is_ascii_in_100_columns_and_its_names_begin_with_the_networks():
    for seed in range(12):
        network, integers, _ = case(seed)
        text = integer_header(network, integers, "net")
        assert text.isascii()
        assert all(len(line) <= 100 for line in text.splitlines() if '"' not in line)
        assert text.endswith("#endif /* net_H */\n")
        code = re.sub(r'/\*.*?\*/|"(?:\\.|[^"\\])*"', "", text, flags=re.DOTALL)
        assert "NAME_" not in code
        declared = re.findall(
            r"^(?:static|#define).*?(\w+)(?= *[(\[=\n])", code, flags=re.MULTILINE
        )
        assert len(declared) > 5
        assert all(word.startswith("net_") for word in declared), declared


@pytest.mark.parametrize("in_bytes", [False, True])
def test_the_example_on_top_compiles(tmp_path, rows, in_bytes):
    export(small_network(), tmp_path, np.abs(rows * 50).astype(np.uint8) if in_bytes else rows)
    text = (tmp_path / "net.h").read_text()
    example = text[text.index("How to call it:") : text.index("An output of k")]
    lines = [line[7:].split(";")[0] + ";" for line in example.splitlines() if ";" in line]
    assert len(lines) == 4
    body = "\n".join(lines).replace("net_N_IN];", "net_N_IN] = {0};")
    program = compiled(
        tmp_path,
        f'#include "net.h"\nint main(void)\n{{\n{body}\n'
        "    return c < 0 || out[0] == INT32_MIN;\n}\n",
    )
    assert output_of(program) == b""


def test_without_rows_it_is_measured_on_the_calibration_rows(tmp_path, rows):
    network = small_network()
    written = export(network, tmp_path, (rows, network.predict(rows)))
    assert written.agreement.n_rows == len(rows)
    assert written.agreement.network == 1.0
    assert written.agreement.header == written.agreement.agreement


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"calibration": None}, 'arithmetic="int32" needs calibration='),
        ({"weights": "float32"}, 'arithmetic="int32" takes weights="int8", got \'float32\''),
        ({"arithmetic": "float32"}, 'calibration= is only for arithmetic="int32"'),
        ({"arithmetic": "int16"}, "arithmetic must be one of 'float32', 'int32'"),
        ({"calibration": np.ones((3, 5))}, "5"),
        ({"calibration": np.ones((0, 4))}, "no rows"),
        ({"calibration": np.full((3, 4), np.nan)}, "(?i)nan"),
        ({"rows": np.ones((3, 4), np.uint8)}, "must be of one kind"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, rows, options, words):
    with pytest.raises(ValueError, match=words):
        export(small_network(), tmp_path, **{"calibration": rows} | options)
    assert not list(tmp_path.iterdir())


def test_a_network_that_takes_a_table_is_refused(tmp_path):
    table = {"a": np.arange(40.0), "b": np.arange(40) % 2 == 0}
    columns = fastnn.tabular.learn_columns(table)
    network = fastnn.Network((columns.n_out, 4, 2), seed=0)
    network.columns = columns
    with pytest.raises(ValueError, match="takes rows of numbers or bytes, and this network"):
        export(network, tmp_path, table)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e39])
@pytest.mark.parametrize("part", ["weights", "biases"])
def test_parameters_that_float_cannot_hold_are_refused(tmp_path, rows, part, value):
    network = small_network(dtype="float64")
    getattr(network, part)[1][..., 0] = value
    with pytest.raises(ValueError, match=f"the {part} of layer 2 holds"):
        export(network, tmp_path, rows)


def test_columns_that_calibration_holds_constant_are_named_if_they_are_used(tmp_path, rows):
    network = small_network()
    rows[:, 2:] = 1
    network.weights[0][3] = 0
    with pytest.warns(UserWarning, match="counts 'column 3' as constant, since float32 holds one"):
        export(network, tmp_path, rows)


def test_a_loss_of_accuracy_is_a_warning(tmp_path, rows):
    with pytest.warns(UserWarning, match="in integers loses accuracy.*Calibrate it on more rows"):
        export(small_network(), tmp_path, rows / 1000, rows=rows * 1000)


def test_nothing_warns_where_nothing_is_lost(tmp_path, rows):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        export(small_network(output="identity"), tmp_path, rows)
