"""Sparse matrices that lie are refused wherever they come in, and nobody's matrix is changed."""

import contextlib
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from support.backend_calls import wrong_csr
from support.strategies import parts

import fastnn
from fastnn.validation.sparse import check_entries, own_csr, sound_csr

REFUSED = (TypeError, ValueError)


def matrix(rng, n=9, k=6, dtype=np.float32):
    return sparse.random_array((n, k), density=0.4, format="csr", rng=rng, dtype=dtype)


def is_sound(x, rows):
    """The definition, row by row, in Python's integers."""
    indptr, indices = [int(i) for i in x.indptr], [int(i) for i in x.indices]
    n, k = x.shape
    if len(indptr) != n + 1 or len(indices) != len(x.data) or indptr[0] != 0:
        return False
    return all(
        0 <= indptr[r] <= indptr[r + 1] <= len(indices)
        and all(0 <= i < k for i in indices[indptr[r] : indptr[r + 1]])
        for r in rows
    )


@given(data=st.data())
def test_a_matrix_is_taken_just_if_it_is_sound(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    x = matrix(rng)
    kind = data.draw(st.sampled_from([np.int32, np.int64]))
    limits = np.iinfo(kind)
    x.indices, x.indptr = x.indices.astype(kind), x.indptr.astype(kind)
    numbers = st.one_of(st.integers(-3, 30), st.sampled_from([limits.min, limits.max, 2**31 - 1]))
    for _ in range(data.draw(st.integers(0, 2))):
        part = x.indptr if data.draw(st.booleans()) else x.indices
        if len(part):
            part[data.draw(st.integers(0, len(part) - 1))] = data.draw(numbers)
    rows = np.array(data.draw(st.lists(st.integers(0, 8), max_size=2)), np.int64)
    for check, over in ((lambda: sound_csr(x), range(9)),
                        (lambda: check_entries(own_csr(x), rows), rows)):  # fmt: skip
        if is_sound(x, over):
            check()
        else:
            with pytest.raises(ValueError, match="not a valid CSR matrix"):
                check()


@pytest.mark.parametrize("kind", ["mixed", "int16", "strided", "big-endian", "read-only"])
def test_the_callers_matrix_is_not_changed(kind):
    x = matrix(np.random.default_rng(0))
    expected = x.toarray()
    if kind == "mixed":
        x.indptr = x.indptr.astype(np.int64)
    elif kind == "int16":
        x.indices = x.indices.astype(np.int16)
    elif kind == "strided":
        x.data = np.repeat(x.data, 2)[::2]
    elif kind == "big-endian":
        x.data = x.data.astype(">f4")
    else:
        for part in parts(x):
            part.flags.writeable = False
    before, content = parts(x), [part.copy() for part in parts(x)]
    own = sound_csr(x)
    for part, other, values in zip(parts(x), before, content, strict=True):
        assert part is other
        np.testing.assert_array_equal(part, values)
    for part in parts(own):
        assert part.flags.c_contiguous
        assert part.flags.aligned
        assert part.dtype.isnative
    np.testing.assert_array_equal(own.toarray(), expected)


# -- other formats, which SciPy converts without a look -------------------------------------------


def lying(kind):
    x = matrix(np.random.default_rng(0)).astype(np.float32)
    if kind == "coo row":
        x = x.tocoo()
        x.coords = (np.where(np.arange(x.nnz) == 3, 10**8, x.row).astype(np.int32), x.col)
    elif kind == "coo column":
        x = x.tocoo()
        x.coords = (x.row, np.where(np.arange(x.nnz) == 3, -5, x.col).astype(np.int32))
    elif kind == "coo lengths":
        x = x.tocoo()
        x.coords = (x.row[:-1], x.col)
    elif kind.startswith("csc"):
        x = x.tocsc()
    elif kind.startswith("bsr"):
        x = x.tobsr((3, 2))
    if kind.endswith("index"):
        x.indices[1] = 10**8
    elif kind.endswith("indptr"):
        x.indptr[1] = 10**8
    elif kind.endswith("data"):
        x.data = x.data[:-1]
    return x


@pytest.mark.parametrize(
    "kind",
    ["coo row", "coo column", "coo lengths"]
    + [f"{of} {what}" for of in ("csr", "csc", "bsr") for what in ("index", "indptr", "data")],
)
def test_a_matrix_of_another_format_that_lies_is_refused_before_it_is_converted(kind):
    with pytest.raises(ValueError, match="not a valid"):
        sound_csr(lying(kind))


@pytest.mark.parametrize("kind", ["csr", "csc", "coo", "bsr", "lil", "dok", "dia"])
def test_a_sound_matrix_of_any_format_is_converted(kind):
    x = matrix(np.random.default_rng(0)).asformat(kind)
    np.testing.assert_array_equal(sound_csr(x).toarray(), x.toarray())


# -- every way in ---------------------------------------------------------------------------------

LIES = sorted(wrong_csr(matrix(np.random.default_rng(0))))
TAKEN = {"CSC", "COO", "data of integers"}
"""What `Network` and the estimators convert."""


def cases():
    return [lie for lie in LIES if lie not in TAKEN]


@pytest.mark.parametrize("use", ["fit", "partial_fit", "evaluate", "predict", "predict_proba",
                                 "validation_data", "predictor"])  # fmt: skip
def test_a_network_refuses_what_lies(backend, use):
    rng = np.random.default_rng(0)
    good, y = matrix(rng), np.arange(9) % 3
    net = fastnn.Network((6, 5, 3), seed=0, backend=backend.name)
    fast = net.predictor()
    calls = {
        "fit": lambda x: net.fit(x, y, epochs=1, progress=False),
        "partial_fit": lambda x: net.partial_fit(x, y),
        "evaluate": lambda x: net.evaluate(x, y, progress=False),
        "predict": lambda x: net.predict(x, progress=False),
        "predict_proba": lambda x: net.predict_proba(x, progress=False),
        "validation_data": lambda x: net.fit(
            good, y, epochs=1, validation_data=(x, y), progress=False
        ),
        "predictor": fast,
    }
    before = net.parameters.tobytes()
    for lie in cases():
        x = wrong_csr(good)[lie]()
        if lie == "a row more" and use in ("predict", "predict_proba", "predictor"):
            continue  # it is a matrix of that many rows
        with pytest.raises(REFUSED) as error:
            calls[use](x)
        assert str(error.value), lie
        assert net.parameters.tobytes() == before, lie


@pytest.mark.filterwarnings("ignore::UserWarning")  # it has not converged
@pytest.mark.parametrize("use", ["fit", "partial_fit", "predict", "predict_proba", "score",
                                 "eval_set", "lbfgs", "decision_function"])  # fmt: skip
def test_a_classifier_refuses_what_lies(backend, use):
    pytest.importorskip("sklearn.base")
    from fastnn.sklearn import MLPClassifier, SoftmaxRegression

    good, y = matrix(np.random.default_rng(0)), np.arange(9) % 3
    options = {"max_iter": 1, "backend": backend.name, "random_state": 0}

    def new():
        return MLPClassifier((5,), solver="sgd", **options)

    trained = new().fit(good, y)
    linear = SoftmaxRegression(backend=backend.name).fit(good, y)
    calls = {
        "fit": lambda x: new().fit(x, y),
        "partial_fit": lambda x: new().partial_fit(x, y, classes=[0, 1, 2]),
        "predict": trained.predict,
        "predict_proba": trained.predict_proba,
        "score": lambda x: trained.score(x, y),
        "eval_set": lambda x: new().fit(good, y, eval_set=(x, y)),
        "lbfgs": lambda x: SoftmaxRegression(backend=backend.name).fit(x, y),
        "decision_function": linear.decision_function,
    }
    for lie in cases():
        if lie == "a row more" and use in ("predict", "predict_proba", "decision_function"):
            continue
        if lie == "a column more" and use in ("fit", "partial_fit", "lbfgs"):
            continue  # of an estimator that has not seen any
        if lie == "complex data":
            continue  # scikit-learn's to refuse
        with pytest.raises(REFUSED) as error:
            calls[use](wrong_csr(good)[lie]())
        assert str(error.value), lie


@pytest.mark.filterwarnings("ignore::UserWarning")  # it has not converged
@pytest.mark.parametrize("use", ["fit", "partial_fit", "predict", "score", "eval_set"])
def test_a_regressor_refuses_what_lies(backend, use):
    pytest.importorskip("sklearn.base")
    from fastnn.sklearn import MLPRegressor

    good, y = matrix(np.random.default_rng(0)), np.linspace(0, 1, 9)

    def new():
        return MLPRegressor(
            hidden_layer_sizes=(5,), max_iter=1, backend=backend.name, random_state=0
        )

    trained = new().fit(good, y)
    calls = {
        "fit": lambda x: new().fit(x, y),
        "partial_fit": lambda x: new().partial_fit(x, y),
        "predict": trained.predict,
        "score": lambda x: trained.score(x, y),
        "eval_set": lambda x: new().fit(good, y, eval_set=(x, y)),
    }
    for lie in ("column -1, int32", "column 100000000, int64", "indptr 1000000, int32",
                "indptr -2147483648, int32", "end int32", "data of another length"):  # fmt: skip
        with pytest.raises(ValueError, match="not a valid CSR matrix"):
            calls[use](wrong_csr(good)[lie]())


# -- several threads ------------------------------------------------------------------------------


def test_threads_may_predict_with_one_matrix(backend):
    base = matrix(np.random.default_rng(0), 300, 200)
    fast = fastnn.Network((200, 4), seed=0, backend=backend.name).predictor()
    expected, wrong = fast(base), []
    for _ in range(10):
        x = base.copy()
        x.indptr = x.indptr.astype(np.int64)  # as hstack of large parts may leave them

        def work(x=x):
            wrong.append(not np.array_equal(fast(x), expected))

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not any(wrong)
    assert len(wrong) == 80


def test_arrays_that_another_thread_puts_in_place_do_not_matter(backend):
    x = matrix(np.random.default_rng(0), 400, 200)
    fast = fastnn.Network((200, 16, 4), seed=0, backend=backend.name).predictor()
    expected, done = fast(x), threading.Event()

    def swap():
        while not done.is_set():
            for name in ("indices", "data", "indptr"):
                setattr(x, name, getattr(x, name).copy())

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        assert all(np.array_equal(fast(x), expected) for _ in range(200))
    finally:
        done.set()
        thread.join()


def test_a_buffer_cannot_be_resized_while_it_is_read(backend):
    n = 300_000
    fast = fastnn.Network((n, 4), seed=0, backend=backend.name).predictor()
    row, done = bytearray(n), threading.Event()

    def resize():
        while not done.is_set():
            with contextlib.suppress(BufferError):
                del row[:]
                row.extend(bytes(n))

    thread = threading.Thread(target=resize)
    thread.start()
    try:
        for _ in range(50):
            with contextlib.suppress(ValueError):  # it is empty just now
                assert np.isfinite(fast(row)).all()
    finally:
        done.set()
        thread.join()
