/* The words that kernels are told with, one list each: the enumerations, the dispatch and the names
   that Python sees are made from it. A word's code is its place in the list.

   To add a word, add it to its list: what it needs besides (apply_NAME and slope_NAME of an
   activation, loss_NAME, update_NAME of a rule) is then missing, and the compiler says where. */

#ifndef FASTNN_VOCABULARY_H
#define FASTNN_VOCABULARY_H

#include <stddef.h>

/* fastnn.architecture.ACTIVATIONS: each has a formula and its derivative, in activation.h. */
#define HIDDEN_ACTIVATIONS(X) \
    X(IDENTITY, identity) \
    X(SIGMOID, sigmoid) \
    X(TANH, tanh) \
    X(RELU, relu) \
    X(LEAKY_RELU, leaky_relu) \
    X(ELU, elu) \
    X(SELU, selu) \
    X(GELU, gelu) \
    X(SILU, silu) \
    X(MISH, mish) \
    X(SOFTPLUS, softplus)

/* Of leaky_relu below zero, as in PyTorch and Keras (Maas et al., 2013). */
#define LEAKY_SLOPE 0.01

/* Of selu: equation 14 of Klambauer et al. (2017). */
#define SELU_ALPHA 1.6732632423543772
#define SELU_SCALE 1.0507009873554805

/* Of outputs too: exp needs no derivative, and softmax takes whole rows. */
#define ELEMENTWISE_ACTIVATIONS(X) HIDDEN_ACTIVATIONS(X) X(EXP, exp)
#define ACTIVATIONS(X) ELEMENTWISE_ACTIVATIONS(X) X(SOFTMAX, softmax)

/* fastnn.architecture.LOSSES; the formulas are in loss.h, but softmax.h has the first one. */
#define ELEMENTWISE_LOSSES(X) \
    X(BINARY_CROSS_ENTROPY, binary_cross_entropy) \
    X(SQUARED_ERROR, squared_error) \
    X(POISSON, poisson) \
    X(HUBER, huber) \
    X(ABSOLUTE_ERROR, absolute_error) \
    X(QUANTILE, quantile)
#define LOSSES(X) X(CROSS_ENTROPY, cross_entropy) ELEMENTWISE_LOSSES(X)

/* fastnn.architecture.LOSS_ACTIVATIONS: outputs that a loss compares with the target; identity for
   the losses of logits. */
#define LOSS_ACTIVATIONS(X) \
    X(IDENTITY, identity) \
    X(SIGMOID, sigmoid) \
    X(TANH, tanh) \
    X(RELU, relu)

/* fastnn.optimizers.Optimizer.RULES, and how many vectors each remembers (n_state); the formulas
   are in optimizer.h. */
#define RULES(X) \
    X(SGD, sgd, 0) \
    X(MOMENTUM, momentum, 1) \
    X(NESTEROV, nesterov, 1) \
    X(RMSPROP, rmsprop, 1) \
    X(ADAM, adam, 2) \
    X(ADAMW, adamw, 2)

/* What the numbers of an input are: NumPy's name, the type in C, the letter of the buffer's format,
   and whether they are multiplied by the network's input_scale. */
#define INPUT_TYPES(X) \
    X(INPUT_FLOAT, float32, float, 'f', 0) \
    X(INPUT_DOUBLE, float64, double, 'd', 0) \
    X(INPUT_BYTE, uint8, unsigned char, 'B', 1)

#define CODE(CODE_, ...) CODE_,
enum activation { ACTIVATIONS(CODE) };
enum loss { LOSSES(CODE) };
enum rule { RULES(CODE) };
enum input_type { INPUT_TYPES(CODE) };
#undef CODE

/* The names, by code; NULL ends a list. */
#define NAME(CODE, NAME_) #NAME_,
static const char *const ACTIVATION_NAMES[] = {ACTIVATIONS(NAME) NULL};
static const char *const LOSS_NAMES[] = {LOSSES(NAME) NULL};
static const char *const LOSS_ACTIVATION_NAMES[] = {LOSS_ACTIVATIONS(NAME) NULL};
#undef NAME
#define NAME(CODE, NAME_, ...) #NAME_,
static const char *const RULE_NAMES[] = {RULES(NAME) NULL};
static const char *const INPUT_TYPE_NAMES[] = {INPUT_TYPES(NAME) NULL};
#undef NAME

/* How many vectors a rule remembers; -1 if there is no such rule. */
static inline int vectors_of_rule(int rule) {
    switch (rule) {
#define CASE(CODE, NAME, N_VECTORS) \
    case CODE: return N_VECTORS;
        RULES(CASE)
#undef CASE
    default: return -1;
    }
}

/* What the letter of a buffer's format stands for; -1 if there is no such input. */
static inline int input_type_of(char letter) {
    switch (letter) {
#define CASE(CODE, NAME, TYPE, LETTER, IS_SCALED) \
    case LETTER: return CODE;
        INPUT_TYPES(CASE)
#undef CASE
    default: return -1;
    }
}

/* The bytes of one of an input's numbers. */
static inline ptrdiff_t input_size(enum input_type type) {
    switch (type) {
#define CASE(CODE, NAME, TYPE, LETTER, IS_SCALED) \
    case CODE: return (ptrdiff_t)sizeof(TYPE);
        INPUT_TYPES(CASE)
#undef CASE
    }
    return 0;
}

#endif
