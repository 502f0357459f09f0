// What the page does besides showing what the server has sent: it follows, it can be used
// by keys, and it copies the command. All of it works without, but for following.
"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const tools = $("tools"), following = $("following"), content = $("content");
  const store = {
    get(key) { try { return localStorage.getItem("fairlead." + key); } catch { return null; } },
    set(key, value) { try { localStorage.setItem("fairlead." + key, value); } catch { /* then for this page only */ } },
  };
  const make = (name, text) => { const e = document.createElement(name); e.textContent = text; return e; };
  const button = (text, act) => { const b = make("button", text); b.type = "button"; b.addEventListener("click", act); return b; };

  // --- Following: the server sends the content again, and what has changed is replaced.
  const address = document.body.dataset.follow;
  let source = null, again = 0, paused = store.get("paused") === "yes";
  const parser = new DOMParser();

  // Whether a control is not as the server has sent it.
  const isFilledIn = (section) => [...section.querySelectorAll("input, select")].some((c) =>
    c.tagName === "SELECT" ? c.selectedIndex !== Math.max([...c.options].findIndex((o) => o.defaultSelected), 0) : c.value !== c.defaultValue);

  const replace = (html) => {
    const selected = document.getSelection();
    if (selected && !selected.isCollapsed && content.contains(selected.anchorNode)) return; // somebody is about to copy it
    const fresh = parser.parseFromString(html, "text/html");
    const row = document.activeElement && document.activeElement.closest("[data-live]") && document.activeElement.getAttribute("href");
    for (const now of content.querySelectorAll("[data-live]")) {
      const then = fresh.getElementById(now.id);
      if (!then || then.innerHTML === now.innerHTML) continue;
      if (now.querySelector("form") && (now.contains(document.activeElement) || isFilledIn(now))) continue; // somebody is about to send it
      const from = now.children, to = then.children;
      if (now.tagName === "TBODY") {
        // Rows stay where they are as long as they are the same.
        while (from.length > to.length) now.lastElementChild.remove();
        for (let i = 0; to.length > 0 && i < from.length; i++) {
          if (from[i].innerHTML !== to[0].innerHTML) from[i].replaceWith(to[0]); else to[0].remove();
        }
        now.append(...to);
      } else {
        now.replaceChildren(...then.childNodes);
      }
    }
    if (row && document.activeElement === document.body) {
      for (const link of content.querySelectorAll("a[href]")) {
        if (link.getAttribute("href") === row) { link.focus({ preventScroll: true }); break; }
      }
    }
    $("as-of").textContent = new Date().toISOString().replace(/\.\d+/, "");
  };

  const stop = () => { clearTimeout(again); if (source) source.close(); source = null; };
  const follow = () => {
    stop();
    if (!address) return;
    if (paused || document.hidden) { following.textContent = paused ? "not following" : ""; return; }
    source = new EventSource(address);
    source.addEventListener("open", () => { following.textContent = "following"; });
    source.addEventListener("page", (event) => replace(event.data));
    source.addEventListener("error", () => {
      following.textContent = "no answer; trying again";
      if (source && source.readyState === EventSource.CLOSED) again = setTimeout(follow, 10000);
    });
  };
  if (address && window.EventSource) {
    const pause = button("", () => { paused = !paused; store.set("paused", paused ? "yes" : "no"); name(); follow(); });
    const name = () => { pause.textContent = paused ? "Follow" : "Pause"; };
    name();
    tools.append(pause);
    // A browser keeps few connections to one server, so that pages nobody sees follow nothing.
    document.addEventListener("visibilitychange", follow);
    window.addEventListener("pagehide", stop);
    window.addEventListener("pageshow", (event) => { if (event.persisted) follow(); });
    follow();
  }

  // --- Copying the command.
  const command = $("command");
  if (command.textContent) {
    const copy = button("Copy", async () => {
      document.getSelection().selectAllChildren(command);
      try { await navigator.clipboard.writeText(command.textContent); copy.textContent = "Copied"; }
      catch { copy.textContent = "Selected"; } // without TLS browsers let no page copy
      setTimeout(() => { copy.textContent = "Copy"; document.getSelection().removeAllRanges(); }, 2000);
    });
    command.after(" ", copy);
  } else {
    command.parentElement.hidden = true;
  }

  // --- Keys.
  const help = make("dialog", "");
  help.setAttribute("aria-labelledby", "keys-title");
  const title = make("h2", "Keys");
  title.id = "keys-title";
  const keys = make("dl", "");
  for (const [key, what] of [["/", "filter the table"], ["j k", "next and previous row"], ["Enter", "open it"], ["o", "overview"], ["c", "clusters"], ["n p", "next and previous page of the table"], ["Esc", "leave the filter, close this"], ["?", "this"]]) {
    const dt = make("dt", "");
    for (const one of key.split(" ")) { dt.append(make("kbd", one), " "); }
    keys.append(dt, make("dd", what));
  }
  const label = make("label", " Use these keys");
  const use = document.createElement("input");
  use.type = "checkbox";
  use.checked = store.get("keys") !== "no";
  use.addEventListener("change", () => store.set("keys", use.checked ? "yes" : "no"));
  label.prepend(use);
  const last = make("p", "");
  last.append(button("Close", () => help.close()));
  help.append(title, keys, label, last);
  document.body.append(help);
  const open = () => { if (!help.open) help.showModal(); };
  tools.append(button("Keys", open));

  const rows = () => [...content.querySelectorAll("a[data-row]")];
  const step = (by) => {
    const all = rows(), at = all.indexOf(document.activeElement);
    const next = all[at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + by, 0), all.length - 1)];
    if (next) next.focus();
  };
  const go = (selector) => { const link = document.querySelector(selector); if (link) link.click(); };
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest && event.target.closest("input, textarea, select");
    if (event.key === "Escape" && typing && !help.open) { event.target.blur(); return; }
    if (!use.checked || typing || help.open || event.ctrlKey || event.metaKey || event.altKey) return;
    switch (event.key) {
      case "/": { const filter = $("filter"); if (!filter) { location.href = "/status/clusters"; return; } filter.focus(); filter.select(); break; }
      case "j": step(1); break;
      case "k": step(-1); break;
      case "o": go('header a[href="/status"]'); break;
      case "c": go('header a[href="/status/clusters"]'); break;
      case "n": go('a[rel="next"]'); break;
      case "p": go('a[rel="prev"]'); break;
      case "?": open(); break;
      default: return;
    }
    event.preventDefault();
  });
})();
