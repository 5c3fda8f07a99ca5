#!/usr/bin/env bash
# A shell script with curl.
# shellcheck source=steps.sh
. "${BASH_SOURCE[0]%/*}/steps.sh"

if [[ $CREDENTIAL == basic ]]; then
    credential=(-u "$email/token:$token")
else
    credential=(-H "Authorization: Bearer $token")
fi
get() { curl -sSfg "${credential[@]}" "$1"; }
post() { curl -sSf "${credential[@]}" -H "Content-Type: $2" --data-binary "@$3" "$1"; }
fetched() { curl -sSfL "${credential[@]}" "$1"; }

version=$(curl --version | head -n 1)
version=${version#curl }
play "${version%% *}"
