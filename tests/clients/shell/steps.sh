# Shared by all shell drivers: reads steps as lines, writes the result of each as JSON.
#
# A driver defines `get URL`, `post URL TYPE FILE` and `fetched URL`, each to standard output.
# shellcheck shell=bash
set -euo pipefail

: "${CREDENTIAL:?}" "${TOKEN:?}" "${SUBJECT:?}" "${FILE:?}" "${SNIPPET:?}" "${ZENDESK_BASE_URL:?}"
email=me@example.com
token=$TOKEN
base=$ZENDESK_BASE_URL

field() { # EXPRESSION of the JSON on standard input
    python3 -c 'import json, sys
page = json.load(sys.stdin)
value = eval(sys.argv[1])
if value is not None: print(value)' "$1"
}

pages() { # URL LINK [KEY]
    local url=$1 key=${3:-tickets} page ids=
    while [[ $url ]]; do
        page=$(get "$url")
        ids+=$(field "' '.join(str(t['id']) for t in page['$key'])" <<<"$page")" "
        url=$(field "$2" <<<"$page")
    done
    python3 -c 'import json, sys; print(json.dumps({"ids": [int(i) for i in sys.argv[1].split()]}))' "$ids"
}

sent() { # URL JSON
    local file
    file=$(mktemp)
    printf %s "$2" >"$file"
    post "$1" application/json "$file"
}

me() { sh -eu "$SNIPPET" | field '"{\"id\": %d}" % page["user"]["id"]'; }
offset() { pages "$base/api/v2/tickets.json" 'page["next_page"]'; }
cursor() {
    pages "$base/api/v2/tickets.json?page%5Bsize%5D=100" \
        'page["links"]["next"] if page["meta"]["has_more"] else None'
}
export_all() {
    pages "$base/api/v2/incremental/tickets/cursor.json?start_time=0&per_page=100" \
        'None if page["end_of_stream"] else page["after_url"]'
}
search() {
    get "$base/api/v2/search.json?query=created>2025-01-01" |
        field 'json.dumps({"ids": [one["id"] for one in page["results"]]})'
}
query() {
    pages "$base/api/v2/search/export.json?query=*&filter%5Btype%5D=ticket&page%5Bsize%5D=100" \
        'page["links"]["next"] if page["meta"]["has_more"] else None' results
}
create() {
    sent "$base/api/v2/tickets.json" \
        "{\"ticket\":{\"subject\":\"$SUBJECT\",\"comment\":{\"body\":\"Unmodified\"}}}" |
        field '"{\"id\": %d}" % page["ticket"]["id"]'
}
upload() {
    post "$base/api/v2/uploads.json?filename=image.png" image/png "$FILE" >"$FILE.uploaded"
    field '"{\"token\": \"%s\"}" % page["upload"]["token"]' <"$FILE.uploaded"
}
download() {
    file_at "$(field 'page["upload"]["attachment"]["content_url"]' <"$FILE.uploaded")"
}
file_at() { # URL
    local sum
    sum=$(fetched "$1" | sha256sum)
    printf '{"sha256": "%s"}\n' "${sum%% *}"
}
article() {
    local id
    id=$(get "$base/api/v2/help_center/articles.json" | field 'page["articles"][0]["id"]')
    file_at "$(get "$base/api/v2/help_center/articles/$id/attachments.json" |
        field 'page["article_attachments"][0]["content_url"]')"
}
recording() {
    file_at "$(get "$base/api/v2/tickets/4/comments.json" |
        field '[c for c in page["comments"] if c["type"] == "VoiceComment"][0]["data"]["recording_url"]')"
}
job() {
    local one="{\"subject\":\"$SUBJECT\",\"comment\":{\"body\":\"one of two\"}}" status
    status=$(sent "$base/api/v2/tickets/create_many.json" "{\"tickets\":[$one,$one]}")
    while [[ $(field 'page["job_status"]["status"]' <<<"$status") != completed ]]; do
        status=$(get "$(field 'page["job_status"]["url"]' <<<"$status")")
    done
    field '"{\"results\": %d}" % len(page["job_status"]["results"])' <<<"$status"
}

play() { # VERSION
    local step done
    printf '{"version": "%s"}\n' "$1"
    while read -r step; do
        if [[ $step == export ]]; then step=export_all; fi
        if ! declare -F "$step" >/dev/null; then
            echo '{"cannot": true}'
            continue
        fi
        # A function in a condition would continue after an error, because `set -e` is off there.
        set +e
        done=$(set -e; "$step" </dev/null)
        local code=$?
        set -e
        if ((code == 0)); then
            printf '{"done": %s}\n' "$done"
        else
            printf '{"failed": "exit code %d"}\n' "$code"
        fi
    done
}
