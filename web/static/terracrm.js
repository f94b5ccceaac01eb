// What CSS and htmx cannot do: a mail's frame as tall as the mail, and one menu open at a time.
"use strict";

function fit(frame) {
  const page = frame.contentDocument;
  if (page && page.documentElement) {
    frame.style.height = "0";
    frame.style.height = `${page.documentElement.scrollHeight + 4}px`;
  }
}

function watchFrames() {
  for (const frame of document.querySelectorAll("iframe.letter-frame")) {
    const refit = () => {
      fit(frame);
      frame.contentDocument?.addEventListener("toggle", refit, true);
    };
    frame.addEventListener("load", refit);
    window.addEventListener("resize", refit);
    refit();
  }
}

document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.account[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.account[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", watchFrames);
else watchFrames();
