// A clock inside the page, for `bench_viewer.py`: notes in each frame what has come to the screen and when it was
// painted. Whoever asks from outside asks every half second.

(() => {
  const roots = [document], attach = Element.prototype.attachShadow
  Element.prototype.attachShadow = function (options) {
    const root = attach.call(this, options)
    roots.push(root)
    return root
  }

  const all = (selector) => roots.flatMap((root) => [...root.querySelectorAll(selector)])
  const stands = (element) => element.checkVisibility() && element.getClientRects().length > 0
  const area = (element) => {
    for (let at = element; at; at = at.parentElement ?? at.getRootNode().host) {
      if (at.classList?.contains("ep-panel")) { return at }
    }
    return null
  }
  const picture_under = (title) => {
    const heading = all("h2").find((h) => h.textContent.startsWith(title) && stands(h))
    const own = heading && area(heading)
    return Boolean(own) && all("canvas").some((c) => area(c) === own && stands(c))
  }

  const wanted = new Map()
  const clock = { clicked: null, seen: {} }
  const painted = (done) => requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now())))
  const look = () => {
    for (const [name, holds] of wanted) {
      if (!holds()) { continue }
      wanted.delete(name)
      painted((ms) => { clock.seen[name] = ms })
    }
    requestAnimationFrame(look)
  }
  requestAnimationFrame(look)
  document.addEventListener("click", (event) => { clock.clicked ??= event.timeStamp }, true)

  clock.sign = (selector) => { wanted.set(selector, () => all(selector).some(stands)) }
  clock.tab = (title) => {
    clock.clicked = null
    delete clock.seen[title]
    wanted.set(title, () => clock.clicked !== null && picture_under(title))
  }
  window.page_clock = clock
})()
