"""The functions of a network in C99, as text; ``NAME`` stands for the network's name.

They are ``static inline``, so that unused ones cause no warnings and no
dead code, and work in place on arrays of float. Only those that a network needs are written.
"""

from fastnn.architecture import SELU_ALPHA, SELU_SCALE

ADD_ROW = """\
/* What one input adds to all units of a layer: out[j] += x_i * row[j]. Inputs that are zero are
 * passed over: the background of an image and the outputs of a relu layer are full of them. */
static inline void NAME_add_row(float x_i, const WEIGHT *row, size_t n_out, float *out)
{
    if (x_i != 0.0f) {
        for (size_t j = 0; j < n_out; j++) {
            out[j] += x_i * ELEMENT;
        }
    }
}
"""

DENSE = """\
/* TITLE */
static inline void NAME_FUNCTION(
    const KIND *x, size_t n_in,
    const WEIGHT *weight,PARAMETERS
    size_t n_out, float *out)
{
    for (size_t j = 0; j < n_out; j++) {
        out[j] = START;
    }
    for (size_t i = 0; i < n_in; i++) {
        NAME_add_row(INPUT, weight + i * n_out, n_out, out);
    }
FINISH}
"""

_FLOATS = {
    "TITLE": "One layer: out[j] = SUM.",
    "FUNCTION": "dense",
    "KIND": "float",
    "INPUT": "x[i]",
}
_FIRST = _FLOATS | {
    "TITLE": "The first layer, where x[i] becomes FORM:\n * out[j] = SUM.",
    "FUNCTION": "dense_first",
}
_BYTES = {
    "TITLE": "The same for inputs in bytes, which are multiplied by the network's input scale.",
    "KIND": "uint8_t",
    "INPUT": "NAME_input_scale * (float)x[i]",
}

RESCALE = """\
    for (size_t j = 0; j < n_out; j++) {
        out[j] = RESULT;
    }
"""

_ELEMENTWISE = """\
/* TITLE */
static inline void NAME_FUNCTION(float *z, size_t n)
{
    for (size_t i = 0; i < n; i++) {
BODY
    }
}
"""

_BODIES = {
    "sigmoid": (
        "sigmoid: 1 / (1 + exp(-z)), written so that exp never overflows.",
        """\
        const float e = expf(-fabsf(z[i]));
        z[i] = (z[i] < 0.0f ? e : 1.0f) / (1.0f + e);""",
    ),
    "tanh": ("tanh: from -1 to 1.", "        z[i] = tanhf(z[i]);"),
    "relu": (
        "relu: z, or 0 where z is negative.",
        """\
        if (z[i] < 0.0f) {
            z[i] = 0.0f;
        }""",
    ),
    "leaky_relu": (
        "leaky relu: z, or z / 100 where z is negative.",
        """\
        if (z[i] < 0.0f) {
            z[i] *= 0.01f;
        }""",
    ),
    "elu": (
        "elu: z, or exp(z) - 1 where z is negative.",
        """\
        if (z[i] < 0.0f) {
            z[i] = expm1f(z[i]);
        }""",
    ),
    "selu": (
        "selu: 1.0507 * z, or 1.7581 * (exp(z) - 1) where z is negative.",
        f"""\
        z[i] = z[i] < 0.0f ? {SELU_SCALE * SELU_ALPHA:.9g}f * expm1f(z[i])
                           : {SELU_SCALE:.9g}f * z[i];""",
    ),
    "gelu": (
        "gelu: z times the normal distribution's probability of a value below z.",
        "        z[i] *= 0.5f * erfcf(z[i] * -0.70710677f); /* 1 / sqrt(2) */",
    ),
    "silu": (
        "silu: z * sigmoid(z), written so that exp never overflows.",
        """\
        const float e = expf(-fabsf(z[i]));
        z[i] *= (z[i] < 0.0f ? e : 1.0f) / (1.0f + e);""",
    ),
    "mish": (
        "mish: z * tanh(log(1 + exp(z))) = z * p / (p + 2), p = exp(z) * (exp(z) + 2); reduced by\n"
        " * exp(2 * z) where z is positive, so that exp never overflows.",
        """\
        const float e = expf(-fabsf(z[i]));
        const float p = 2.0f * e + (z[i] < 0.0f ? e * e : 1.0f);
        const float q = p + 2.0f * (z[i] < 0.0f ? 1.0f : e * e);
        z[i] = fmaxf(z[i], -200.0f) * (p / q); /* p is 0 from there on, to -infinity */""",
    ),
    "softplus": (
        "softplus: log(1 + exp(z)), written so that exp never overflows.",
        "        z[i] = (z[i] > 0.0f ? z[i] : 0.0f) + log1pf(expf(-fabsf(z[i])));",
    ),
    "exp": ("exp: always positive, for counts.", "        z[i] = expf(z[i]);"),
}

