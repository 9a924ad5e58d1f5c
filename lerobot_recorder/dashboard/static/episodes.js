// The list of episodes: those of the dataset, and those that are not encoded yet.

import { byId, get, make, post, setText, show } from "./page.js";

const SHOWN = 60;
export const STATES = { ready: "waiting", claimed: "encoding", committing: "encoding", rejected: "set aside", failed: "failed" };

export class Episodes {
  constructor(onOpen) {
    this.onOpen = onOpen;
    this.shown = SHOWN;
    this.list = { count: 0, episodes: [], spool: [], edits: [] };
    byId("more").addEventListener("click", () => { this.shown += SHOWN; this.load(); });
    byId("undo-edit").addEventListener("click", async () => {
      await post("/edits", { edit: "undo" });
      await this.load();
    });
  }

  /** Read the list again; calls meanwhile lead to one more reading. */
  async load() {
    if (this.loading) { this.again = true; return; }
    this.loading = true;
    try {
      this.list = await get(`/episodes?last=${this.shown}`);
      this.draw();
    } catch (error) {
      show({ success: false, message: error.message });
    } finally {
      this.loading = false;
      if (this.again) { this.again = false; this.load(); }
    }
  }

  /** Return the episodes that are listed, the newest first. */
  get all() {
    return [...this.list.episodes, ...this.list.spool].reverse();
  }

  /** Find an episode that has moved from the spool into the dataset, or has another number now. */
  find(episode) {
    return this.all.find((each) => episode.id ? each.id === episode.id : each.ref === episode.ref);
  }

  /** Return the newest episode that waits for the encoder. */
  get newestWaiting() {
    return this.list.spool.filter((each) => ["ready", "claimed"].includes(each.state)).at(-1);
  }

  draw() {
    const all = this.all, undo = byId("undo-edit");
    setText(byId("count"), `(${this.list.count} in the dataset, ${this.list.spool.length} in the spool)`);
    byId("episodes").replaceChildren(...all.map((each) => this.entry(each)));
    byId("more").hidden = this.list.count <= this.shown;
    const last = this.list.edits.at(-1);
    undo.hidden = !last;
    if (last) setText(undo, `Undo: ${last}`);
  }

  entry(episode) {
    const picture = make("img", { loading: "lazy", alt: "" });
    picture.src = `/episodes/${episode.ref}/thumbnail?state=${this.list.state}.${episode.id || ""}`;
    const title = episode.number === undefined ? STATES[episode.state] ?? episode.state : `Episode ${episode.number}`;
    const button = make("button", {}, picture, make("span", {},
      make("strong", { textContent: title }), " ",
      make("span", { textContent: episode.seconds === undefined ? "" : `${episode.seconds.toFixed(1)} s` }),
      make("br"), ...tags(episode),
      make("small", { textContent: [episode.task, ...(episode.reasons ?? []), episode.error].filter(Boolean).join(" · ") })));
    button.addEventListener("click", () => this.onOpen(episode));
    const entry = make("li", {}, button);
    Object.assign(entry.dataset, { ref: episode.ref, id: episode.id ?? "", state: episode.state });
    return entry;
  }
}

function tags(episode) {
  const found = [];
  if (episode.number === undefined) found.push(["wait", "not encoded"]);
  if (episode.verdict === "good") found.push(["good", "good"]);
  if (episode.verdict === "bad") found.push(["bad", episode.accepted ? "bad, accepted" : "bad"]);
  if (episode.success === true) found.push(["good", "success"]);
  if (episode.success === false) found.push(["bad", "failure"]);
  return found.map(([kind, textContent]) => make("span", { className: `tag ${kind}`, textContent }));
}
