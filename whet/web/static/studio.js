// The little that pages do by themselves, found by attributes. What one sees is in the address and on the server.
"use strict";

// An error of the server that is no page (a lost connection, a session that ended) is said where messages stand.
document.addEventListener("htmx:error", () => say("The server does not answer: is it running? Nothing was lost; try again."));

function say(text) {
  const place = document.getElementById("told");
  const message = document.createElement("div");
  message.className = "message bad";
  message.setAttribute("role", "alert");
  message.append(Object.assign(document.createElement("p"), {textContent: text}));
  place.replaceChildren(message);
}

// Parts that move: [data-live] is an address of server-sent events, each the part as it is now; "over" ends them. The
// browser connects again by itself when the server was away. Browsers give one address six connections in all tabs
// together, so a page that nobody looks at lets go of its own after a while.
const HIDDEN_SECONDS = 20;

function follow(place) {
  let source = null, waiting = null, over = false;
  const open = () => {
    if (source || over) return;
    source = new EventSource(place.dataset.live);
    source.onmessage = (event) => htmx.swap({sourceElement: place, target: place, swap: "innerMorph", text: event.data});
    source.addEventListener("over", () => { over = true; close(); });
  };
  const close = () => { source?.close(); source = null; };
  document.addEventListener("visibilitychange", () => {
    clearTimeout(waiting);
    if (document.hidden) waiting = setTimeout(close, HIDDEN_SECONDS * 1000);
    else open();
  });
  addEventListener("pagehide", close);
  addEventListener("pageshow", open);
  open();
}

for (const place of document.querySelectorAll("[data-live]")) follow(place);
