// The state of recorder and encoder, and everything that an operator can do.

import { byId, confirmed, duration, hideOldAnswer, make, post, setText, show } from "./page.js";

const WORDS = {
  idle: "Ready", recording: "Recording", saving: "Saving", waiting: "Waiting", resetting: "Reset the scene",
  paused: "Paused", finished: "Finished", ended: "Ended",
};

const ENDINGS = {
  ready: "saved", rejected: "set aside", discarded: "discarded", deleted: "deleted", recording: "not saved",
};

const BUTTONS = [
  ["discard_episode", "Discard"],
  ["delete_last_episode", "Delete last"],
  ["undo_delete", "Bring back"],
  ["accept_episode", "Accept"],
  ["mark_success", "Success", true],
  ["mark_success", "Failure", false],
  ["next_task", "Next task"],
  ["pause", "Pause", true],
  ["encode_pending", "Encode now"],
  ["retry_failed", "Retry failed"],
  ["end_recording", "End"],
];

const NO_ANSWER = "it reports no status: look at its terminal or log";

export class Station {
  /** `newestWaiting()` returns the newest listed episode that waits for the encoder. */
  constructor(newestWaiting) {
    this.newestWaiting = newestWaiting;
    this.recorder = undefined; // not known yet; null: there is none
    this.encoder = undefined;
    this.connection = "";
    this.silent = new Set();
    this.received = 0;
    this.ready = new Set();
    this.main = make("button", { className: "main", textContent: "Start" });
    this.main.addEventListener("click", () => this.act(`/actions/${this.mainAction()}`, {}, this.main));
    this.buttons = BUTTONS.map(([action, label, value]) => {
      const button = make("button", { textContent: label });
      button.dataset.action = action;
      button.addEventListener("click", async () => {
        const target = this.target(action);
        if (target.refusal) { show({ success: false, message: target.refusal }); return; }
        if (target.question && !(await confirmed(target.question, label))) return;
        const wanted = action === "pause" ? !this.recorder?.paused : value;
        const body = target.body ?? (wanted === undefined ? {} : { value: wanted });
        await this.act(target.path ?? `/actions/${action}`, body, button);
      });
      return button;
    });
    byId("actions").append(this.main, ...this.buttons);
    byId("batch-less").addEventListener("click", () => this.setBatch(-1));
    byId("batch-more").addEventListener("click", () => this.setBatch(+1));
    byId("encode-pause").addEventListener("click", () =>
      post("/controls/paused", { value: this.encoder?.state !== "paused" }));
    byId("settings").addEventListener("submit", (event) => {
      event.preventDefault();
      post("/controls/task", { value: byId("set-task").value });
    });
    this.update();
  }

  /** Return what an action is about to reach: a question and the request, or why it is refused at once. */
  target(action) {
    const { recorder } = this;
    if (action === "end_recording") return { question: "End the recording? The nodes stop." };
    if (action === "discard_episode" && recorder?.episode_id) {
      const question = `Discard this take of episode ${recorder.episode_index}, ${Math.floor(recorder.elapsed_s)} s?`;
      return { question, body: { id: recorder.episode_id } };
    }
    return action === "delete_last_episode" ? this.lastTarget(recorder?.last) : {};
  }

  lastTarget(last) {
    if (last?.state === "deleted") return { refusal: "The last episode is deleted already: “Bring back” restores it." };
    if (["ready", "rejected"].includes(last?.state)) {
      const name = last.state === "rejected" ? "the take that is set aside" : `episode ${last.episode_index}`;
      return { question: `Delete ${name}, ${last.duration_s.toFixed(1)} s?`, body: { id: last.episode_id } };
    }
    const waiting = this.newestWaiting();
    if (!waiting) return { refusal: "No last episode of this recorder to delete: open one in the list below to delete it." };
    const question = `Delete the newest episode that waits for the encoder, ${(waiting.seconds ?? 0).toFixed(1)} s?`;
    return { question, path: "/edits", body: { edit: "delete", ref: waiting.ref } };
  }

  /** Call a service; the button waits for the answer. */
  async act(path, body, button) {
    button.disabled = true;
    try {
      await post(path, body);
    } finally {
      button.disabled = false;
      this.update();
    }
  }

  mainAction() {
    return this.recorder?.state === "recording" ? "save_episode" : "start_episode";
  }

  setBatch(by) {
    const size = (this.encoder?.batch_size ?? 1) + by;
    if (size >= 1) post("/controls/video_encoding_batch_size", { value: size });
  }

