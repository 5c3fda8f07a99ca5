#!/usr/bin/env bash
# A shell script with PHP's curl. What `loopdesk env` prints defines $me.
# shellcheck source=steps.sh
. "${BASH_SOURCE[0]%/*}/steps.sh"

fetch=("${BASH_SOURCE[0]%/*}/../php/fetch.php")
run() { php -d curl.cainfo="${SSL_CERT_FILE:-}" "$@"; }
get() { run "${fetch[@]}" GET "$1"; }
post() { run "${fetch[@]}" POST "$1" "$2" "$3"; }
fetched() { get "$1"; }
me() { run -r 'require getenv("SNIPPET"); echo json_encode(["id" => $me->user->id]);'; }

play "$(php -r 'echo PHP_VERSION;')"
