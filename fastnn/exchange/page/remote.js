// A network on the server that this page came from, by the Open Inference Protocol V2.
const HOME = new URL(location.pathname.replace(/\/*$/, "/"), location.origin);
let token = null; // kept nowhere else

/** What went wrong, in words for the page; `needsToken` if the server asks for one. */
export class ServerError extends Error {
  constructor(words, needsToken = false) {
    super(words);
    this.needsToken = needsToken;
  }
}

export function useToken(text) {
  token = text;
}

async function answerTo(path, body) {
  const headers = token === null ? {} : { Authorization: `Bearer ${token}` };
  const options = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
  let response;
  try {
    response = await fetch(new URL(path, HOME), { headers, cache: "no-store", ...options });
  } catch {
    throw new ServerError("The server does not answer. It is asked again at the next change.");
  }
  const found = await response.json().catch(() => null);
  if (response.status === 401) {
    throw new ServerError(token === null ? "" : "The server refuses this token.", true);
  }
  if (!response.ok || found === null) {
    const why = found?.error ?? `it answered with status ${response.status}`;
    throw new ServerError(`The server cannot answer: ${why}`);
  }
  return found;
}

/** The models of the server, each version by its path. */
export async function modelsOfServer() {
  const { models } = await answerTo("v2/models");
  return models.flatMap(({ name, versions }) =>
    [...versions].reverse().map((version) => ({
      words: versions.length > 1 ? `${name}, version ${version}` : name,
      path: `v2/models/${encodeURIComponent(name)}/versions/${version}`,
    })),
  );
}

/** What a model is. */
export const aboutModel = ({ path }) => answerTo(`${path}/about`);

/** A function that asks a model. */
export function remoteNetwork({ path }, about) {
  const output = about.outputs.kind === "numbers" ? "prediction" : "probabilities";
  return async (request) => {
    const body = { inputs: tensorsOf(request, about.inputs), outputs: [{ name: output }] };
    const { outputs, parameters } = await answerTo(`${path}/infer`, body);
    const numbers = outputs.find(({ name }) => name === output).data;
    if (numbers.length !== about.outputs.n) {
      throw new ServerError("The model was replaced by another: load this page again.");
    }
    return { numbers, warning: parameters?.warning ?? null };
  };
}

const DATATYPES = { number: "FP64", flag: "BOOL", text: "BYTES", time: "BYTES" };

function tensorsOf({ bytes, numbers, record }, inputs) {
  if (record === undefined) {
    const data = Array.from(bytes ?? numbers);
    return [{ name: "x", shape: [1, data.length], datatype: bytes ? "UINT8" : "FP64", data }];
  }
  return inputs.columns.map(({ name, kind }) => ({
    name, shape: [1, 1], datatype: DATATYPES[kind], data: [record[name]],
  }));
}
