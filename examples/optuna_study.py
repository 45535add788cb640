"""An Optuna study that prunes bad trials, on scikit-learn's digits.

    python examples/optuna_study.py [--trials 1000]

Each trial is a fit of at most 20 epochs. After each epoch Optuna compares the trial's validation
loss with the median of the earlier trials, and prunes the trial if it is worse. The best network is
then evaluated on rows that the study has not seen. Requires `pip install "fastnn[sklearn,optuna]"`.
"""

import argparse
import time

import numpy as np
import optuna
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import fastnn
from fastnn.callbacks import OptunaPruning

EPOCHS = 20


class Study:
    """The objective: data, and the processor time spent in fits, in seconds.

    Parameters
    ----------
    data : sequence of ndarray
        x and y for training, then x and y for validation.
    """

    def __init__(self, *data: np.ndarray) -> None:
        self.x, self.y, self.x_val, self.y_val = data
        self.in_fits = 0.0

    def fit(self, trial: optuna.trial.BaseTrial) -> tuple[fastnn.Network, fastnn.History]:
        """Return the network with a trial's hyper-parameters, trained."""
        net = fastnn.Network(
            (64, trial.suggest_int("width", 16, 128, log=True), 10), activation="relu", seed=0
        )
        optimizer = fastnn.Adam(trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True))
        batch_size = trial.suggest_categorical("batch_size", [16, 32, 64, 128])
        dropout = trial.suggest_float("dropout", 0.0, 0.5)
        start = time.process_time()
        try:
            history = net.fit(
                self.x, self.y, epochs=EPOCHS, batch_size=batch_size, optimizer=optimizer,
                dropout=dropout, validation_data=(self.x_val, self.y_val), progress=False,
                callbacks=OptunaPruning(trial, "val_loss"),
            )  # fmt: skip
        finally:
            self.in_fits += time.process_time() - start
        return net, history

    def __call__(self, trial: optuna.trial.Trial) -> float:
        """Return the validation loss of a trial."""
        return self.fit(trial)[1]["val_loss"][-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--trials", type=int, default=100, help="how many (default: 100)")
    options = parser.parse_args()

    x, y = load_digits(return_X_y=True)
    x, x_test, y, y_test = train_test_split(x / 16, y, test_size=0.2, random_state=0)
    x, x_val, y, y_val = train_test_split(x, y, test_size=0.25, random_state=0)
    objective = Study(x, y, x_val, y_val)

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0))
    start, start_cpu = time.perf_counter(), time.process_time()
    study.optimize(objective, n_trials=options.trials)
    seconds, cpu = time.perf_counter() - start, time.process_time() - start_cpu

    trials = study.get_trials(deepcopy=False)
    n_pruned = sum(trial.state == optuna.trial.TrialState.PRUNED for trial in trials)
    n_epochs = sum(len(trial.intermediate_values) for trial in trials)
    print(f"{len(trials)} trials, {n_pruned} pruned, {n_epochs} epochs")
    in_fits = objective.in_fits
    print(f"{seconds:.1f} s; processor time {cpu:.1f} s, of which {in_fits:.1f} s in fits")
    chosen = ", ".join(f"{k} {v:.3g}" for k, v in study.best_params.items())
    print(f"best validation loss {study.best_value:.4f}: {chosen}")
    net, _ = objective.fit(optuna.trial.FixedTrial(study.best_params))
    print(f"accuracy on the test rows {net.evaluate(x_test, y_test)['accuracy']:.2%}")


if __name__ == "__main__":
    main()
