"""What a network was trained on travels with it: the same values, the same answers."""

import pickle
import tracemalloc

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from support.examples import same_bits, small_network

import fastnn
from fastnn.rows.checked import checked_x
from fastnn.rows.trained_on import TrainedOn

RNG = np.random.default_rng(5)
BYTES = RNG.integers(0, 256, (120, 4), dtype=np.uint8)
BYTES[0] = 255
FLAGS = RNG.random((120, 4)) < 0.4
LABELS = np.arange(120) % 3

INTEGERS = ("int16", "uint16", "int32", "int64", "uint64")
FRAME = pd.DataFrame({"age": [1.0, 2, 3, 4], "score": [9.0, 7, 5, 3], "size": [0.1, 0.2, 0.4, 0.3]})
GROUP = pd.Series([0, 1, 0, 1], name="group")


def trained(x, y=LABELS, sizes=(4, 6, 3), **options):
    net = small_network(sizes, **options)
    net.fit(x, y, epochs=2, batch_size=16, progress=False)
    return net


def of_frame():
    return trained(FRAME, GROUP, (3, 4, 2))


# -- bytes and numbers ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def of_bytes():
    return trained(BYTES)


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("form", ["array", "list", "csr", "frame"])
def test_a_network_of_bytes_takes_integers_for_bytes(of_bytes, dtype, form):
    x = BYTES.astype(dtype)
    x = {
        "array": x,
        "list": x.tolist(),
        "csr": sparse.csr_array(x),
        "frame": pd.DataFrame(x, columns=list("abcd")),
    }[form]
    expected = sparse.csr_array(BYTES) if form == "csr" else BYTES
    assert same_bits(of_bytes.predict_proba(x), of_bytes.predict_proba(expected))


@pytest.mark.parametrize("wrong", [-1, 256, 70_000])
def test_integers_that_are_no_bytes_are_refused_by_a_network_of_bytes(of_bytes, wrong):
    x = BYTES.astype(np.int64)
    x[3, 2] = wrong
    with pytest.raises(ValueError, match=f"trained on bytes.* holds {wrong}"):
        of_bytes.predict(x)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sparse_rows", [False, True])
def test_a_network_of_bytes_refuses_bytes_as_floats(of_bytes, dtype, sparse_rows):
    x = BYTES.astype(dtype)
    x = sparse.csr_array(x) if sparse_rows else x
    for call in (of_bytes.predict, of_bytes.predict_proba):
        with pytest.raises(ValueError, match=r"floats from .* to 255.*x\.astype\(numpy"):
            call(x)
    for call in (of_bytes.evaluate, of_bytes.partial_fit, of_bytes.fit):
        with pytest.raises(ValueError, match="trained on bytes"):
            call(x, LABELS)
    with pytest.raises(ValueError, match=r"validation_data: .*trained on bytes"):
        small_network().fit(BYTES, LABELS, validation_data=(x, LABELS), progress=False)


def test_a_network_of_bytes_takes_floats_of_the_range_of_scaled_bytes(of_bytes):
    np.testing.assert_allclose(
        of_bytes.predict_proba(BYTES / 255), of_bytes.predict_proba(BYTES), rtol=0, atol=1e-12
    )
    of_bytes.predict(BYTES / 127.5 - 1)  # negative numbers are no bytes either


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**32),
    kind=st.sampled_from(["flags", "numbers", "fractions", "bytes"]),
    dtypes=st.permutations(["uint8", "int64", "float32", "float64", "bool"]),
)
def test_the_same_values_are_the_same_answers_whatever_their_dtype(seed, kind, dtypes):
    rng = np.random.default_rng(seed)
    largest = {"flags": 1, "numbers": 300, "fractions": 255, "bytes": 255}[kind]
    values = rng.integers(0, largest + 1, (40, 4))
    values[0] = largest
    if kind == "fractions":  # numbers that bytes become
        first, second = values.astype(np.uint8), values / 255
    elif kind == "bytes":
        first, second = values.astype(np.uint8), values.astype(np.int64)
    else:
        ones = [d for d in dtypes if kind == "flags" or d not in ("uint8", "bool")]
        first, second = values.astype(ones[0]), values.astype(ones[1])
    y = np.arange(40) % 3
    nets = [trained(first, y)]
    if kind != "bytes":  # integers that come first are numbers
        nets.append(trained(second, y))
    for net in nets:
        a, b = net.predict_proba(first), net.predict_proba(second)
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-9)
    if kind != "bytes":
        np.testing.assert_allclose(nets[0].parameters, nets[1].parameters, rtol=0, atol=1e-9)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "float32", "float64"])
