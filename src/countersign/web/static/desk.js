// The review desk by keyboard. Every key presses a button or follows a link that is on the page anyway.
"use strict";
{
  const draft = document.querySelector(".draft");
  const shown = document.getElementById("shown");
  const editing = document.getElementById("edit-form");
  const help = document.getElementById("help");
  const switchBox = document.getElementById("keys-on");
  const SWITCH = "countersign-single-keys-off";

  function edit(on) {
    if (!editing) return;
    editing.hidden = !on;
    shown.hidden = on;
    document.querySelector(".verbs").hidden = on;
    (on ? document.getElementById("edited") : document.getElementById("item-head")).focus();
  }

  function openDialog(name) {
    const dialog = document.getElementById(name);
    if (!dialog) return;
    if (dialog.open) dialog.close();
    dialog.showModal();
  }

  function press(key) {
    const target = document.querySelector(`[data-key="${CSS.escape(key)}"]`);
    if (target?.checkVisibility()) target.click();
  }

  function leave(path) {
    if (path) location.assign(path);
  }

  const keys = {
    j: () => leave(draft?.dataset.after),
    k: () => leave(draft?.dataset.before),
    "?": () => openDialog("help"),
  };
  for (const key of "aexscu") keys[key] = () => press(key);
  for (const n of "123456789") keys[n] = () => openSource(n);

  // The key's place counts, so that the desk works under a Russian or Kazakh layout as well.
  function keyOf(event) {
    if (event.key === "?" || (event.code === "Slash" && event.shiftKey)) return "?";
    const place = /^(?:Key|Digit)(.)$/.exec(event.code);
    return place ? place[1].toLowerCase() : "";
  }

  document.addEventListener("keydown", (event) => {
    const field = event.target.closest?.("textarea, input, select");
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && field?.form) {
      const button = field.form.querySelector("button[name=decision]");
      if (button && field.form.reportValidity()) button.click();
      return;
    }
    if (event.key === "Escape" && field && editing && !editing.hidden) return edit(false);
    const busy = field || document.querySelector("dialog:modal") || event.ctrlKey || event.metaKey || event.altKey || event.repeat;
    if (busy || localStorage.getItem(SWITCH)) return;
    const action = keys[keyOf(event)];
    if (action) {
      event.preventDefault();
      action();
    }
  });

  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-dialog]");
    const closer = event.target.closest("[data-close]");
    if (opener) {
      event.preventDefault();
      openDialog(opener.dataset.dialog);
    } else if (closer) {
      event.preventDefault();
      closer.closest("dialog").close();
    }
  });
  document.getElementById("to-edit")?.addEventListener("click", (event) => { event.preventDefault(); edit(true); });
  document.getElementById("leave-edit")?.addEventListener("click", (event) => { event.preventDefault(); edit(false); });
  document.getElementById("help-open")?.addEventListener("click", () => openDialog("help"));

  // One press, one decision: a second click on the way out sends nothing.
  for (const form of document.querySelectorAll("form[action$='/decision']")) {
    form.addEventListener("submit", (event) => {
      if (form.dataset.sent) event.preventDefault();
      form.dataset.sent = "yes";
    });
  }
  addEventListener("pageshow", () => { for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent; });

  for (const dialog of document.querySelectorAll("dialog[open]")) openDialog(dialog.id);
  if (switchBox) {
    switchBox.checked = !localStorage.getItem(SWITCH);
    switchBox.addEventListener("change", () => switchBox.checked ? localStorage.removeItem(SWITCH) : localStorage.setItem(SWITCH, "yes"));
  }
  document.querySelector(".queue [aria-current=true]")?.scrollIntoView({ block: "nearest" });
  if (document.body.classList.contains("chosen")) document.getElementById("item-head")?.focus({ preventScroll: true });
}
