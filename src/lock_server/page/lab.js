// Keeps the page up to date, and searches while somebody types. The page works without it.
"use strict";
const field = document.querySelector("input[name=q]");
const live = (text) => { const at = document.getElementById("live"); if (at) at.textContent = text; };
let asked = 0;
async function renew() {
  const now = ++asked;
  const query = field.value ? "?q=" + encodeURIComponent(field.value) : "";
  try {
    const answer = await fetch("./" + query, { headers: { Accept: "text/html" } });
    if (!answer.ok || now !== asked) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.getElementById("lab").replaceWith(document.adoptNode(page.getElementById("lab")));
    live("live");
  } catch (error) {
    live("not connected");
  }
}
let typed;
field.addEventListener("input", () => {
  clearTimeout(typed);
  typed = setTimeout(() => {
    history.replaceState(null, "", field.value ? "?q=" + encodeURIComponent(field.value) : "./");
    renew();
  }, 150);
});
field.form.addEventListener("submit", (event) => { event.preventDefault(); renew(); });
const events = new EventSource("lab/events");
events.addEventListener("open", renew);
events.addEventListener("changed", renew);
events.addEventListener("error", () => live("not connected"));
