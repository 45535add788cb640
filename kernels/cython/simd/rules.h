/* One update of a rule: what does not depend on the parameters, worked out once for all of them. */

#ifndef FASTNN_RULES_H
#define FASTNN_RULES_H

#include <math.h>
#include <stdint.h>

#include "vocabulary.h"

/* Constants of the optimizer, and what follows from them for this step. */
struct step {
    enum rule rule;
    double learning_rate;
    double first_decay, second_decay; /* momentum or beta_1; rho or beta_2 */
    double epsilon;
    double shrink;     /* AdamW: what parameters are multiplied by, 1 - rate · weight_decay */
    double first_bias; /* Adam: 1 - beta_1^t */
    double size;       /* Adam: rate / (1 - beta_1^t) */
    double correction; /* Adam: 1 / sqrt(1 - beta_2^t) */
};

/* Work out what follows for update t, counted from 1, and for its learning rate. */
static inline void prepare_update(struct step *s, int64_t t) {
    if (s->rule == ADAM || s->rule == ADAMW) {
        s->first_bias = 1.0 - pow(s->first_decay, (double)t);
        s->correction = 1.0 / sqrt(1.0 - pow(s->second_decay, (double)t));
    }
}

static inline void prepare_rate(struct step *s, double weight_decay, double rate) {
    s->learning_rate = rate;
    s->shrink = 1.0;
    if (s->rule == ADAM || s->rule == ADAMW) {
        s->shrink = 1.0 - rate * weight_decay;
        s->size = rate / s->first_bias;
    }
}

static inline void prepare_step(struct step *s, double weight_decay, double rate, int64_t t) {
    prepare_update(s, t);
    prepare_rate(s, weight_decay, rate);
}

#endif
