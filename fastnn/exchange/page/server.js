// The page of a server: a choice among its models, and its token if it asks for one.
import { byId, made } from "./elements.js";
import { complain, openNetwork } from "./network.js";
import { aboutModel, modelsOfServer, remoteNetwork, useToken } from "./remote.js";

const PAUSE_OF_START = 2000; // milliseconds until the server is asked again

let models = null, chosen = 0, retry;

async function start() {
  try {
    models ??= await modelsOfServer();
    byId("gate").hidden = true;
    showChoice();
    await open(chosen);
  } catch (error) {
    fail(error);
  }
}

function showChoice() {
  const select = byId("model");
  select.replaceChildren(...models.map(({ words }) => made("option", {}, words)));
  select.selectedIndex = chosen;
  select.onchange = () => open(select.selectedIndex).catch((error) => {
    byId("main").hidden = true; // it shows another model
    fail(error);
  });
  byId("models").hidden = models.length < 2;
}

async function open(index) {
  chosen = index;
  const model = models[index], about = await aboutModel(model);
  if (chosen !== index) return; // another was chosen meanwhile
  byId("title").textContent = document.title = model.words;
  openNetwork(about, remoteNetwork(model, about), fail);
}

function fail(error) {
  complain(error.message);
  if (error.needsToken) {
    byId("gate").hidden = false;
    byId("main").hidden = true;
    byId("token").focus();
  } else if (byId("main").hidden) {
    clearTimeout(retry);
    retry = setTimeout(start, PAUSE_OF_START);
  }
}

byId("gate").addEventListener("submit", (event) => {
  event.preventDefault();
  useToken(byId("token").value.trim());
  byId("token").value = "";
  start();
});
start();
