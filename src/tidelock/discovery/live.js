// Brings the page up to date whenever the registry says that something changed, and every two seconds so that
// "3 s ago" stays true. Without JavaScript the browser loads the page again every five seconds.
"use strict";
let isLoading = false;

async function load() {
  if (isLoading || document.hidden) return;
  isLoading = true;
  try {
    const answer = await fetch(location.pathname, { cache: "no-store" });
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.querySelector("main").replaceWith(fresh.querySelector("main"));
    document.title = fresh.title;
    document.body.classList.remove("lost");
  } catch {
    document.body.classList.add("lost");
  }
  isLoading = false;
}

const changes = new EventSource("/eureka/watch?data=none");
changes.addEventListener("changed", load);
changes.addEventListener("error", () => document.body.classList.add("lost"));
setInterval(load, 2000);
document.addEventListener("visibilitychange", load);
