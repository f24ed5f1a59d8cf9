(() => {
  // The server makes all text of a page and escapes it; this script only asks for parts of it again.
  const byId = (name) => document.getElementById(name);
  const part = async (place, query, signal) => {
    const answer = await fetch(place.dataset.part + query, { signal, cache: "no-store" });
    const text = await answer.text();
    if (answer.ok) place.innerHTML = text;
    return answer.ok ? "" : new DOMParser().parseFromString(text, "text/html").getElementById("error")?.textContent || `error ${answer.status}`;
  };

  const live = byId("live");
  if (live) {
    const pause = byId("pause");
    const said = byId("said");
    let stopped = false;
    const tell = (text) => { if (said.textContent !== text) said.textContent = text; };
    const again = async () => {
      // A reader who selects text or has the focus in it is not disturbed.
      const busy = live.contains(document.activeElement) || !getSelection().isCollapsed || document.hidden;
      if (!stopped && !busy) {
        try { tell(await part(live, "")); } catch { tell("The server does not answer."); }
      }
      setTimeout(again, 2000);
    };
    pause.hidden = false;
    pause.addEventListener("click", () => {
      stopped = !stopped;
      pause.setAttribute("aria-pressed", stopped);
      pause.textContent = stopped ? "Go on" : "Pause";
    });
    setTimeout(again, 2000);
  }

  const sliders = byId("sliders");
  if (sliders) {
    const funnel = byId("funnel");
    const back = byId("back");
    const inputs = Array.from(sliders.querySelectorAll("input[type=range]"));
    let asking = null;
    let soon = 0;
    const isMoved = (input) => Number(input.value) !== Number(input.dataset.own);
    const show = (input) => {
      const row = input.closest(".slider");
      row.querySelector("output").textContent = Number(input.value).toFixed(input.dataset.places);
      row.classList.toggle("moved", isMoved(input));
    };
    const query = () => {
      const moved = inputs.filter(isMoved).map((input) => [input.name, input.value]);
      return moved.length ? `?${new URLSearchParams(moved)}` : "";
    };
    const ask = async () => {
      asking?.abort();
      asking = new AbortController();
      const mine = asking;
      funnel.setAttribute("aria-busy", "true");
      try {
        const problem = await part(funnel, query(), mine.signal);
        if (problem) funnel.textContent = problem;
        history.replaceState(null, "", `/thresholds${query()}`);
      } catch (error) {
        if (error.name !== "AbortError") funnel.textContent = "The server does not answer.";
      }
      if (mine === asking) funnel.setAttribute("aria-busy", "false");
    };
    const later = () => { back.hidden = !inputs.some(isMoved); clearTimeout(soon); soon = setTimeout(ask, 200); };
    for (const input of inputs) {
      show(input);
      input.addEventListener("input", () => { show(input); later(); });
    }
    back.hidden = !inputs.some(isMoved);
    back.addEventListener("click", () => {
      for (const input of inputs) { input.value = input.dataset.own; show(input); }
      later();
      inputs[0]?.focus();
    });
    sliders.addEventListener("submit", (event) => { event.preventDefault(); ask(); });
    sliders.querySelector("button[type=submit]").hidden = true;
  }

  if (document.body.dataset.page === "audit") {
    let sent = false;
    document.addEventListener("submit", (event) => {
      if (event.target.method !== "post") return;
      if (sent) event.preventDefault();  // one press, one mark
      sent = true;
    });
    addEventListener("pageshow", () => { sent = false; });
    document.addEventListener("keydown", (event) => {
      const typing = event.target.closest("input, select, textarea");
      if (typing || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
      document.querySelector(`[data-key="${CSS.escape(event.key.toLowerCase())}"]`)?.click();
    });
  }
})();
