#!/usr/bin/env bash
# A shell script with GNU Wget.
# shellcheck source=steps.sh
. "${BASH_SOURCE[0]%/*}/steps.sh"

if [[ $CREDENTIAL == basic ]]; then
    credential=(--auth-no-challenge "--user=$email/token" "--password=$token")
else
    settings=$(mktemp)
    trap 'rm -f "$settings"' EXIT
    echo "header = Authorization: Bearer $token" >"$settings"
    credential=("--config=$settings")
fi
# Under `loopdesk exec`, wget has to be told where the certificates are.
if [[ ${SETTING:-} ]]; then credential+=("--ca-certificate=$SSL_CERT_FILE"); fi
get() { wget -nv -O- "${credential[@]}" "$1"; }
post() { wget -nv -O- "${credential[@]}" --header "Content-Type: $2" "--post-file=$3" "$1"; }
# wget would send the credential to the host of the redirect as well, which refuses it.
fetched() {
    local head location
    head=$(wget -nv -S --max-redirect=0 -O "$FILE.fetched" "${credential[@]}" "$1" 2>&1) || true
    location=$(sed -n 's/^ *Location: *//Ip' <<<"$head" | tr -d '\r')
    if [[ $location ]]; then wget -qO- ${SETTING:+"--ca-certificate=$SSL_CERT_FILE"} "$location"; else cat "$FILE.fetched"; fi
}

version=$(wget --version | head -n 1)
version=${version#GNU Wget }
play "${version%% *}"
