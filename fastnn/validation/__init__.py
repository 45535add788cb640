"""Every check of what a user hands in, and the words of every error.

Checked once, here, at the door: inside, code trusts. An error says what came, what was expected and
what to do. A value of the wrong kind is a TypeError, a wrong value of the right kind a ValueError.
"""

from fastnn.validation.data import (
    check_labels,
    check_not_empty,
    check_rows,
    check_sample_weight,
    check_targets,
    check_two_classes,
    check_x,
)
from fastnn.validation.networks import (
    check_architecture,
    check_callback,
    check_checkpoint,
    check_class_labels,
    check_dtype,
    check_initial_weights,
    check_monitored,
    check_optimizer,
    check_parameters,
    check_per_layer,
    check_seed,
    check_sizes,
    check_validation_data,
)
from fastnn.validation.values import (
    check_backend_name,
    check_choice,
    check_count,
    check_flag,
    check_in_range,
    check_learning_rate,
    check_number,
    check_path,
    check_positive,
    check_thread_variable,
)

__all__ = [
    "check_architecture",
    "check_backend_name",
    "check_callback",
    "check_checkpoint",
    "check_choice",
    "check_class_labels",
    "check_count",
    "check_dtype",
    "check_flag",
    "check_in_range",
    "check_initial_weights",
    "check_labels",
    "check_learning_rate",
    "check_monitored",
    "check_not_empty",
    "check_number",
    "check_optimizer",
    "check_parameters",
    "check_path",
    "check_per_layer",
    "check_positive",
    "check_rows",
    "check_sample_weight",
    "check_seed",
    "check_sizes",
    "check_targets",
    "check_thread_variable",
    "check_two_classes",
    "check_validation_data",
    "check_x",
]
