// Small tools of the page: elements, requests, questions.

export const byId = (id) => document.getElementById(id);

/** Make an element with properties and children; texts are never read as HTML. */
export function make(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

/** Set the text of an element only if it differs, so that the browser has nothing to lay out again. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Ask a question that has to be confirmed; resolves to true or false. */
export function confirmed(question, yes) {
  const dialog = byId("confirm");
  setText(byId("question"), question);
  setText(byId("yes"), yes);
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

const SETTLING_MS = 2000;

let shown = 0;
let shownAt = 0;

/** Show what a node has answered. */
export function show(answer) {
  const place = byId("answer");
  setText(place, answer.message);
  place.className = answer.success ? "" : "failed";
  place.hidden = false;
  const number = ++shown;
  shownAt = performance.now();
  setTimeout(() => { if (number === shown) place.hidden = true; }, answer.success ? 6000 : 20000);
}

/** Hide an answer when something else happens; the change that the action itself has made comes right after it. */
export function hideOldAnswer() {
  if (performance.now() - shownAt > SETTLING_MS) byId("answer").hidden = true;
}

/** Send a request with a JSON body; resolves to the answer, which it shows. */
export async function post(path, body = {}) {
  let answer;
  try {
    const response = await fetch(path, { method: "POST", body: JSON.stringify(body) });
    const text = await response.text();
    try {
      answer = JSON.parse(text);
    } catch {
      answer = { success: response.ok, message: text || response.statusText };
    }
  } catch {
    answer = { success: false, message: "the connection is lost: nothing was done" };
  }
  show(answer);
  return answer;
}

/** Get JSON; throws an error with the server's message. */
export async function get(path) {
  const response = await fetch(path);
  const text = await response.text();
  if (!response.ok) {
    let message = text;
    try { message = JSON.parse(text).message; } catch { /* not JSON */ }
    throw new Error(message);
  }
  return JSON.parse(text);
}

/** Write a duration for people. */
export function duration(seconds) {
  const minutes = Math.floor(seconds / 60);
  if (minutes < 1) return `${Math.round(seconds)} s`;
  return minutes < 120 ? `${minutes} min` : `${Math.floor(minutes / 60)} h`;
}
