"use strict";
// What htmx leaves to the page: the CSRF token of the moment, and answers that are no part of a page.
// Without JavaScript every form is a plain POST, and none of this is needed.
{
  //: Milliseconds that a look at the server may take. What a button starts may take longer.
  const LOOK = 10000;
  //: What is wrong, by what was asked: buttons share one entry, each part that renews itself has its own.
  const troubles = new Map();

  const keyOf = (config) => (config.verb === "get" ? config.path.split("?")[0] : "act");

  function show() {
    const box = document.getElementById("trouble");
    const [text] = [...(troubles.has("act") ? [troubles.get("act")] : troubles.values())].map((one) => one.text);
    const line = box.querySelector("p");
    if (line.textContent !== (text || "")) line.textContent = text || ""; // the same again isn't read out again
    box.hidden = !text;
  }

  function cookie(name) {
    const found = document.cookie.split("; ").find((one) => one.startsWith(`${name}=`));
    return found ? decodeURIComponent(found.slice(name.length + 1)) : "";
  }

  // A login in another tab gives the browser a new token, and the one in this page's forms is worth nothing from then on.
  document.addEventListener("htmx:configRequest", ({ detail }) => {
    if (detail.verb === "get") detail.timeout = LOOK;
    else if (cookie("csrftoken")) detail.parameters.csrfmiddlewaretoken = cookie("csrftoken");
  });

  // What a button does comes first. A look that began before it would put the old state back, and take the button's place away.
  document.addEventListener("htmx:beforeSend", ({ detail }) => {
    if (detail.requestConfig.verb === "get") return;
    for (const looking of document.querySelectorAll("[hx-get].htmx-request")) htmx.trigger(looking, "htmx:abort");
  });

  // A click is a press and a release on the same button. One that is made anew in between would get neither. The page isn't told of a
  // release in another window or in a menu, so whatever takes the pointer there ends the press too.
  let pressing = false;
  const released = () => { pressing = false; };
  document.addEventListener("pointerdown", ({ button }) => { pressing = button === 0; }, true);
  for (const name of ["pointerup", "pointercancel", "dragend", "contextmenu", "visibilitychange"]) {
    document.addEventListener(name, released, true);
  }
  window.addEventListener("blur", released); // the window's own; a field that a press takes the focus from has one too

  // A part of a page is HTML without a document around it. Anything else comes from Django or from a middleware.
  function isPart(xhr) {
    const type = xhr.getResponseHeader("Content-Type") || "";
    return xhr.status < 500 && type.startsWith("text/html") && xhr.response.trim() && !/^\s*<(!doctype|html)/i.test(xhr.response);
  }

  function sentence(xhr, acted) {
    const type = xhr.getResponseHeader("Content-Type") || "";
    const not = acted ? "Not done." : "This page can’t be renewed.";
    if (xhr.status >= 400 && type.startsWith("text/plain") && xhr.response.trim()) return `${not} ${xhr.response.trim()}`;
    if (xhr.status >= 500 && acted) {
      return `The server answered ${xhr.status}; its log says why. Reload the page and see whether it was done.`;
    }
    if (xhr.status >= 500) return `${not} The server answered ${xhr.status}; its log says why.`;
    if (xhr.status === 403) return `${not} The server refused the form (403). Allow cookies, reload the page and try again.`;
    if (xhr.status < 400) return `${not} The server answered with another page. Reload this one.`;
    return `${not} The server answered ${xhr.status}. Reload the page and try again.`;
  }

  document.addEventListener("htmx:beforeSwap", ({ detail }) => {
    const { xhr, requestConfig } = detail;
    for (const [key, trouble] of troubles) if (trouble.away) troubles.delete(key); // it answers again
    if (isPart(xhr)) {
      troubles.delete(keyOf(requestConfig));
      if (pressing && requestConfig.verb === "get") detail.shouldSwap = false;
    } else {
      detail.shouldSwap = false;
      troubles.set(keyOf(requestConfig), { text: sentence(xhr, requestConfig.verb !== "get") });
    }
    show();
  });

  for (const name of ["htmx:sendError", "htmx:timeout"]) {
    document.addEventListener(name, ({ detail }) => {
      const what = detail.requestConfig.verb === "get" ? "" : "Not done. ";
      const text = `${what}The server doesn’t answer. Is it still running in its terminal? This page goes on when it answers again.`;
      troubles.set(keyOf(detail.requestConfig), { text, away: true });
      show();
    });
  }

  document.addEventListener("click", ({ target }) => {
    if (!target.closest("#trouble button")) return;
    troubles.clear();
    show();
  });
}
