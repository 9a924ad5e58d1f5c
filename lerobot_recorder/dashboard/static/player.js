// Plays an episode: pictures of all cameras beside the curves, and edits it.
//
// A video's frame k is shown from k / fps on. Browsers round the time of a seek: in the middle of the frame, at
// (k + 0.5) / fps, they show this frame, at k / fps some show the one before.

import { Plot } from "./curves.js";
import { STATES } from "./episodes.js";
import { byId, confirmed, get, make, post, setText } from "./page.js";

const DRIFT_S = 0.1;

/** A camera of an episode that is encoded, where the browser can decode it. */
class VideoView {
  constructor(episode, camera) {
    this.fps = episode.fps;
    this.first = camera.first;
    this.element = make("video", { muted: true, playsInline: true, preload: "auto" });
    this.element.src = `/episodes/${episode.ref}/video/${encodeURIComponent(camera.key)}?state=${episode.state}`;
    this.seeking = false;
    this.wanted = null;
    this.element.addEventListener("seeked", () => {
      this.seeking = false;
      if (this.wanted !== null) this.seek(this.wanted);
      else this.element.dataset.row = String(this.row);
    });
  }

  get row() {
    return Math.floor(this.element.currentTime * this.fps + 1e-6) - this.first;
  }

  /** Show a row; while the browser seeks, only the last one that is wanted counts. */
  seek(row) {
    delete this.element.dataset.row;
    if (this.seeking) { this.wanted = row; return; }
    this.wanted = null;
    this.seeking = true;
    this.element.currentTime = (this.first + row + 0.5) / this.fps;
  }

  play() { delete this.element.dataset.row; this.element.play(); }
  pause() { this.element.pause(); }

  follow(row) {
    if (Math.abs(this.row - row) > DRIFT_S * this.fps) this.seek(row);
  }
}

/** A camera of an episode that is not encoded, or whose video the browser cannot decode: picture by picture. */
class PictureView {
  constructor(episode, camera) {
    this.element = make("img", { alt: camera.name });
    this.path = `/episodes/${episode.ref}/picture/${encodeURIComponent(camera.key)}`;
    this.state = episode.state;
    this.loading = false;
    this.wanted = null;
  }

  async seek(row) {
    this.wanted = row;
    if (this.loading) return;
    this.loading = true;
    while (this.wanted !== null) {
      const wanted = this.wanted;
      this.wanted = null;
      delete this.element.dataset.row;
      this.element.src = `${this.path}/${wanted}?width=640&state=${this.state}`;
      try { await this.element.decode(); this.element.dataset.row = String(wanted); } catch { /* the next one may work */ }
    }
    this.loading = false;
  }

  play() {}
  pause() {}
  follow(row) { this.seek(row); }
}

export class Player {
  constructor(episodes) {
    this.episodes = episodes;
    this.dialog = byId("player");
    this.dialog.addEventListener("close", () => this.stop());
    document.addEventListener("keydown", (event) => this.key(event));
  }

  async open(entry) {
    this.stop();
    let details;
    try {
      details = await get(`/episodes/${entry.ref}`);
    } catch {
      await this.episodes.load(); // it may be in the dataset by now
      const moved = this.episodes.find(entry);
      if (!moved || moved.ref === entry.ref) return;
      entry = moved;
      details = await get(`/episodes/${entry.ref}`);
    }
    this.entry = entry;
    this.details = details;
    this.row = 0;
    this.build();
    if (!this.dialog.open) this.dialog.showModal();
    this.seek(0);
  }

  build() {
    const { details, entry } = this;
    this.views = details.cameras.map((camera) => this.view(camera));
    this.plots = details.curves.map((curve) => [curve, new Plot(curve.feature, curve.names)]);
    this.scrubber = make("input", { type: "range", min: 0, max: details.length - 1, step: 1, value: 0, ariaLabel: "Frame" });
    this.scrubber.addEventListener("input", () => { this.pause(); this.seek(Number(this.scrubber.value)); });
    this.playButton = make("button", { textContent: "Play" });
    this.playButton.addEventListener("click", () => (this.playing ? this.pause() : this.play()));
    this.place = make("output");
    const close = make("button", { textContent: "Close" });
    close.addEventListener("click", () => this.dialog.close());
    const title = entry.number === undefined ? STATES[entry.state] ?? entry.state : `Episode ${entry.number}`;
    this.dialog.replaceChildren(
      make("div", { className: "top" }, make("strong", { textContent: title }), this.place, close),
      make("div", { className: "views" }, ...this.views.map((view, index) =>
        make("figure", {}, view.element, make("figcaption", { textContent: details.cameras[index].name })))),
      make("div", { className: "row" }, this.playButton, ...[-1, 1].map((by) => {
        const button = make("button", { textContent: by < 0 ? "◂ frame" : "frame ▸" });
        button.addEventListener("click", () => { this.pause(); this.seek(this.row + by); });
        return button;
      })),
      this.scrubber,
      make("div", { className: "data" }, ...this.plots.map(([, plot]) => plot.element)),
      this.editor(),
    );
  }

  view(camera) {
    const isVideo = camera.codec && canPlay(camera.codec);
    const view = isVideo ? new VideoView(this.details, camera) : new PictureView(this.details, camera);
    if (isVideo) view.element.addEventListener("error", () => this.replace(view, camera), { once: true });
    return view;
  }

  replace(view, camera) {
    const pictures = new PictureView(this.details, camera);
    this.views[this.views.indexOf(view)] = pictures;
    view.element.replaceWith(pictures.element);
    pictures.seek(this.row);
  }

  // Playback

