"""A random search over 1,000 candidates in one call: an ensemble whose networks differ in options.

    python examples/search.py [n_candidates]

Learning rate, penalty, dropout, momentum and batch size are drawn for each candidate. All learn the
same rows together; each stops when its own validation loss no longer falls, and keeps its best
weights. The best one is an ordinary network. (For scikit-learn's searches see
`fastnn.sklearn.MLPSearchCV`.)
"""

import argparse

import numpy as np

import fastnn
from fastnn.datasets import digits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("n_candidates", nargs="?", type=int, default=1000)
    n = parser.parse_args().n_candidates
    data = digits(4000, validation=800, test=2000)
    rng = np.random.default_rng(0)
    rates = 10 ** rng.uniform(-4, -1, n)
    optimizers = [
        fastnn.Adam(rate) if rng.random() < 0.5 else fastnn.SGD(10 * rate, momentum=0.9)
        for rate in rates.tolist()
    ]
    penalties = 10 ** rng.uniform(-6, -2, n)
    dropout = rng.choice([0.0, 0.2, 0.4], n)
    batch_sizes = rng.choice([20, 50, 100], n)

    ensemble = fastnn.Ensemble((784, 16, 10), n, activation="relu", seed=0)
    history = ensemble.fit(
        *data.train,
        epochs=8,
        optimizer=optimizers,
        l2=penalties,
        dropout=dropout[:, None],
        batch_size=batch_sizes,
        validation_data=data.validation,
        callbacks=fastnn.EarlyStopping(patience=2),
    )
    print(f"{n} candidates in {history.seconds:.1f} s, {history.n_epochs.mean():.1f} epochs each")

    losses = np.nanmin(history["val_loss"], axis=1)
    print("validation loss  optimizer                     l2       dropout  batch  test accuracy")
    for i in np.argsort(losses)[:5].tolist():
        optimizer = f"{type(optimizers[i]).__name__}({optimizers[i].learning_rate:.2g})"
        accuracy = ensemble[i].evaluate(*data.test)["accuracy"]
        print(
            f"{losses[i]:15.4f}  {optimizer:28}  {penalties[i]:.1e}  {dropout[i]:7.1f}  "
            f"{batch_sizes[i]:5}  {accuracy:13.4f}"
        )
    best = ensemble[np.argsort(losses)[:10]]
    print(f"the ten best together: {best.evaluate(*data.test)['accuracy']:.4f}")


if __name__ == "__main__":
    main()
