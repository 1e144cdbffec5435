// The page: one side a platform, kept up to date by the server's change events. Acts through the
// same control API that the tests use.

import { call } from "./api.js";
import { setText } from "./dom.js";
import { FaultPanel } from "./faults.js";
import { Side } from "./side.js";

const RETRY_MS = 2_000;

function showLive(live, words) {
  const node = document.getElementById("live");
  node.dataset.live = live;
  setText(node.querySelector(".words"), words);
}

function follow(sides, faults) {
  const source = new EventSource("/control/changes");
  source.addEventListener("open", () => {
    showLive("on", "live");
    // What happened before the stream was open made no event.
    for (const side of sides.values()) side.refresh();
    faults.refresh();
  });
  source.addEventListener("change", (event) => {
    sides.get(JSON.parse(event.data).platform)?.refresh();
    faults.refresh();
  });
  source.addEventListener("error", () => {
    showLive("off", "reconnecting…");
    // The browser repeats by itself unless it was refused.
    if (source.readyState === EventSource.CLOSED) setTimeout(() => follow(sides, faults), RETRY_MS);
  });
}

async function start() {
  let state;
  let faults;
  try {
    state = await call("state");
    faults = new FaultPanel(await Promise.all(state.platforms.map(async ({ name }) =>
      ({ name, kinds: await call(`${name}/faults/kinds`) }))));
  } catch (error) {
    showLive("off", error.message);
    setTimeout(start, RETRY_MS);
    return;
  }
  const sides = new Map(state.platforms.map(({ name }) => [name, new Side(name, state)]));
  document.getElementById("sides").replaceChildren(...[...sides.values()].map((side) => side.root));
  follow(sides, faults);
}

start();