def test_flags_of_any_dtype_train_alike(backend, dtype):
    a = trained(FLAGS.astype(dtype), backend=backend.name)
    b = trained(FLAGS.astype("float64"), backend=backend.name)
    np.testing.assert_allclose(a.parameters, b.parameters, rtol=0, atol=1e-12)
    assert a.architecture.input_scale == 1.0
    assert a.trained_on == TrainedOn("flags")


def test_an_input_scale_that_was_given_is_kept():
    for x in (FLAGS.view(np.uint8), BYTES, BYTES / 255):
        assert trained(x, input_scale=0.25).architecture.input_scale == 0.25
    assert trained(FLAGS, input_scale=0.25).trained_on.inputs == "bytes"


def test_bytes_that_are_no_images_are_taken_as_numbers_and_said_so():
    with pytest.warns(UserWarning, match=r"values up to 7, .*input_scale=1/255 .* input_scale=1 "):
        net = trained(BYTES % 8)
    assert net.architecture.input_scale == 1.0
    assert same_bits(net.predict_proba(BYTES), net.predict_proba(BYTES.astype("int16")))


def test_the_first_rows_choose_the_scale_and_later_ones_do_not():
    net = small_network()
    assert net.architecture.input_scale == 1 / 255
    net.partial_fit(FLAGS, LABELS)
    assert net.architecture.input_scale == 1.0
    with pytest.warns(UserWarning, match="columns of 0 and 1"):
        net.partial_fit(BYTES, LABELS)
    net.fit(BYTES, LABELS, epochs=1, progress=False)
    assert net.architecture.input_scale == 1.0


def test_a_fit_that_is_refused_chooses_nothing():
    net = small_network()
    for bad in (
        {"y": LABELS[:-1]},
        {"y": LABELS, "epochs": -1},
        {"y": LABELS, "validation_data": (FLAGS[:, :3], LABELS)},
    ):
        with pytest.raises(ValueError, match=r"."):
            net.fit(FLAGS, **bad)
    assert net.trained_on is None
    assert net.architecture.input_scale == 1 / 255


@pytest.mark.parametrize("one_row", [False, True])
def test_a_predictor_tells_bytes_from_numbers_as_its_network_does(backend, one_row):
    net = trained(BYTES, backend=backend.name)
    for fast in (net.predictor(), pickle.loads(pickle.dumps(net.predictor()))):
        rows = BYTES[0] if one_row else BYTES
        expected = fast(rows)
        for x in (rows.astype(np.int64), rows.tolist(), pd.Series(rows) if one_row else rows):
            assert same_bits(fast(x), expected)
        np.testing.assert_allclose(fast(rows / 255), expected, rtol=1e-12)
        for wrong in (rows.astype(np.float32), rows.astype(float).tolist()):
            with pytest.raises(ValueError, match="trained on bytes"):
                fast(wrong)
    if not one_row:
        fast(sparse.csr_array(BYTES))
        with pytest.raises(ValueError, match="trained on bytes"):
            fast(sparse.csr_array(BYTES.astype(float)))


def test_a_predictor_matches_columns_by_name(backend):
    net = trained(FRAME, GROUP, (3, 4, 2), backend=backend.name)
    fast, mixed = net.predictor(), FRAME[["size", "age", "score"]]
    expected = net.predict_proba(FRAME)
    assert same_bits(fast(FRAME), expected)
    assert same_bits(fast(mixed), expected)
    np.testing.assert_array_equal(fast(mixed.iloc[2]), expected[2])  # a row of a frame
    with pytest.raises(ValueError, match="lacks 'age'"):
        fast(FRAME[["size", "score"]])


# -- names ------------------------------------------------------------------------------------


def test_columns_of_a_frame_are_matched_by_name():
    net = of_frame()
    assert net.trained_on.feature_names == ("age", "score", "size")
    assert net.trained_on.label_name == "group"
    expected = net.predict_proba(FRAME)
    assert same_bits(net.predict_proba(FRAME.to_numpy()), expected)
    for names in (["size", "age", "score"], ["score", "size", "age"]):
        assert same_bits(net.predict_proba(FRAME[names]), expected)
        assert same_bits(net.predict_proba(pl.from_pandas(FRAME[names])), expected)
    with_label = FRAME.assign(group=GROUP)[["group", "size", "age", "score"]]
    assert same_bits(net.predict_proba(with_label), expected)
    assert net.evaluate(with_label, GROUP) == net.evaluate(FRAME, GROUP)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.sampled_from(["age", "score", "size", "group", "x", "y"]), unique=True))
