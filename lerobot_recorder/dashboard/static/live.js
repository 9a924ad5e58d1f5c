// The connection to the server: states and pictures as they change, again and again after an interruption.

const SILENCE_MS = 5000;
const RETRY_MS = 1000;
const NEWLINE = 10;

export class Connection {
  /** Call `onState(name, value)`, `onPicture(camera, blob)` and `onChange("open" | "lost" | "denied")`. */
  constructor(onState, onPicture, onChange) {
    this.onState = onState;
    this.onPicture = onPicture;
    this.onChange = onChange;
    this.closeups = new Set();
    this.abort = new AbortController();
  }

  /** Ask for pictures in full size of other cameras. */
  setCloseups(cameras) {
    this.closeups = new Set(cameras);
    this.abort.abort("closeups");
  }

  async run() {
    for (;;) {
      this.abort = new AbortController();
      const denied = await this.once(this.abort);
      if (denied) {
        this.onChange("denied");
        return;
      }
      if (this.abort.signal.reason === "closeups") continue;
      this.onChange("lost");
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }

  async once(abort) {
    const query = new URLSearchParams([...this.closeups].map((camera) => ["closeup", camera]));
    let silence = setTimeout(() => abort.abort("silence"), SILENCE_MS);
    try {
      const response = await fetch(`/live?${query}`, { signal: abort.signal, cache: "no-store" });
      if (response.status === 401) return true;
      if (!response.ok) return false;
      this.onChange("open");
      const reader = response.body.getReader();
      let rest = new Uint8Array(0);
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return false;
        clearTimeout(silence);
        silence = setTimeout(() => abort.abort("silence"), SILENCE_MS);
        rest = this.take(joined(rest, value));
      }
    } catch {
      return false;
    } finally {
      clearTimeout(silence);
    }
  }

  /** Handle all complete parts, and return the bytes of the last, incomplete one. */
  take(bytes) {
    for (;;) {
      const end = bytes.indexOf(NEWLINE);
      if (end < 0) return bytes;
      const part = JSON.parse(new TextDecoder().decode(bytes.subarray(0, end)));
      const next = end + 1 + part.size;
      if (bytes.length < next) return bytes;
      const content = bytes.subarray(end + 1, next);
      if (part.kind === "state") this.onState(part.name, JSON.parse(new TextDecoder().decode(content)));
      if (part.kind === "picture") this.onPicture(part.name, new Blob([content]));
      bytes = bytes.subarray(next);
    }
  }
}

function joined(first, second) {
  if (!first.length) return second;
  const all = new Uint8Array(first.length + second.length);
  all.set(first);
  all.set(second, first.length);
  return all;
}