  setConnection(connection) {
    this.connection = connection;
    this.update();
  }

  setState(name, value) {
    if (name === "recorder") {
      if (this.recorder?.state !== value?.state) hideOldAnswer();
      this.recorder = value;
    }
    if (name === "recorder" && value) {
      this.received = performance.now();
      this.showVerdict(value.last);
      if (document.activeElement !== byId("set-task")) byId("set-task").value = value.next_task ?? value.task;
      byId("tasks").replaceChildren(...(value.tasks ?? []).map((task) => make("option", { value: task })));
    }
    if (name === "encoder") this.encoder = value;
    if (name === "silent") this.silent = new Set(value);
    if (name === "actions") this.ready = new Set(value);
    if (name === "diagnostics") showDiagnostics(value);
    this.update();
  }

  update() {
    this.updateState();
    this.updateButtons();
    this.updateEncoder();
    this.updateStreams();
  }

  updateState() {
    const status = this.recorder, state = byId("state");
    const absence = this.absence();
    if (absence) {
      state.dataset.state = "missing";
      setText(byId("word"), absence);
      for (const id of ["clock", "about", "task"]) byId(id).replaceChildren();
      fill(byId("problems"), this.connection === "open" ? this.unanswering() : []);
      byId("elapsed").hidden = true;
      return;
    }
    const isMissing = status.missing.length > 0 && ["idle", "waiting"].includes(status.state);
    state.dataset.state = isMissing ? "missing" : status.state;
    setText(byId("word"), isMissing ? "Not ready" : WORDS[status.state] ?? status.state);
    // As on the screen of record: the number in the dataset, and the place in this run.
    const place = status.num_episodes ? `${status.episode} of ${status.num_episodes}` : `${status.episode - 1} saved`;
    setText(byId("about"), `episode ${status.episode_index}, ${place}`);
    setText(byId("task"), status.state === "recording" ? status.task : status.next_task ?? status.task);
    const reasons = (status.last?.reasons ?? []).join("; ");
    const isKnown = status.missing.length || (reasons && status.message.endsWith(reasons)); // the verdict shows it
    const problems = [...this.unanswering(), ...status.missing, ...(isKnown ? [] : [status.message]),
      ...Object.values(status.streams).map((stream) => status.missing.length ? "" : stream.wrong)];
    fill(byId("problems"), problems.filter(Boolean));
    this.tick();
  }

  /** Return what is shown instead of the recorder's state; empty if that is known. */
  absence() {
    if (this.connection !== "open") return this.connection ? "No connection" : "Connecting";
    if (this.silent.has("recorder")) return "No answer";
    if (!this.recorder) return this.recorder === null ? "No recorder" : "Connecting";
    return "";
  }

  /** Return a sentence for each node that does not report any more. */
  unanswering() {
    return [...this.silent].map((node) => `The ${node} does not answer: ${NO_ANSWER}`
      + (node === "encoder" ? ". Episodes are kept in the spool." : ""));
  }

  /** Show the time, between two statuses as well. */
  tick() {
    const status = this.recorder, since = (performance.now() - this.received) / 1000;
    if (this.absence()) return;
    const bar = byId("elapsed");
    let text = "";
    if (status.state === "recording") {
      const elapsed = status.elapsed_s + Math.min(since, 2);
      text = status.episode_time_s ? `${Math.floor(elapsed)} / ${Math.round(status.episode_time_s)} s`
        : `${Math.floor(elapsed)} s`;
      bar.value = status.episode_time_s ? Math.min(1, elapsed / status.episode_time_s) : 0;
    } else if (status.state === "resetting") {
      text = `${Math.ceil(Math.max(0, status.remaining_s - since))} s`;
    }
    bar.hidden = !(status.state === "recording" && status.episode_time_s);
    setText(byId("clock"), text);
  }

  updateButtons() {
    const isRecording = this.recorder?.state === "recording";
    setText(this.main, isRecording ? "Save" : "Start");
    this.main.classList.toggle("recording", isRecording);
    this.main.disabled = !this.ready.has(this.mainAction());
    for (const button of this.buttons) {
      const action = button.dataset.action;
      if (action === "pause") setText(button, this.recorder?.paused ? "Resume" : "Pause");
      const isUseless = (action === "discard_episode" && !isRecording)
        || (action === "delete_last_episode" && isRecording)
        || (action === "next_task" && !(this.recorder?.tasks ?? []).length)
        || (action === "pause" && !this.recorder?.num_episodes)
        || (action === "encode_pending" && !this.encoder?.waiting)
        || (action === "retry_failed" && !this.encoder?.retryable);
      button.disabled = isUseless || !this.ready.has(action);
      button.hidden = action === "retry_failed" && !this.encoder?.retryable;
      button.classList.toggle("attention", action === "accept_episode" && this.isRejected);
    }
  }

