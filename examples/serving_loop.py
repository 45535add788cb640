"""Answer requests one by one with a frozen network, and measure the latency.

    python examples/serving_loop.py --requests 20000

Requests arrive as bytes through an asyncio queue, as from a socket; predictions run on the
event loop itself, since a call takes less time than passing it to a thread.
"""

import argparse
import asyncio
import time

import numpy as np

import fastnn
from fastnn.datasets import digits


async def serve(requests: asyncio.Queue, predictor: fastnn.Predictor) -> np.ndarray:
    """Answer requests until None arrives; return the time of each in nanoseconds."""
    probabilities = np.empty(10, np.float32)  # written in place, request after request
    took = []
    while (message := await requests.get()) is not None:
        start = time.perf_counter_ns()
        image = np.frombuffer(message, np.uint8)
        predictor(image, out=probabilities)
        int(probabilities.argmax())  # the answer
        took.append(time.perf_counter_ns() - start)
    return np.array(took)


async def run(images: np.ndarray, predictor: fastnn.Predictor, n_requests: int) -> np.ndarray:
    """Send requests and serve them."""
    requests: asyncio.Queue = asyncio.Queue(maxsize=100)

    async def clients() -> None:
        for i in range(n_requests):
            await requests.put(images[i % len(images)].tobytes())
        await requests.put(None)

    _, took = await asyncio.gather(clients(), serve(requests, predictor))
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--requests", type=int, default=10_000)
    options = parser.parse_args()

    data = digits()
    net = fastnn.Network((784, 100, 10), activation="relu", seed=0)
    net.fit(*data.train, epochs=2)
    print(f"accuracy {net.evaluate(*data.test)['accuracy']:.2%}, backend {net.backend}")

    predictor = net.predictor()
    for image in data.test.x[:100]:  # warm up caches, branch predictors and the clock frequency
        predictor(image)
    took = asyncio.run(run(data.test.x, predictor, options.requests)) / 1000
    print(f"{len(took):,} predictions of one image, bytes in and a digit out:")
    for percent in (50, 90, 99, 99.9):
        print(f"  {percent:>5} % within {np.percentile(took, percent):7.2f} µs")
    print(f"  longest {took.max():.0f} µs, including interruptions by the system")


if __name__ == "__main__":
    main()
