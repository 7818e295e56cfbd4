// What every page does: the reader's own time, sources that open, images that fail gently, and waiting for a reviewer.
// No text becomes markup anywhere: only textContent, attributes and the browser's own navigation.
"use strict";

const language = document.documentElement.lang;

// Month names come with the page: not every browser knows Kazakh.
function showOwnTimes() {
  const months = document.documentElement.dataset.months.split("|");
  const two = (number) => String(number).padStart(2, "0");
  for (const time of document.querySelectorAll("time[datetime*=T]")) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.valueOf())) continue;
    const seconds = time.closest(".exact") ? `:${two(at.getSeconds())}` : "";
    time.title = time.textContent;
    time.textContent = `${at.getDate()} ${months[at.getMonth()]} ${at.getFullYear()}, ${two(at.getHours())}:${two(at.getMinutes())}${seconds}`;
  }
}

function showDeadlines() {
  const known = Intl.RelativeTimeFormat.supportedLocalesOf(language).length > 0;
  const words = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
  for (const due of document.querySelectorAll("[data-due]")) {
    const minutes = Math.round((new Date(due.dataset.due) - Date.now()) / 60000);
    const hours = Math.round(minutes / 60);
    due.classList.toggle("late", minutes < 0);
    if (!known) continue; // what the server wrote stays
    due.textContent = Math.abs(minutes) < 60 ? words.format(minutes, "minute")
      : Math.abs(hours) < 48 ? words.format(hours, "hour") : words.format(Math.round(hours / 24), "day");
  }
}

function openSource(n) {
  const source = document.getElementById(`source-${n}`);
  if (!source) return false;
  for (const other of document.querySelectorAll("details.source")) other.open = other === source;
  source.scrollIntoView({ block: "nearest", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  source.querySelector("summary").focus({ preventScroll: true });
  return true;
}

function hideBrokenImages() {
  for (const image of document.querySelectorAll(".frame img")) {
    const fail = () => {
      image.hidden = true;
      image.parentElement.querySelector("svg")?.remove();
      image.parentElement.querySelector(".fallback").hidden = false;
    };
    image.addEventListener("error", fail);
    if (image.complete && image.naturalWidth === 0 && image.getAttribute("loading") !== "lazy") fail();
  }
}

async function waitForReviewer(place) {
  const was = "held";
  for (let pause = 3000; ; pause = Math.min(pause * 1.2, 30000)) {
    await new Promise((resume) => setTimeout(resume, pause));
    if (document.hidden) continue;
    try {
      const reply = await fetch(place, { headers: { Accept: "application/json" } });
      if (!reply.ok || reply.redirected) return;
      if ((await reply.json()).status !== was) return location.reload();
    } catch { /* the network is away for a moment: the next round asks again */ }
  }
}

showOwnTimes();
showDeadlines();
setInterval(showDeadlines, 30000);
hideBrokenImages();

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-source]");
  if (link && openSource(link.dataset.source)) event.preventDefault();
  for (const menu of document.querySelectorAll("details.who[open]")) if (!menu.contains(event.target)) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") for (const menu of document.querySelectorAll("details.who[open]")) menu.open = false;
});
if (location.hash.startsWith("#source-")) openSource(location.hash.slice("#source-".length));

document.querySelector(".bar nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
const waiting = document.querySelector("[data-wait]");
if (waiting) waitForReviewer(waiting.dataset.wait);
