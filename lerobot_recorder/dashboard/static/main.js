// Connects the parts of the page.

import { Cameras } from "./cameras.js";
import { LiveCurves } from "./curves.js";
import { Episodes } from "./episodes.js";
import { Connection } from "./live.js";
import { byId, setText } from "./page.js";
import { Player } from "./player.js";
import { Preflight } from "./preflight.js";
import { Station } from "./station.js";

const VALUES = "values ";
const LOST = {
  lost: "The connection is lost. What you see is old; the page connects again by itself.",
  denied: "The dashboard was restarted: scan its code, or open its link, again.",
};

const station = new Station(() => episodes.newestWaiting);
const cameras = new Cameras((names) => connection.setCloseups(names));
const episodes = new Episodes((entry) => player.open(entry));
const player = new Player(episodes);
const preflight = new Preflight();
const curves = new Map();
let shelf = "";

function onState(name, value) {
  if (name === "cameras") cameras.setNames(value);
  else if (name === "dataset") document.title = `${value.name} · lerobot_recorder`;
  else if (name.startsWith(VALUES)) curvesOf(name.slice(VALUES.length)).add(value);
  else if (name !== "edited") station.setState(name, value);
  if (name === "recorder" && value) preflight.setState(value.state);
  reload(name, value);
}

/** Read the list of episodes again if it has probably changed. */
function reload(name, value) {
  const seen = { ...JSON.parse(shelf || "{}") };
  if (name === "edited") seen.edited = value;
  if (name === "recorder" && value) seen.saved = [value.saved, value.rejected, value.episode_index, value.last];
  if (name === "encoder" && value) seen.queue = [value.committed, value.waiting, value.retryable, value.state === "encoding"];
  const now = JSON.stringify(seen);
  if (now !== shelf) {
    shelf = now;
    episodes.load();
  }
}

function curvesOf(name) {
  if (!curves.has(name)) {
    const made = new LiveCurves(name);
    byId("curves").append(made.element);
    curves.set(name, made);
  }
  return curves.get(name);
}

function onChange(state) {
  document.body.dataset.connection = state;
  station.setConnection(state);
  byId("lost").hidden = state === "open";
  if (state !== "open") setText(byId("lost"), LOST[state]);
  else {
    episodes.load();
    preflight.load();
  }
}

const connection = new Connection(onState, (camera, picture) => cameras.show(camera, picture), onChange);
connection.run();
setInterval(() => { station.tick(); cameras.check(); }, 250);
setInterval(() => { if (!document.hidden) curves.forEach((each) => each.draw()); }, 100);
