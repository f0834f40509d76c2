// The page can do without this. With it, times say what the reader's own clock shows, and the page
// brings itself up to date: it asks whether anything changed, and exchanges what is shown only if
// it did, so that an opened row stays open and nothing jumps.
(() => {
  "use strict";
  const every = 15000;
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const local = new Intl.DateTimeFormat(undefined, {dateStyle: "medium", timeStyle: "short"});
  let last = null;

  const explainTimes = () => {
    for (const time of document.querySelectorAll("time[datetime]")) {
      const at = new Date(time.dateTime);
      if (!Number.isNaN(at.getTime())) time.title = `${local.format(at)}, ${zone}`;
    }
  };

  const exchange = (text) => {
    const next = new DOMParser().parseFromString(text, "text/html");
    const main = next.querySelector("main");
    if (!main) return;
    for (const shown of document.querySelectorAll("main details[id]")) {
      const same = next.getElementById(shown.id);
      if (same) same.open = shown.open;
    }
    const focused = document.activeElement && document.activeElement.closest("details[id]");
    for (const part of ["main", "footer", ".asof"]) {
      const [shown, fresh] = [document.querySelector(part), next.querySelector(part)];
      if (shown && fresh) shown.replaceWith(document.adoptNode(fresh));
      else if (shown) shown.remove();
      else if (fresh) document.querySelector("main").before(document.adoptNode(fresh));
    }
    document.title = next.title;
    const icon = document.querySelector('link[rel="icon"]');
    const nextIcon = next.querySelector('link[rel="icon"]');
    if (icon && nextIcon) icon.href = nextIcon.getAttribute("href");
    if (focused) document.getElementById(focused.id)?.querySelector("summary")?.focus();
    explainTimes();
  };

  const look = async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch(location.href, {cache: "no-cache", headers: {Accept: "text/html"}});
      if (!answer.ok) return;
      const text = await answer.text();
      if (text !== last) exchange(text);
      last = text;
    } catch {
      // The network is away; what is shown stays, and the next look tries again.
    }
  };

  explainTimes();
  setInterval(look, every);
  document.addEventListener("visibilitychange", look);
})();
