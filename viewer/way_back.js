// Watches the socket of the page. When it breaks: say so, wait for the server, load the page again (its view is in the
// address). `WORDS` and `SESSION_ENDED` stand above, written by connection.py.
(() => {
  const FIRST_WAIT_MS = 1000, LONGEST_WAIT_MS = 15000, RETURNS = 3, WITHIN_MS = 60000, KEY = "ep-returns"
  const lang = new URLSearchParams(location.search).get("lang")
  const words = WORDS[lang] ?? WORDS.de
  let leaving = false, lost = false, wake = null

  addEventListener("pagehide", () => { leaving = true })
  addEventListener("pageshow", () => { leaving = false })

  const bar = (text, with_button) => {
    document.getElementById("ep-connection")?.remove()
    const line = document.createElement("div")
    line.id = "ep-connection"
    line.setAttribute("role", "alert")
    line.style.cssText = "position:fixed;top:0;left:0;right:0;z-index:100000;padding:10px 16px;background:#8a4b00;" +
      "color:#fff;font:14px/1.4 Roboto,system-ui,sans-serif;display:flex;gap:14px;align-items:center;" +
      "justify-content:center;flex-wrap:wrap"
    line.append(text)
    if (with_button) {
      const button = document.createElement("button")
      button.textContent = words.reload
      button.style.cssText = "font:inherit;padding:4px 14px;border:1px solid #fff;border-radius:6px;background:none;" +
        "color:#fff;cursor:pointer"
      button.onclick = () => { sessionStorage.removeItem(KEY); location.reload() }
      line.append(button)
    }
    document.body.append(line)
  }

  const pause = (ms) => new Promise((go) => { wake = go; setTimeout(go, ms) })
  addEventListener("online", () => wake?.())
  document.addEventListener("visibilitychange", () => wake?.())

  const answers = async () => {
    if (document.visibilityState !== "visible") { return false }
    try {
      await fetch(new URL("health", document.baseURI), { cache: "no-store" })
      return true
    } catch { return false }
  }

  const come_back = async (at_once) => {
    const before = JSON.parse(sessionStorage.getItem(KEY) ?? "[]").filter((t) => Date.now() - t < WITHIN_MS)
    if (before.length >= RETURNS) { bar(words.failed, true); return }
    if (!at_once) { bar(words.lost, false) }
    for (let wait = FIRST_WAIT_MS; !await answers(); wait = Math.min(1.5 * wait, LONGEST_WAIT_MS)) {
      bar(words.lost, false)
      await pause(wait)
    }
    sessionStorage.setItem(KEY, JSON.stringify([...before, Date.now()]))
    location.reload()
  }

  window.WebSocket = class extends window.WebSocket {
    constructor(address, protocols) {
      super(address, protocols)
      if (![protocols].flat().includes("bokeh")) { return }
      this.addEventListener("close", (event) => {
        if (leaving || lost) { return }
        lost = true
        come_back(event.code === SESSION_ENDED)
      })
    }
  }
})()
