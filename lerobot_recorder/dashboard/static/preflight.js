// What the last preflight has found: the first card of the page until a take is recorded.

import { byId, get, make, setText } from "./page.js";

export class Preflight {
  constructor() {
    this.at = "";
    this.closed = false;
  }

  async load() {
    const found = await get("/preflight").catch(() => null);
    byId("preflight").hidden = !found;
    if (!found || found.at === this.at) return;
    this.at = found.at;
    setText(byId("preflight-at"), new Date(found.at).toLocaleString());
    byId("findings").replaceChildren(...found.findings.map(row));
    const picture = byId("preflight-picture");
    picture.hidden = !found.has_pictures;
    if (found.has_pictures) picture.src = `/preflight/picture?at=${encodeURIComponent(found.at)}`;
  }

  /** Make room for what is recorded, once; the operator can open it again. */
  setState(state) {
    if (this.closed || state !== "recording") return;
    this.closed = true;
    byId("preflight-details").open = false;
  }
}

function row(finding) {
  const line = make("tr", {}, ...["level", "subject", "text"].map((key) => make("td", { textContent: finding[key] })));
  line.dataset.level = finding.level;
  return line;
}
