# shellcheck shell=bash
# A browser without a screen: Debian's Chromium, driven by its own WebDriver (https://www.w3.org/TR/webdriver2/).

# with_browser: starts it. It ends with `without_browser`.
with_browser() {
  [[ -x /usr/bin/chromedriver && -x /usr/bin/chromium ]] || {
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends -o DPkg::Lock::Timeout=300 \
      -o Dpkg::Options::=--force-unsafe-io chromium chromium-driver
  } >"$work/log/packages.log" 2>&1 || fail "$(tail "$work/log/packages.log")"
  local port said
  free_port port
  start chromedriver chromedriver --port="$port" --allowed-ips=127.0.0.1
  started chromedriver 20 curl --silent --fail "http://127.0.0.1:$port/status"
  browser=http://127.0.0.1:$port/session
  said=$(jq -n --arg home "$work/browser" '{capabilities: {alwaysMatch: {"goog:chromeOptions": {args: ["--headless=new",
    "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1280,900", "--user-data-dir=\($home)"]}}}}' | drive '')
  browser+=/$(jq -er .sessionId <<<"$said")
}

without_browser() {
  [[ -z ${browser:-} ]] || curl --silent --max-time 20 --request DELETE "$browser" >/dev/null || true
  stop chromedriver || true
}

# drive COMMAND < JSON: a command of WebDriver; prints the value of its answer.
drive() {
  curl --silent --show-error --fail-with-body --max-time 60 --header 'Content-Type: application/json' --data @- "$browser$1" |
    jq .value
}

# browse URL: opens a page.
browse() { jq -n --arg url "$1" '{$url}' | drive /url >/dev/null; }

# in_page SCRIPT: the value that it returns there, as JSON.
in_page() { jq -n --arg script "$1" '{$script, args: []}' | drive /execute/sync; }

# type_into SELECTOR TEXT: key by key, as a person does.
type_into() {
  local field
  field=$(jq -n --arg value "$1" '{using: "css selector", $value}' | drive /element | jq -er '.[]')
  jq -n --arg text "$2" '{$text}' | drive "/element/$field/value" >/dev/null
}

# window_of WIDTH HEIGHT: in pixels.
window_of() { jq -n --argjson width "$1" --argjson height "$2" '{$width, $height}' | drive /window/rect >/dev/null; }

# picture FILE: what the window shows, as PNG.
picture() { curl --silent --fail --max-time 60 "$browser/screenshot" | jq -er .value | base64 --decode >"$1"; }
