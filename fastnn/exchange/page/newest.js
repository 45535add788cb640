// Requests while somebody draws: one is under way, and of those that come meanwhile only the last
// is asked next.

/** A function that asks; `show` gets each answer, unless `forget` was called since it was asked. */
export function newestOnly(ask, show, fail) {
  let isAsking = false, next = null, turn = 0;
  async function work() {
    isAsking = true;
    while (next !== null) {
      const [request, of] = next;
      next = null;
      try {
        const answer = await ask(request);
        if (of === turn) show(answer);
      } catch (error) {
        if (of === turn) fail(error);
      }
    }
    isAsking = false;
  }
  return {
    ask(request) {
      next = [request, turn];
      if (!isAsking) work();
    },
    forget() {
      turn += 1;
      next = null;
    },
  };
}