  seek(row) {
    this.row = Math.max(0, Math.min(this.details.length - 1, row));
    this.views.forEach((view) => view.seek(this.row));
    this.draw();
  }

  play() {
    if (this.row >= this.details.length - 1) this.seek(0);
    this.playing = { began: performance.now(), from: this.row };
    setText(this.playButton, "Pause");
    this.views.forEach((view) => view.play());
    requestAnimationFrame(() => this.advance());
  }

  pause() {
    if (!this.playing) return;
    this.playing = null;
    setText(this.playButton, "Play");
    this.views.forEach((view) => view.pause());
    this.seek(this.row);
  }

  advance() {
    if (!this.playing) return;
    const leader = this.views.find((view) => view instanceof VideoView);
    const { began, from } = this.playing;
    const row = leader ? leader.row : from + Math.floor(((performance.now() - began) / 1000) * this.details.fps);
    if (row >= this.details.length - 1) {
      this.row = this.details.length - 1;
      this.pause();
      return;
    }
    if (row !== this.row && row >= 0) {
      this.row = row;
      this.views.forEach((view) => { if (view !== leader) view.follow(row); });
      this.draw();
    }
    requestAnimationFrame(() => this.advance());
  }

  stop() {
    this.playing = null;
    for (const view of this.views ?? []) {
      view.pause();
      view.element.removeAttribute("src");
    }
    this.views = [];
  }

  draw() {
    const { length, fps } = this.details;
    this.scrubber.value = String(this.row);
    setText(this.place, `${(this.row / fps).toFixed(2)} s, frame ${this.row} of ${length}`);
    for (const [curve, plot] of this.plots) {
      const xs = curve.values[0].map((_, index) => (index * curve.step) / Math.max(1, length - 1));
      plot.draw(xs, curve.values, this.row / Math.max(1, length - 1));
    }
  }

  key(event) {
    if (!this.dialog.open || event.target.tagName === "INPUT" && event.target.type !== "range") return;
    if (event.key === " ") { event.preventDefault(); if (this.playing) this.pause(); else this.play(); }
  }

  // Edits

  editor() {
    const { entry, details } = this, isCommitted = entry.number !== undefined;
    const button = (label, act) => {
      const made = make("button", { textContent: label });
      made.addEventListener("click", act);
      return made;
    };
    const marks = [true, false].map((success) =>
      button(success ? "Success" : "Failure", () => this.edit({ edit: "success", success })));
    const remove = button("Delete", async () => {
      if (await confirmed(`Delete ${isCommitted ? `episode ${entry.number}` : "this episode"}? It can be brought back.`, "Delete")) this.edit({ edit: "delete" });
    });
    remove.className = "danger";
    const parts = [make("div", { className: "row" }, ...marks, remove)];
    if (entry.state === "rejected") parts[0].append(button("Accept", () => this.edit({ edit: "accept" })));
    if (entry.state === "failed") parts[0].append(button("Try again", () => this.edit({ edit: "retry" })));
    const task = make("input", { value: entry.task, maxLength: 500, ariaLabel: "Task" });
    parts.push(make("div", { className: "row" }, task,
      button("Relabel", () => this.edit({ edit: "task", task: task.value }))));
    if (isCommitted) {
      this.cut = { start: 0, stop: details.length };
      const text = make("output");
      const update = () => setText(text,
        `keep ${(this.cut.start / details.fps).toFixed(2)} s to ${(this.cut.stop / details.fps).toFixed(2)} s`);
      update();
      this.advice = make("p", { className: "problem", role: "alert" });
      const set = (name, row) => { this.cut[name] = row; setText(this.advice, ""); update(); };
      parts.push(make("div", { className: "row" },
        button("Start here", () => set("start", this.row)), button("End here", () => set("stop", this.row + 1)), text,
        button("Trim", () => this.trim())), this.advice);
    } else {
      parts.push(make("p", { textContent: "It can be trimmed as soon as it is encoded and in the dataset." }));
    }
    return make("div", { className: "edit" }, ...parts);
  }

  async trim() {
    const { start, stop } = this.cut, { fps } = this.details;
    const kept = `${(start / fps).toFixed(2)} s to ${(stop / fps).toFixed(2)} s`;
    const name = `episode ${this.entry.number}`;
    if (start >= stop) {
      setText(this.advice, `The start is not before the end (${kept}): nothing would be left. Move to another frame, `
        + "then choose “Start here” or “End here” again.");
    } else if (start === 0 && stop === this.details.length) {
      setText(this.advice, "The whole episode is kept: move to a frame and choose “Start here” or “End here” first.");
    } else if (await confirmed(`Keep only ${kept} of ${name}? It can be undone.`, "Trim")) {
      await this.edit({ edit: "trim", start_s: start / fps, stop_s: stop / fps });
    }
  }

  async edit(wanted) {
    const { entry } = this;
    this.pause();
    const answer = await post("/edits", { ...wanted, ref: entry.ref, id: entry.number === undefined ? "" : entry.id });
    await this.episodes.load();
    if (!answer.success) return;
    const now = this.episodes.find(entry);
    const keepsPictures = wanted.edit === "success" || wanted.edit === "task";
    if (wanted.edit === "delete" || !now) this.dialog.close();
    else if (keepsPictures && now.ref === entry.ref && now.state === entry.state) this.entry = now; // stay at the frame
    else await this.open(now);
  }
}

const TYPES = { av1: "av01.0.08M.08", h264: "avc1.64001f", hevc: "hvc1.1.6.L93.B0" };

function canPlay(codec) {
  const type = TYPES[codec];
  return Boolean(type) && document.createElement("video").canPlayType(`video/mp4; codecs="${type}"`) !== "";
}
