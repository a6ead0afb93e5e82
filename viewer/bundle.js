// Lets pages start sooner and settle sooner; each part does nothing where what it changes is not there. See bundle.py.

(() => {
  const shim = window.importShim
  if (shim === undefined) { return }
  const own = (address) => import(new URL(address, document.baseURI).href)
  window.importShim = Object.assign(own, shim)
  const bundle = BUNDLE_ADDRESS
  if (bundle !== null) { own(bundle).catch(() => undefined) }
})();

(() => {
  const style = document.createElement("style")
  style.textContent = "#loader:not(.error) { background:none; pointer-events:none }" +
    " body:has([data-root-id]:not(:empty)) #loader:not(.error) { display:none !important }"
  document.head.append(style)
})();

(() => {
  const POLL_MS = 10, GIVE_UP_MS = 20_000, LONGEST_PAUSE_MS = 300

  // Every line and text of a picture asks the browser for styles `--bk-…` that nothing here sets, and each question
  // has the styles of the whole page computed anew.
  const keep_styles = () => {
    const visual = window.Bokeh?.require?.("core/visuals/visual")?.VisualProperties?.prototype
    if (visual?._get_css_value === undefined) { return false }
    visual._get_css_value = () => ""
    return true
  }

  // Whatever changes anywhere has the whole page laid out and every picture painted anew, for each change by itself:
  // changes that come while one layout would be computed wait for each other. A picture that is new has no layout until
  // then, so whoever computes the page's layout meanwhile (a change of size) has what waits done first.
  const calm = (view) => {
    const whole = view.invalidate_layout.bind(view), compute = view.compute_layout.bind(view)
    let timer = null, last_ms = 0
    const now = () => {
      clearTimeout(timer)
      timer = null
      if (view.is_destroyed) { return }
      const begun = performance.now()
      whole()
      last_ms = performance.now() - begun
    }
    view.invalidate_layout = () => { timer ??= setTimeout(now, Math.min(last_ms, LONGEST_PAUSE_MS)) }
    view.compute_layout = () => timer === null ? compute() : now()
  }

  const known = new WeakSet()
  const narrow = window.innerWidth < 600
  let styles = false, drawer = !narrow
  const look = () => {
    styles ||= keep_styles()
    for (const view of window.Bokeh?.index?.roots ?? []) {
      if (known.has(view) || !view.invalidate_layout || !view.compute_layout) { continue }
      known.add(view)
      calm(view)
    }
    for (const root of drawer ? [] : (window.Bokeh?.documents ?? []).flatMap((doc) => doc.roots())) {
      if (root.data?.sidebar_open === true) { root.data.sidebar_open = false; drawer = true }
    }
  }
  const timer = setInterval(look, POLL_MS)
  setTimeout(() => clearInterval(timer), GIVE_UP_MS)
})()
