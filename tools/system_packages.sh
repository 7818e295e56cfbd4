#!/usr/bin/env bash
# Make sure that the named system packages are there: `ocr` (tesseract with Kazakh, Russian, English), `browser` (Chromium).
# Root (or sudo without a password) installs what is missing; as root or with CI=true a failure to do so is an error.
set -u
declare -A PACKAGES=(
  [ocr]="tesseract-ocr tesseract-ocr-kaz tesseract-ocr-rus tesseract-ocr-eng"
  [browser]="chromium fonts-dejavu-core"
)
declare -A LOSS=(
  [ocr]="scanned pages are marked needs_ocr and are not searched"
  [browser]="the browser tests are not run"
)

present() {
  case $1 in
    ocr)
      command -v tesseract >/dev/null 2>&1 || return 1
      for language in kaz rus eng; do
        tesseract --list-langs 2>/dev/null | grep -qx "$language" || return 1
      done ;;
    browser) command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1 ;;
  esac
}

install() {
  local as=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null || return 1
    as=(sudo -n)
  fi
  command -v apt-get >/dev/null 2>&1 || return 1
  echo "Installing ${PACKAGES[$1]}…"
  "${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ${PACKAGES[$1]} >/dev/null 2>&1 && return 0
  "${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq >/dev/null 2>&1
  "${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ${PACKAGES[$1]} >/dev/null
}

status=0
for what in "$@"; do
  present "$what" && continue
  if install "$what" && present "$what"; then
    continue
  fi
  echo "Not installed: ${LOSS[$what]}. To change that:  sudo apt install ${PACKAGES[$what]}" >&2
  if [ "$(id -u)" -eq 0 ] || [ "${CI:-}" = true ]; then
    status=1
  fi
done
exit $status
