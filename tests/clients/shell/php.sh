#!/usr/bin/env bash
# A shell script with PHP's curl. What `loopdesk env` prints defines $me.
# shellcheck source=steps.sh
. "${BASH_SOURCE[0]%/*}/steps.sh"

fetch=("${BASH_SOURCE[0]%/*}/../php/fetch.php")
get() { php "${fetch[@]}" GET "$1"; }
post() { php "${fetch[@]}" POST "$1" "$2" "$3"; }
fetched() { get "$1"; }
me() { php -r 'require getenv("SNIPPET"); echo json_encode(["id" => $me->user->id]);'; }

play "$(php -r 'echo PHP_VERSION;')"
