// The page: one side a platform, kept up to date by the server's change events. Acts through the
// same control API that the tests use.

import { call } from "./api.js";
import { Side, setText } from "./side.js";

const RETRY_MS = 2_000;

function showLive(live, words) {
  const node = document.getElementById("live");
  node.dataset.live = live;
  setText(node.querySelector(".words"), words);
}

function follow(sides) {
  const source = new EventSource("/control/changes");
  source.addEventListener("open", () => {
    showLive("on", "live");
    // What happened before the stream was open made no event.
    for (const side of sides.values()) side.refresh();
  });
  source.addEventListener("change", (event) => {
    sides.get(JSON.parse(event.data).platform)?.refresh();
  });
  source.addEventListener("error", () => {
    showLive("off", "reconnecting…");
    // The browser repeats by itself unless it was refused.
    if (source.readyState === EventSource.CLOSED) setTimeout(() => follow(sides), RETRY_MS);
  });
}

async function start() {
  let state;
  try {
    state = await call("state");
  } catch (error) {
    showLive("off", error.message);
    setTimeout(start, RETRY_MS);
    return;
  }
  const sides = new Map(state.platforms.map(({ name }) => [name, new Side(name, state)]));
  document.getElementById("sides").replaceChildren(...[...sides.values()].map((side) => side.root));
  follow(sides);
}

start();
