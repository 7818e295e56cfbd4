// Ask without leaving the page: the steps of the line arrive as server-sent events, then the browser goes to the answer.
"use strict";
{
  const form = document.getElementById("ask");
  const progress = document.getElementById("progress");
  const said = document.getElementById("said");
  const trouble = document.getElementById("trouble");
  const send = document.getElementById("send");
  let walk = null;

  function complain(text) {
    progress.hidden = true;
    send.disabled = false;
    trouble.textContent = text;
    trouble.hidden = false;
    form.elements.question.focus();
  }

  function showStep(name) {
    const items = [...progress.querySelectorAll("[data-step]")];
    const at = items.findIndex((item) => item.dataset.step === name);
    if (at < 0) return;
    items.forEach((item, index) => {
      item.className = index < at ? "done" : index === at ? "now" : "";
      if (index === at) item.setAttribute("aria-current", "step"); else item.removeAttribute("aria-current");
    });
    said.textContent = items[at].textContent;
  }

  function act(event, data) {
    if (event === "step") showStep(data);
    if (event === "problem") complain(data);
    if (event === "done" && data.startsWith("/answers/")) location.assign(data);
    return event === "done" || event === "problem";
  }

  // Events end with an empty line; a line that begins with a colon is a sign of life.
  async function read(stream) {
    let kept = "";
    let ended = false;
    for (const reader = stream.pipeThrough(new TextDecoderStream()).getReader(); ;) {
      const { value, done } = await reader.read();
      if (done) return ended;
      kept += value;
      const events = kept.split("\n\n");
      kept = events.pop();
      for (const text of events) {
        const fields = Object.fromEntries(text.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]));
        if (fields.event) ended = act(fields.event, fields.data) || ended;
      }
    }
  }

  async function ask() {
    const fields = new URLSearchParams(new FormData(form));
    trouble.hidden = true;
    progress.hidden = false;
    send.disabled = true;
    showStep("guard_question");
    walk = new AbortController();
    try {
      const reply = await fetch(form.action, { method: "POST", body: fields, headers: { Accept: "text/event-stream" }, signal: walk.signal });
      if (reply.headers.get("content-type")?.startsWith("text/event-stream")) {
        if (!(await read(reply.body))) complain(form.dataset.lost);
      } else if (reply.status === 401) {
        location.assign("/sign-in");
      } else {
        form.submit(); // whatever is wrong, the server has a page for it
      }
    } catch {
      complain(walk.signal.aborted ? "" : form.dataset.lost);
      trouble.hidden = walk.signal.aborted;
    }
  }

  if (form) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (form.reportValidity() && !send.disabled) ask();
    });
    form.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    });
    document.getElementById("stop").addEventListener("click", () => walk?.abort());
    addEventListener("pageshow", () => { send.disabled = false; progress.hidden = true; });
  }
}