  updateEncoder() {
    const status = this.encoder, bar = byId("encoding"), isSilent = this.silent.has("encoder");
    if (isSilent || !status) {
      setText(byId("encoder"), isSilent ? `does not answer: ${NO_ANSWER}` : "no encoder");
      byId("encoder").classList.toggle("problem", isSilent);
      bar.hidden = true;
    } else {
      const progress = status.encoding ?? status.take;
      const waiting = `${status.waiting} waiting` + (status.waiting ? ` (${duration(status.waiting_s)})` : "");
      const clear = status.eta_s ? `, ${duration(status.eta_s)} to clear` : "";
      setText(byId("encoder"), [`${status.state}: ${waiting}${clear}, ${status.committed} added`,
        status.message, status.warning].filter(Boolean).join(". "));
      byId("encoder").classList.toggle("problem", Boolean(status.message));
      bar.hidden = !progress;
      if (progress) bar.value = progress.frames ? progress.frames_done / progress.frames : 0;
      setText(byId("batch"), String(status.batch_size));
      setText(byId("encode-pause"), status.state === "paused" ? "Resume encoding" : "Pause encoding");
    }
    for (const id of ["batch-less", "batch-more", "encode-pause"]) byId(id).disabled = !status;
    byId("batch-less").disabled ||= status?.batch_size === 1;
    const free = this.recorder?.free_bytes, left = this.recorder?.seconds_left;
    setText(byId("disk"), free == null ? "" : `${(free / 1e9).toFixed(1)} GB free`
      + (left == null ? "" : `, enough for ${duration(left)}`));
  }

  updateStreams() {
    const rows = Object.entries(this.recorder?.streams ?? {}).map(([name, stream]) => {
      const age = stream.age_s == null ? "nothing" : `${Math.round(stream.age_s * 1000)} ms`;
      const row = make("tr", { title: stream.wrong }, make("td", { textContent: name }),
        make("td", { textContent: `${stream.rate_hz.toFixed(0)} Hz` }), make("td", { textContent: age }));
      row.classList.toggle("problem", Boolean(stream.wrong || stream.silent));
      return row;
    });
    byId("streams").tBodies[0].replaceChildren(...rows);
  }

  get isRejected() {
    return byId("verdict").dataset.state === "rejected" && !byId("verdict").hidden;
  }

  /** Show how the last take ended. */
  showVerdict(episode) {
    const place = byId("verdict"), seen = JSON.stringify(episode);
    place.hidden = !episode || this.recorder?.state === "recording";
    if (!episode || place.seen === seen) return;
    place.seen = seen;
    const isKept = ["ready", "rejected"].includes(episode.state);
    place.dataset.verdict = isKept ? episode.verdict : "gone";
    place.dataset.state = episode.state;
    place.dataset.id = episode.episode_id;
    const sign = !isKept ? "" : episode.verdict === "good" ? "✓ good: " : "✗ bad: ";
    const number = episode.episode_index == null ? "take" : `episode ${episode.episode_index}`;
    const mark = { true: ", success", false: ", failure" }[episode.success] ?? "";
    const lines = [...episode.reasons, ...episode.notes].map((text) => make("li", { textContent: text }));
    place.replaceChildren(`Last take: ${sign}${number} ${ENDINGS[episode.state] ?? episode.state}, `
      + `${episode.duration_s.toFixed(1)} s${mark}`, make("ul", {}, ...lines));
  }
}

function fill(list, texts) {
  if ([...list.children].map((each) => each.textContent).join("\n") === texts.join("\n")) return;
  list.replaceChildren(...texts.map((textContent) => make("li", { textContent })));
}

function showDiagnostics(diagnostics) {
  const signs = ["✓", "!", "✗", "✗"]; // the last one: no longer reported
  const entries = Object.entries(diagnostics).sort(([a, x], [b, y]) => y.level - x.level || a.localeCompare(b));
  byId("diagnostics").replaceChildren(...entries.map(([name, status]) => {
    const entry = make("li", {}, make("b", { textContent: signs[status.level] ?? "?" }),
      `${name}: ${status.message}`);
    entry.title = Object.entries(status.values).map(([key, value]) => `${key}: ${value}`).join("\n");
    entry.classList.toggle("problem", status.level > 0);
    return entry;
  }));
}