def test_columns_that_are_missing_or_unknown_are_named(names):
    net = of_frame()
    frame = pd.DataFrame(np.ones((2, len(names))), columns=names)
    missing, unknown = {"age", "score", "size"} - {*names}, {"x", "y"} & {*names}
    if not missing and not unknown:
        assert len(net.predict(frame)) == 2
        return
    with pytest.raises(ValueError, match="columns that the network was trained on") as error:
        net.predict(frame)
    said = str(error.value).split("in any order")[1]
    assert {name for name in {*names, "age", "score", "size"} if repr(name) in said} == (
        missing | unknown
    )


def test_a_fit_on_a_frame_in_another_order_goes_on_with_the_right_columns():
    a, b = of_frame(), of_frame()
    a.partial_fit(FRAME, GROUP)
    b.partial_fit(FRAME[["size", "score", "age"]], GROUP)
    assert same_bits(a.parameters, b.parameters)


def test_validation_rows_are_matched_by_name():
    a, b = small_network((3, 4, 2)), small_network((3, 4, 2))
    first = a.fit(FRAME, GROUP, validation_data=(FRAME, GROUP), progress=False)
    mixed = FRAME[["score", "size", "age"]]
    second = b.fit(FRAME, GROUP, validation_data=(mixed, GROUP), progress=False)
    assert first["val_loss"] == second["val_loss"]


def test_names_that_are_no_text_or_not_distinct():
    numbered = pd.DataFrame(FRAME.to_numpy())
    assert trained(numbered, GROUP, (3, 4, 2)).trained_on.feature_names is None
    twice = pd.DataFrame(FRAME.to_numpy(), columns=["a", "b", "a"])
    with pytest.raises(ValueError, match="several columns called 'a'"):
        trained(twice, GROUP, (3, 4, 2))


@pytest.mark.parametrize("names", [(2001, 2002, 2003), (("a", 1), ("a", 2), ("b", 1)), (2, 0, 1)])
def test_names_that_are_no_text_are_matched_as_text(names):
    frame = pd.DataFrame(FRAME.to_numpy())
    frame.columns = pd.Index(names, tupleize_cols=False)
    net = trained(frame, GROUP, (3, 4, 2))
    assert net.trained_on.feature_names == tuple(map(str, names))
    mixed = frame.iloc[:, [2, 0, 1]]
    assert same_bits(net.predict_proba(mixed), net.predict_proba(frame))


def test_numbered_columns_out_of_their_order_are_refused():
    numbered = pd.DataFrame(FRAME.to_numpy())
    net = trained(numbered, GROUP, (3, 4, 2))
    with pytest.raises(ValueError, match=r"columns numbered 2, 1, 0, .* by position"):
        net.predict(numbered[[2, 1, 0]])


def test_class_labels_that_do_not_fit_are_not_taken_and_so_never_saved(tmp_path):
    net = of_frame()
    before = net.class_labels
    with pytest.raises(ValueError, match="class_labels must hold 2 labels, got 3"):
        net.class_labels = ["a", "b", "c"]
    net.save(tmp_path / "net")
    assert fastnn.load(tmp_path / "net").class_labels == before


NULLABLE = FRAME.convert_dtypes()


def test_nullable_columns_without_missing_values_are_numbers():
    net = of_frame()
    assert same_bits(net.predict_proba(NULLABLE), net.predict_proba(FRAME))
    mixed = FRAME.assign(age=[True, False, True, True])
    as_floats = FRAME.assign(age=[1.0, 0.0, 1.0, 1.0])
    assert same_bits(net.predict_proba(mixed), net.predict_proba(as_floats))


def test_missing_values_and_text_name_their_column():
    net = of_frame()
    missing = NULLABLE.copy()
    missing.loc[2, "score"] = pd.NA
    with pytest.raises(ValueError, match=r"nan in row 2, column 1 \('score'\)"):
        net.predict(missing)
    with pytest.raises(ValueError, match=r"nan in row 1, column 0 \('age'\)"):
        net.predict(pl.DataFrame({"size": [1.0, 2], "age": [1.0, np.nan], "score": [1.0, 2]}))
    with pytest.raises(TypeError, match="column 'size' holds 'large'"):
        net.predict(FRAME.assign(size="large"))


# -- kept -------------------------------------------------------------------------------------


