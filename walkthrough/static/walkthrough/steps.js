"use strict";
// A chapter's steps: the seconds of the one that runs, and where the reader is when the steps are replaced.
// Without JavaScript the page is loaded anew after a step, with the outcome in view.
{
  //: Milliseconds between two looks at the clock.
  const TICK = 250;
  //: A step that began so many milliseconds later is another one.
  const LATE = 10000;
  const title = (name) => document.getElementById(`title-${name}`);
  const card = (name) => document.getElementById(`step-${name}`);

  //: When the running step began, by this page's clock. A slow answer makes it look later than it was.
  let began = Infinity;
  function start(seconds) {
    const found = performance.now() - 1000 * seconds;
    began = found - began > LATE ? found : Math.min(began, found);
    return began;
  }

  // The server says for how long a step has been running; from then on the page counts, and never backwards.
  function tick() {
    const running = document.querySelectorAll("[data-elapsed]");
    if (!running.length) began = Infinity;
    for (const one of running) {
      one.began ??= start(Number(one.dataset.elapsed));
      const seconds = (performance.now() - one.began) / 1000;
      if (one.localName === "progress") one.value = seconds;
      else one.textContent = Math.floor(seconds);
      for (const longer of document.querySelectorAll("[data-longer]")) longer.hidden = seconds <= Number(longer.dataset.longer);
    }
  }
  setInterval(tick, TICK);
  for (const swapped of ["htmx:afterSwap", "htmx:oobAfterSwap"]) document.addEventListener(swapped, tick);

  //: The step that this page started; empty when its outcome was shown.
  let pressed = "";
  document.addEventListener("htmx:beforeRequest", ({ target }) => {
    if (target.matches(".ask")) pressed = target.dataset.step;
  });

  // Results fold and new ones come, so what the reader looks at would move.
  let looking = "", top = 0;
  document.addEventListener("htmx:beforeSwap", ({ target }) => {
    if (target.id !== "steps") return;
    const seen = [...target.querySelectorAll(".step")].find((one) => one.getBoundingClientRect().bottom > 0);
    looking = pressed || document.activeElement.closest(".step")?.id.slice(5) || seen?.id.slice(5) || "";
    top = card(looking)?.getBoundingClientRect().top;
  });

  document.addEventListener("htmx:afterSwap", ({ target }) => {
    if (target.id !== "steps" || !card(looking)) return;
    scrollBy(0, card(looking).getBoundingClientRect().top - top);
    if (!pressed) return;
    const state = card(pressed).dataset.state;
    const free = document.activeElement === document.body || document.activeElement.closest("#steps, #next");
    if (free) title(pressed).focus({ preventScroll: true });
    if (state === "running") return;
    if (free && outside(card(pressed))) card(pressed).scrollIntoView();
    pressed = "";
  });

  function outside(one) {
    const { top: above, bottom: below } = one.getBoundingClientRect();
    return above < 0 || below > document.getElementById("next").getBoundingClientRect().top;
  }
}
