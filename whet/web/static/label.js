// Keys of the page on which people judge: each presses the button, or opens the part, that shows it.
"use strict";

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.target.closest("input, textarea, select")) return;
  const meant = document.querySelector(`#judging [data-key="${CSS.escape(event.key.toLowerCase())}"]`);
  if (!meant || document.querySelector("#judging .htmx-request")) return;
  event.preventDefault();
  meant.click();
  if (meant.matches("summary")) document.getElementById("corrected").focus();
});
