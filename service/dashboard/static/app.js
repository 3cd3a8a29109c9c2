// What pages do beyond HTML: times in the viewer's zone, keys, and news without a reload. All work without it too.
"use strict";

// Times: UTC as they come, in the viewer's zone once this runs; the title keeps UTC.
const today = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const earlier = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });
const longAgo = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });

function showLocalTimes(within) {
  const now = new Date();
  for (const time of within.querySelectorAll("time[datetime]")) {
    const moment = new Date(time.dateTime);
    if (Number.isNaN(moment.valueOf())) continue;
    const format = moment.toDateString() === now.toDateString() ? today
      : now - moment < 300 * 86400000 ? earlier : longAgo;
    const text = format.format(moment);
    if (time.textContent !== text) time.textContent = text;
  }
}

// News: an event says that something changed; the page asks for its main part again and puts in what differs.
const live = document.getElementById("live");
let tag = null;
let asking = false;
let again = false;
const held = new Map();

function isInUse(part) {
  return part.matches(":hover") || part.contains(document.activeElement) && document.activeElement !== document.body
    || part.querySelector("input:checked, details[open]") !== null;
}

// Texts are compared as the server sent them, not as this page shows them.
const sent = new WeakMap();

function remember(within) {
  for (const part of within.querySelectorAll("[data-part]")) sent.set(part, part.innerHTML);
}

function putIn(part, fresh, html) {
  const rows = new Set([...part.querySelectorAll("tr[id]")].map((row) => row.id));
  const chosen = part.querySelector("tr.at-row")?.id;
  const scrolled = [...part.querySelectorAll(".wide")].map((wide) => wide.scrollLeft);
  part.innerHTML = html;
  part.className = fresh.className;
  sent.set(part, html);
  showLocalTimes(part);
  part.querySelectorAll(".wide").forEach((wide, place) => { wide.scrollLeft = scrolled[place] ?? 0; });
  if (rows.size) for (const row of part.querySelectorAll("tr[id]")) if (!rows.has(row.id)) row.classList.add("fresh");
  if (chosen) document.getElementById(chosen)?.classList.add("at-row");
}

function update(text) {
  const page = new DOMParser().parseFromString(text, "text/html");
  const known = [...document.querySelectorAll("#main [data-part]")].map((part) => part.id).join();
  const found = [...page.querySelectorAll("#main [data-part]")].map((part) => part.id).join();
  const main = document.getElementById("main");
  if (known !== found) {
    // Parts came or went: all of it is put in, unless somebody is at it.
    if (isInUse(main)) { held.set(main, text); return; }
    const top = window.scrollY;
    main.innerHTML = page.getElementById("main").innerHTML;
    remember(main);
    showLocalTimes(main);
    prepare(main);
    window.scrollTo(0, top);
    return;
  }
  for (const fresh of page.querySelectorAll("#main [data-part]")) {
    const part = document.getElementById(fresh.id);
    const html = fresh.innerHTML;
    if (sent.get(part) === html) { held.delete(part); continue; }
    if (isInUse(part)) held.set(part, [fresh, html]);
    else { held.delete(part); putIn(part, fresh, html); }
  }
}

function release() {
  for (const [part, what] of held) {
    if (!part.isConnected) held.delete(part);
    else if (!isInUse(part)) {
      held.delete(part);
      if (typeof what === "string") update(what);
      else putIn(part, ...what);
    }
  }
}

async function refresh() {
  if (asking) { again = true; return; }
  if (document.hidden || document.querySelector("#main [data-part]") === null) return;
  asking = true;
  try {
    const headers = { "x-live": "1" };
    if (tag) headers["if-none-match"] = tag;
    const answer = await fetch(location.href, { headers, redirect: "manual", cache: "no-store" });
    if (answer.status === 401) { say("off", "signed out"); return; }
    if (answer.status >= 500) { say("off", "not live"); return; }
    if (answer.status === 200) {
      tag = answer.headers.get("etag");
      update(await answer.text());
    }
    if (live?.matches(".off")) say("on", "live");
  } catch (fault) {
    if (!(fault instanceof TypeError)) throw fault;
    say("off", "no connection");
  } finally {
    asking = false;
    if (again) { again = false; setTimeout(refresh, 300); }
  }
}

function say(state, words) {
  if (live) { live.className = `live ${state}`; live.textContent = words; }
}

function listen() {
  const news = new EventSource(document.body.dataset.live);
  news.addEventListener("hello", () => { say("on", "live"); refresh(); });
  news.addEventListener("changed", refresh);
  news.addEventListener("idle", refresh);
  news.addEventListener("error", () => {
    say("off", "not live");
    // After an answer that is no stream the browser gives up by itself.
    if (news.readyState === EventSource.CLOSED) setTimeout(listen, 5000);
  });
}

// Keys.
const places = { o: "/", r: "/reopens", w: "/why", d: "/deliveries", t: "/threads", s: "/setup", a: "/audit" };
let isGoing = false;

function rows() {
  return [...document.querySelectorAll("table.rows tbody tr")];
}

function step(by) {
  const all = rows();
  if (!all.length) return;
  const at = all.findIndex((row) => row.classList.contains("at-row"));
  const next = all[Math.min(Math.max(at + by, 0), all.length - 1)];
  all[at]?.classList.remove("at-row");
  next.classList.add("at-row");
  next.querySelector("a.open, a")?.focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
}

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = event.target.closest("input:not([type=checkbox]), select, textarea, dialog");
  if (event.key === "Escape" && typing) { document.activeElement.blur(); return; }
  if (typing) return;
  if (isGoing && places[event.key]) { location.href = places[event.key]; return; }
  isGoing = event.key === "g";
  switch (event.key) {
    case "/": document.querySelector(".find input")?.focus(); break;
    case "?": document.getElementById("help")?.showModal(); break;
    case "j": step(1); break;
    case "k": step(-1); break;
    case "x": document.querySelector("tr.at-row input[type=checkbox]")?.click(); break;
    default: return;
  }
  event.preventDefault();
});

// Choosing all rows, and copying addresses.
addEventListener("change", (event) => {
  if (!event.target.matches("input.all")) return;
  for (const box of document.querySelectorAll("td.tick input")) box.checked = event.target.checked;
});
addEventListener("click", async (event) => {
  const button = event.target.closest("button.copy");
  if (!button) return;
  await navigator.clipboard.writeText(button.dataset.copy);
  button.textContent = "Copied";
});

function prepare(within) {
  if (navigator.clipboard) for (const button of within.querySelectorAll("button.copy")) button.hidden = false;
}

remember(document);
showLocalTimes(document);
prepare(document);
if (document.body.dataset.live) {
  live.textContent = "live";  // without this script it says the opposite
  listen();
  addEventListener("pointerout", () => setTimeout(release, 50));
  addEventListener("focusout", () => setTimeout(release, 50));
  addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
}
