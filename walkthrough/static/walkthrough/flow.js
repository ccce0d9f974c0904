"use strict";
// Keeps the picture of the flow as it is now, and moves a dot for each event whose outcome the tables tell.
// Without JavaScript the picture stands still, and its parts are links to the same strip.
{
  //: Milliseconds between two looks, for a dot's whole way and its rest at the end, and for a pulled change.
  const EVERY = 1000, WAY = 1400, REST = 350, FEED = 700;
  //: Milliseconds that a dot is shown without motion.
  const STILL = 900;
  //: The most dots at once. Of more events, one in n is shown.
  const MOST = 20;
  const SVG = "http://www.w3.org/2000/svg";
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const flying = [];

  const visible = (flow) => [...flow.querySelectorAll(".flow-size")].find((one) => one.getClientRects().length);
  const nowOf = (part) => JSON.parse(part.dataset.now || "null");

  // --- Dots ---

  function dot(svg, outcome, delay) {
    const layer = svg.querySelector(".dots");
    const way = JSON.parse(svg.dataset.travel)[outcome];
    if (!way) return;
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", way);
    const mark = document.createElementNS(SVG, "use");
    const kind = outcome === "feed" ? "applied" : outcome;
    mark.setAttribute("href", `#m-${kind}`);
    mark.setAttribute("class", `m ${kind}`);
    mark.dataset.outcome = outcome;
    flying.push({ layer, mark, path, length: path.getTotalLength(), begins: performance.now() + delay, lasts: outcome === "feed" ? FEED : WAY });
    if (flying.length === 1) requestAnimationFrame(move);
  }

  function move(time) {
    for (let place = flying.length; place--;) {
      const one = flying[place];
      const passed = time - one.begins;
      if (passed < 0) continue;
      if (passed > (still.matches ? STILL : one.lasts + REST) || document.hidden) {
        one.mark.remove();
        flying.splice(place, 1);
        continue;
      }
      const { x, y } = one.path.getPointAtLength(one.length * (still.matches ? 1 : Math.min(1, passed / one.lasts)));
      one.mark.setAttribute("transform", `translate(${x.toFixed(1)} ${y.toFixed(1)})`);
      if (!one.mark.parentNode) one.layer.append(one.mark);
    }
    if (flying.length) requestAnimationFrame(move);
  }

  // What the counters gained since the last look. After a reset they are lower, and nothing moves. Lost events are told apart by their
  // ids, because they are counted among the newest events only.
  function gained(flow, before, now) {
    const found = now.lost.filter((id) => !flow.lost.has(id)).map(() => "lost");
    for (const id of now.lost) flow.lost.add(id);
    for (const [outcome, number] of Object.entries(now.counts)) {
      for (let count = before.counts[outcome]; count < number && outcome !== "lost"; count++) found.push(outcome);
    }
    return found;
  }

  function send(flow, before, now) {
    const svg = visible(flow)?.querySelector("svg");
    const sample = flow.querySelector("[data-sample]");
    if (!before || !now || !svg) return;
    const events = gained(flow, before, now);
    const share = Math.max(1, Math.ceil(events.length / MOST));
    if (sample) sample.textContent = share > 1 ? `1 of ${share} shown.` : "";
    const shown = events.filter((_, place) => place % share === 0);
    const free = Math.max(0, MOST - flying.length);
    shown.slice(0, free).forEach((outcome, place) => dot(svg, outcome, (place * EVERY) / Math.max(4, shown.length)));
    const pulled = now.pulled.filter((position) => !before.pulled.includes(position));
    pulled.slice(0, Math.max(0, free - shown.length)).forEach((_, place) => dot(svg, "feed", place * 120));
  }

  // --- The state ---

  // The links stay the same elements, so that a part keeps the focus and a click on it isn't lost.
  function update(svg, fresh) {
    svg.querySelector(".ground").innerHTML = fresh.querySelector(".ground").innerHTML;
    for (const part of svg.querySelectorAll(".part")) {
      const other = fresh.querySelector(`[data-part="${part.dataset.part}"]`);
      if (!other) continue;
      if (part.innerHTML !== other.innerHTML) part.innerHTML = other.innerHTML;
      part.setAttribute("class", other.getAttribute("class"));
      if (part.getAttribute("aria-label") !== other.getAttribute("aria-label")) part.setAttribute("aria-label", other.getAttribute("aria-label"));
      part.toggleAttribute("aria-current", false);
      if (other.hasAttribute("aria-current")) part.setAttribute("aria-current", "true");
    }
  }

  async function look(flow) {
    const size = visible(flow);
    const query = `${size ? `&width=${size.dataset.width}` : ""}${flow.dataset.part ? `&part=${flow.dataset.part}` : ""}`;
    const answer = await fetch(flow.dataset.flow + query);
    if (!answer.ok) throw new Error(`${answer.status}`);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    const now = flow.querySelector(".flow-now"), next = fresh.querySelector(".flow-now");
    const svg = size?.querySelector("svg"), other = fresh.querySelector("svg.flow-svg");
    if (svg && other) update(svg, other);
    else now.innerHTML = next.innerHTML; // the databases went away, or came back
    for (const name of [".flow-legend", ".flow-last"]) {
      const [here, there] = [now.querySelector(name), next.querySelector(name)];
      if (here && there && here.innerHTML !== there.innerHTML) here.innerHTML = there.innerHTML;
    }
    send(flow, nowOf(now), nowOf(next));
    if (next.dataset.now) now.dataset.now = next.dataset.now;
    const [strip, words] = [flow.querySelector("#flow-strip"), fresh.querySelector(".flow-strip")];
    if (strip.innerHTML !== words.innerHTML) strip.innerHTML = words.innerHTML;
    flow.toggleAttribute("data-away", false);
  }

  async function keep(flow) {
    if (document.visibilityState === "visible" && !flow.looking) {
      flow.looking = true;
      await look(flow).catch(() => flow.toggleAttribute("data-away", true));
      flow.looking = false;
    }
    setTimeout(() => keep(flow), EVERY);
  }

  // --- The strip about a part ---

  async function open(flow, part) {
    flow.dataset.part = part;
    for (const one of flow.querySelectorAll(".part")) one.toggleAttribute("aria-current", false);
    await look(flow).catch(() => flow.toggleAttribute("data-away", true));
  }

  function close(flow) {
    const part = flow.dataset.part;
    if (!part) return;
    const inside = flow.querySelector("#flow-strip").contains(document.activeElement);
    open(flow, "");
    flow.querySelector("#flow-strip").innerHTML = "";
    if (inside) visible(flow)?.querySelector(`[data-part="${part}"]`)?.focus();
  }

  for (const flow of document.querySelectorAll("[data-flow]")) {
    flow.lost = new Set(nowOf(flow.querySelector(".flow-now"))?.lost);
    flow.dataset.part = flow.querySelector("[aria-current]")?.dataset.part || "";
    flow.addEventListener("click", (event) => {
      const part = event.target.closest(".part"), end = event.target.closest(".flow-close");
      if (!(part || end) || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      if (end || part.dataset.part === flow.dataset.part) close(flow);
      else open(flow, part.dataset.part);
    });
    setTimeout(() => keep(flow), EVERY);
    document.addEventListener("keydown", (event) => { if (event.key === "Escape") close(flow); });
  }
}
