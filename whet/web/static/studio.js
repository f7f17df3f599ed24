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
