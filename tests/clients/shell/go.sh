#!/usr/bin/env bash
# A shell script with Go's net/http. What `loopdesk env` prints is a program.
# shellcheck source=steps.sh
. "${BASH_SOURCE[0]%/*}/steps.sh"

# Nothing is downloaded: it needs only Go's standard library.
export GOPROXY=off GOFLAGS=-mod=mod GOTOOLCHAIN=local GOTELEMETRY=off
export GOCACHE=${GOCACHE:-$(cd "${BASH_SOURCE[0]%/*}/../../.." && pwd)/target/clients/go}
built=$(mktemp -d)
trap 'rm -rf "$built"' EXIT
go build -o "$built/fetch" "${BASH_SOURCE[0]%/*}/../go/fetch.go"
cp "$SNIPPET" "$built/snippet.go"
go build -o "$built/snippet" "$built/snippet.go"
get() { "$built/fetch" GET "$1"; }
post() { "$built/fetch" POST "$1" "$2" "$3"; }
fetched() { get "$1"; }
me() { "$built/snippet" | field '"{\"id\": %d}" % page["user"]["id"]'; }

version=$(go version)
version=${version#go version go}
play "${version%% *}"
