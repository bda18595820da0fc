// News only while somebody can see them, and a word when there are none. Everything else is plain HTML.
"use strict";
(() => {
  const polls = (event) => event.target instanceof Element && (event.target.getAttribute("hx-trigger") || "").startsWith("every");
  const stale = (yes) => { const told = document.getElementById("stale"); if (told) told.hidden = !yes; };
  document.addEventListener("htmx:before:request", (event) => {
    if (polls(event) && document.hidden) event.preventDefault();
  });
  document.addEventListener("htmx:after:request", (event) => {
    const status = event.detail.ctx.response.raw ? event.detail.ctx.response.raw.status : event.detail.ctx.response.status;
    stale(status >= 400);
    if (status === 401) location.reload();
  });
  document.addEventListener("htmx:error", () => stale(true));
  document.addEventListener("visibilitychange", () => {
    const live = document.querySelector("#live[hx-trigger]");
    if (live && !document.hidden && window.htmx) window.htmx.trigger(live, "every");
  });
  const all = document.getElementById("pick-all");
  if (all) {
    all.hidden = false;
    all.addEventListener("change", () => {
      document.querySelectorAll("input[name=run]").forEach((box) => { box.checked = all.checked; });
    });
  }
  document.addEventListener("keydown", (event) => {
    const search = document.getElementById("q");
    const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName);
    if (event.key === "/" && search && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      search.focus();
      search.select();
    }
  });
})();