_SOFTMAX = """\
/* softmax: exp(z[i]) / sum of exp(z[k]); the largest is subtracted so that exp never overflows. */
static inline void NAME_softmax(float *z, size_t n)
{
    float largest = z[0];
    float sum = 0.0f;
    for (size_t i = 1; i < n; i++) {
        if (z[i] > largest) {
            largest = z[i];
        }
    }
    for (size_t i = 0; i < n; i++) {
        z[i] = expf(z[i] - largest);
        sum += z[i];
    }
    for (size_t i = 0; i < n; i++) {
        z[i] /= sum;
    }
}
"""

ACTIVATIONS = {
    name: _ELEMENTWISE.replace("FUNCTION", name).replace("TITLE", title).replace("BODY", body)
    for name, (title, body) in _BODIES.items()
} | {"softmax": _SOFTMAX}
"""The activations and outputs except identity."""

MOST_LIKELY = """\
/* The index of the largest of the outputs, the first of those if there are several. */
static inline int NAME_decide(const float *out)
{
    int best = 0;
    for (int j = 1; j < NAME_N_OUT; j++) {
        if (out[j] > out[best]) {
            best = j;
        }
    }
    return best;
}
"""

YES_OR_NO = """\
/* Class 1 if its probability is above one half, else class 0. */
static inline int NAME_decide(const float *out)
{
    return out[0] > 0.5f;
}
"""

CLASSIFY = """\
/* The class of one row x of NAME_N_IN numbers: an index from 0 to NAME_N_CLASSES - 1. */
static inline int NAME_classify(const float *x)
{
    float out[NAME_N_OUT];
    NAME_predict(x, out);
    return NAME_decide(out);
}

/* The class of one row x of NAME_N_IN bytes. */
static inline int NAME_classify_bytes(const uint8_t *x)
{
    float out[NAME_N_OUT];
    NAME_predict_bytes(x, out);
    return NAME_decide(out);
}
"""


def dense(
    weights: str, bias: bool, form: str = "INPUT", deep: bool = True, in_bytes: bool = True
) -> str:
    """Return the functions of the layers.

    Parameters
    ----------
    weights : {"float32", "int8"}
        With int8, products of inputs and integers are summed first, and scaled at the end.
    bias : bool
    form : str, default "INPUT"
        Expression for an input of the first layer, with INPUT for the raw value.
    deep : bool, default True
        Whether there are layers after the first.
    in_bytes : bool, default True
        Whether inputs may be bytes.
    """
    product = "bias[j] + " if bias else ""
    if weights == "int8":
        words = {
            "SUM": f"{product}scale[j] * sum over i of x[i] * weight[i][j]",
            "PARAMETERS": " const float *scale," + " const float *bias," * bias,
            "START": "0.0f",
            "FINISH": RESCALE.replace("RESULT", f"{product}scale[j] * out[j]"),
            "WEIGHT": "int8_t",
            "ELEMENT": "(float)row[j]",
        }
    else:
        words = {
            "SUM": f"{product}sum over i of x[i] * weight[i][j]",
            "PARAMETERS": " const float *bias," * bias,
            "START": "bias[j]" if bias else "0.0f",
            "FINISH": "",
            "WEIGHT": "float",
            "ELEMENT": "row[j]",
        }
    functions = [_FLOATS] + [_BYTES | {"FUNCTION": "dense_bytes"}] * in_bytes
    if form != "INPUT":
        functions = [_FLOATS] * deep + [_FIRST, _BYTES | {"FUNCTION": "dense_first_bytes"}]
        words["FORM"] = form.replace("INPUT", "x[i]").replace("NAME_", "")
    texts = [ADD_ROW]
    for function in functions:
        taken = form if function["FUNCTION"] != "dense" else "INPUT"
        texts.append(_filled(DENSE.replace("INPUT", taken), function))
    return _filled("\n".join(texts), words)


def _filled(text: str, words: dict[str, str]) -> str:
    for word, meaning in words.items():
        text = text.replace(word, meaning)
    return text
