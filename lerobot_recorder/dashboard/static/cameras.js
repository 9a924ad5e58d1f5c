// Live pictures; a click shows a camera in full size.

import { byId, make } from "./page.js";

const STALE_MS = 3000;

export class Cameras {
  constructor(onCloseups) {
    this.onCloseups = onCloseups;
    this.views = new Map();
  }

  setNames(names) {
    for (const [name, view] of this.views) {
      if (!names.includes(name)) {
        view.figure.remove();
        this.views.delete(name);
      }
    }
    names.forEach((name) => this.view(name));
    if (!names.length) byId("cameras").replaceChildren("no camera publishes pictures");
  }

  view(name) {
    if (!this.views.has(name)) {
      if (!this.views.size) byId("cameras").replaceChildren();
      const image = make("img", { alt: `picture of ${name}` });
      const figure = make("figure", { className: "stale" }, image, make("figcaption", { textContent: name }));
      figure.dataset.camera = name;
      figure.addEventListener("click", () => this.toggle(figure));
      byId("cameras").append(figure);
      this.views.set(name, { figure, image, time: 0, count: 0 });
    }
    return this.views.get(name);
  }

  toggle(figure) {
    figure.classList.toggle("large");
    const large = [...this.views].filter(([, view]) => view.figure.classList.contains("large"));
    this.onCloseups(large.map(([name]) => name));
  }

  show(name, picture) {
    const view = this.view(name), url = URL.createObjectURL(picture);
    view.image.onload = view.image.onerror = () => URL.revokeObjectURL(url);
    view.image.src = url;
    view.time = performance.now();
    view.figure.classList.remove("stale");
    view.figure.dataset.pictures = ++view.count;
  }

  check() {
    for (const view of this.views.values()) {
      view.figure.classList.toggle("stale", performance.now() - view.time > STALE_MS);
    }
  }
}
