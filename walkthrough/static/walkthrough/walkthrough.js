"use strict";
// What htmx doesn't do: send the current CSRF token, and explain answers that aren't a part of a page.
// Without JavaScript every form is a plain POST and needs none of this.
{
  //: Milliseconds that a request for newer content may take. A button's request may take longer.
  const LOOK = 10000;
  //: Request to its problem: buttons share one entry, each part that updates itself has its own.
  const troubles = new Map();

  const keyOf = (config) => (config.verb === "get" ? config.path.split("?")[0] : "act");

  function show() {
    const box = document.getElementById("trouble");
    const [text] = [...(troubles.has("act") ? [troubles.get("act")] : troubles.values())].map((one) => one.text);
    const line = box.querySelector("p");
    if (line.textContent !== (text || "")) line.textContent = text || ""; // screen readers would read an equal text again
    box.hidden = !text;
  }

  function cookie(name) {
    const found = document.cookie.split("; ").find((one) => one.startsWith(`${name}=`));
    return found ? decodeURIComponent(found.slice(name.length + 1)) : "";
  }

  // A login in another tab gives the browser a new token, and the one in this page's forms is invalid from then on.
  document.addEventListener("htmx:configRequest", ({ detail }) => {
    if (detail.verb === "get") detail.timeout = LOOK;
    else if (cookie("csrftoken")) detail.parameters.csrfmiddlewaretoken = cookie("csrftoken");
  });

  // A button comes first. A request that began before it would restore the old state, and replace the button.
  document.addEventListener("htmx:beforeSend", ({ detail }) => {
    if (detail.requestConfig.verb === "get") return;
    for (const looking of document.querySelectorAll("[hx-get].htmx-request")) htmx.trigger(looking, "htmx:abort");
  });

  // A click is a press and a release on the same button. A button that is replaced in between gets no click. The page doesn't notice a
  // release in another window or in a menu, so everything that takes the pointer there ends the press, too.
  let pressing = false;
  const released = () => { pressing = false; };
  document.addEventListener("pointerdown", ({ button }) => { pressing = button === 0; }, true);
  for (const name of ["pointerup", "pointercancel", "dragend", "contextmenu", "visibilitychange"]) {
    document.addEventListener(name, released, true);
  }
  window.addEventListener("blur", released); // only the window's; a field that loses the focus to a press has one, too

  // A button that can't be undone asks first. While it asks, its part of the page isn't replaced: a button that is gone does nothing.
  const asking = () => document.getElementById("confirm");
  document.addEventListener("htmx:confirm", (event) => {
    if (!event.detail.question) return;
    event.preventDefault();
    const dialog = asking();
    dialog.querySelector("p").textContent = event.detail.question;
    dialog.querySelector("[value=yes]").textContent = event.target.dataset.confirm || "Yes";
    dialog.returnValue = "";
    dialog.onclose = () => { if (dialog.returnValue === "yes") event.detail.issueRequest(true); };
    dialog.showModal();
  });

  // A part of a page is HTML without a document around it. Anything else comes from Django or a middleware.
  function isPart(xhr) {
    const type = xhr.getResponseHeader("Content-Type") || "";
    return xhr.status < 500 && type.startsWith("text/html") && xhr.response.trim() && !/^\s*<(!doctype|html)/i.test(xhr.response);
  }

  function sentence(xhr, acted) {
    const type = xhr.getResponseHeader("Content-Type") || "";
    const not = acted ? "Not done." : "This page can’t be updated.";
    if (xhr.status >= 400 && type.startsWith("text/plain") && xhr.response.trim()) return `${not} ${xhr.response.trim()}`;
    if (xhr.status >= 500 && acted) {
      return `The server answered ${xhr.status}; its log says why. Reload the page and check if it was done.`;
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
      if ((pressing || asking().open) && requestConfig.verb === "get") detail.shouldSwap = false;
    } else {
      detail.shouldSwap = false;
      troubles.set(keyOf(requestConfig), { text: sentence(xhr, requestConfig.verb !== "get") });
    }
    show();
  });

  for (const name of ["htmx:sendError", "htmx:timeout"]) {
    document.addEventListener(name, ({ detail }) => {
      const what = detail.requestConfig.verb === "get" ? "" : "Not done. ";
      const text = `${what}The server doesn’t answer. Is it still running in its terminal? This page continues when it answers again.`;
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
