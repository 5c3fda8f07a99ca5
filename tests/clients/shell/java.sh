#!/usr/bin/env bash
# A shell script with Java's HttpURLConnection. What `loopdesk env` prints is a program, which Java
# runs from its source.
# shellcheck source=steps.sh
. "${BASH_SOURCE[0]%/*}/steps.sh"

built=$(mktemp -d)
trap 'rm -rf "$built"' EXIT
options=(-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xshare:auto)
javac -d "$built" "${BASH_SOURCE[0]%/*}/../java/Fetch.java"
cp "$SNIPPET" "$built/Me.java"
run() { java "${options[@]}" -cp "$built" Fetch "$@"; }
get() { run GET "$1"; }
post() { run POST "$1" "$2" "$3"; }
fetched() { get "$1"; }
me() { java "${options[@]}" "$built/Me.java" | field '"{\"id\": %d}" % page["user"]["id"]'; }

version=$(java -version 2>&1 | head -n 1)
version=${version#*\"}
play "${version%%\"*}"