def test_what_a_network_was_trained_on_is_saved_with_it(tmp_path, of_bytes):
    for net in (of_frame(), of_bytes, small_network()):
        net.save(tmp_path / "net.safetensors")
        loaded = fastnn.load(tmp_path / "net.safetensors")
        assert loaded.trained_on == net.trained_on
        assert loaded.architecture == net.architecture
        assert pickle.loads(pickle.dumps(net)).trained_on == net.trained_on


def test_a_network_that_was_pickled_before_its_first_fit_still_chooses_its_scale():
    net = pickle.loads(pickle.dumps(small_network()))
    net.fit(FLAGS, LABELS, epochs=1, progress=False)
    assert net.architecture.input_scale == 1.0


# -- from one fit to the next -----------------------------------------------------------------


def test_after_fractions_integers_that_may_be_bytes_are_asked_about(backend):
    net = trained(BYTES / 255, backend=backend.name)
    assert net.trained_on.inputs == "fractions"
    fast = net.predictor()
    np.testing.assert_allclose(net.predict_proba(BYTES), net.predict_proba(BYTES / 255), rtol=1e-9)
    for x in (BYTES.astype(int), BYTES.tolist(), sparse.csr_array(BYTES.astype(np.int32))):
        with pytest.raises(ValueError, match=r"between 0 and 1, but x holds integers up to 255"):
            net.predict(x)
    with pytest.raises(ValueError, match="holds integers up to 255"):
        fast(BYTES.astype(int))
    for whole in (FLAGS.astype(int), FLAGS, FLAGS.astype(float)):  # 0 and 1 are of that range
        np.testing.assert_array_equal(net.predict_proba(whole), net.predict_proba(FLAGS * 1.0))
        np.testing.assert_array_equal(fast(whole), fast(FLAGS * 1.0))


def test_after_bytes_too_a_network_of_fractions_is_one_of_bytes():
    net = trained(BYTES / 255)
    net.partial_fit(BYTES, LABELS)
    assert net.trained_on.inputs == "bytes"
    assert same_bits(net.predict_proba(BYTES.astype(int)), net.predict_proba(BYTES))


def test_images_after_flags_are_taken_as_numbers_with_a_word():
    net = trained(FLAGS)
    with pytest.warns(UserWarning, match=r"columns of 0 and 1, .* input_scale=1/255"):
        net.partial_fit(BYTES, LABELS)
    assert net.trained_on.inputs == "numbers"
    net.partial_fit(BYTES, LABELS)  # said once


def test_an_input_scale_that_does_not_apply_is_said():
    with pytest.warns(UserWarning, match=r"input_scale=0.003922 is for uint8, .* up to 255"):
        trained(BYTES.astype(int), input_scale=1 / 255)


def test_what_was_measured_of_earlier_rows_is_forgotten_with_them():
    net = trained(FRAME, GROUP, (3, 4, 2))
    for train in (net.fit, net.partial_fit):
        net.trained_on = TrainedOn(
            "numbers", ("age", "score", "size"), "group", (1.0,) * 3, (2.0,) * 3, "abc"
        )
        train(FRAME, GROUP)
        assert net.trained_on == TrainedOn("numbers", ("age", "score", "size"), "group")


def test_a_fit_that_fails_before_its_first_step_chooses_nothing():
    class Failing(fastnn.Callback):
        def on_fit_start(self, network):
            raise RuntimeError("no")

    net = small_network()
    with pytest.raises(RuntimeError, match="no"):
        net.fit(FLAGS, LABELS, callbacks=Failing(), progress=False)
    assert net.trained_on is None
    net.fit(BYTES, LABELS, epochs=1, progress=False)
    assert net.architecture.input_scale == 1 / 255


def test_a_network_saved_before_its_first_fit_still_chooses_its_scale(tmp_path):
    small_network().save(tmp_path / "net")
    small_network(input_scale=0.5).save(tmp_path / "given")
    for name, scale in (("net", 1.0), ("given", 0.5)):
        net = fastnn.load(tmp_path / name)
        net.fit(FLAGS, LABELS, epochs=1, progress=False)
        assert net.architecture.input_scale == scale


def test_frames_in_the_network_s_order_are_not_copied():
    net = trained(pd.DataFrame(np.ones((200, 40)), columns=[f"c{i}" for i in range(40)]),
                  np.arange(200) % 3, (40, 4, 3), dtype="float64")  # fmt: skip
    frame = pd.DataFrame(np.ones((20_000, 40)), columns=[f"c{i}" for i in range(40)])
    tracemalloc.start()
    checked_x(net.architecture, net.trained_on, frame)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.5 * 20_000 * 40 * 8
