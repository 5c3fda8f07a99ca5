//! Recipes for plain HTTP clients, without and with a local key. `tests/clients` runs them.
//!
//! The key is a Basic password or a bearer token: unlike a custom header, clients drop those when a
//! download redirects to another host.

pub(super) const CURL: &str = r#"
curl -sS "$ZENDESK_BASE_URL/api/v2/users/me.json"
"#;
/// curl hides the value of `-u` from the list of processes.
pub(super) const CURL_KEY: &str = r#"
curl -sS -u "any/token:@KEY@" "$ZENDESK_BASE_URL/api/v2/users/me.json"
"#;

pub(super) const WGET: &str = r#"
wget -qO- "$ZENDESK_BASE_URL/api/v2/users/me.json"
"#;
/// Wget's arguments are visible in the list of processes, so the key goes into a file.
pub(super) const WGET_KEY: &str = r#"
settings=$(mktemp) && trap 'rm "$settings"' EXIT
echo 'header = Authorization: Bearer @KEY@' >"$settings"
wget -qO- --config="$settings" "$ZENDESK_BASE_URL/api/v2/users/me.json"
"#;

pub(super) const URLLIB: &str = r#"
import json, os, urllib.request
BASE = os.environ["ZENDESK_BASE_URL"]
me = json.load(urllib.request.urlopen(BASE + "/api/v2/users/me.json"))
"#;
/// A plain header would be sent on after a redirect to another host.
pub(super) const URLLIB_KEY: &str = r#"
import json, os, urllib.request
BASE = os.environ["ZENDESK_BASE_URL"]
request = urllib.request.Request(BASE + "/api/v2/users/me.json")
request.add_unredirected_header("Authorization", "Bearer @KEY@")
me = json.load(urllib.request.urlopen(request))
"#;

pub(super) const REQUESTS: &str = r#"
import os, requests
BASE = os.environ["ZENDESK_BASE_URL"]
me = requests.get(BASE + "/api/v2/users/me.json").json()
"#;
pub(super) const REQUESTS_KEY: &str = r#"
import os, requests
BASE = os.environ["ZENDESK_BASE_URL"]
AUTH = ("any/token", "@KEY@")
me = requests.get(BASE + "/api/v2/users/me.json", auth=AUTH).json()
"#;

pub(super) const HTTPX_NOTES: &[&str] =
    &["httpx follows redirects only if told to, and downloads are redirects:"];
pub(super) const HTTPX: &str = r#"
import os, httpx
BASE = os.environ["ZENDESK_BASE_URL"]
client = httpx.Client(base_url=BASE, follow_redirects=True)
me = client.get("/api/v2/users/me.json").json()
"#;
pub(super) const HTTPX_KEY: &str = r#"
import os, httpx
BASE = os.environ["ZENDESK_BASE_URL"]
AUTH = ("any/token", "@KEY@")
client = httpx.Client(base_url=BASE, auth=AUTH, follow_redirects=True)
me = client.get("/api/v2/users/me.json").json()
"#;

pub(super) const AIOHTTP: &str = r#"
import aiohttp, asyncio, os
BASE = os.environ["ZENDESK_BASE_URL"]
async def get(path):
    async with aiohttp.ClientSession(BASE) as session, session.get(path) as answer:
        return await answer.json()
me = asyncio.run(get("/api/v2/users/me.json"))
"#;
pub(super) const AIOHTTP_KEY: &str = r#"
import aiohttp, asyncio, os
BASE = os.environ["ZENDESK_BASE_URL"]
AUTH = aiohttp.BasicAuth("any/token", "@KEY@")
async def get(path):
    async with aiohttp.ClientSession(BASE, auth=AUTH) as session, session.get(path) as answer:
        return await answer.json()
me = asyncio.run(get("/api/v2/users/me.json"))
"#;

pub(super) const FETCH: &str = r#"
const BASE = process.env.ZENDESK_BASE_URL;
const me = fetch(BASE + "/api/v2/users/me.json").then((answer) => answer.json());
"#;
pub(super) const FETCH_KEY: &str = r#"
const BASE = process.env.ZENDESK_BASE_URL;
const headers = { Authorization: "Bearer @KEY@" };
const me = fetch(BASE + "/api/v2/users/me.json", { headers }).then((answer) => answer.json());
"#;

pub(super) const AXIOS: &str = r#"
const BASE = process.env.ZENDESK_BASE_URL;
const client = require("axios").create({ baseURL: BASE });
const me = client.get("/api/v2/users/me.json").then((answer) => answer.data);
"#;
pub(super) const AXIOS_KEY: &str = r#"
const BASE = process.env.ZENDESK_BASE_URL;
const auth = { username: "any/token", password: "@KEY@" };
const client = require("axios").create({ baseURL: BASE, auth });
const me = client.get("/api/v2/users/me.json").then((answer) => answer.data);
"#;

pub(super) const PERL: &str = r#"
use LWP::UserAgent; use JSON::PP;
my $base = $ENV{ZENDESK_BASE_URL};
my $agent = LWP::UserAgent->new;
my $me = decode_json($agent->get("$base/api/v2/users/me.json")->content);
"#;
pub(super) const PERL_KEY: &str = r#"
use LWP::UserAgent; use JSON::PP;
my $base = $ENV{ZENDESK_BASE_URL};
my $agent = LWP::UserAgent->new;
my @auth = (Authorization => "Bearer @KEY@");
my $me = decode_json($agent->get("$base/api/v2/users/me.json", @auth)->content);
"#;

pub(super) const RUBY: &str = r##"
require "json"; require "net/http"
base = ENV.fetch("ZENDESK_BASE_URL")
me = JSON.parse(Net::HTTP.get(URI("#{base}/api/v2/users/me.json")))
"##;
pub(super) const RUBY_KEY: &str = r##"
require "json"; require "net/http"
base = ENV.fetch("ZENDESK_BASE_URL")
auth = { "Authorization" => "Bearer @KEY@" }
me = JSON.parse(Net::HTTP.get(URI("#{base}/api/v2/users/me.json"), auth))
"##;

pub(super) const PHP: &str = r#"
<?php
$base = getenv("ZENDESK_BASE_URL");
$me = json_decode(file_get_contents("$base/api/v2/users/me.json"));
"#;
/// `file_get_contents` would send its headers on after a redirect to another host.
pub(super) const PHP_KEY: &str = r#"
<?php
$base = getenv("ZENDESK_BASE_URL");
$curl = curl_init("$base/api/v2/users/me.json");
$options = [CURLOPT_USERPWD => "any/token:@KEY@", CURLOPT_RETURNTRANSFER => true];
curl_setopt_array($curl, $options);
$me = json_decode(curl_exec($curl));
"#;

pub(super) const GO: &str = r#"
package main

import ("io"; "net/http"; "os")

func main() {
	base := os.Getenv("ZENDESK_BASE_URL")
	me, err := http.Get(base + "/api/v2/users/me.json")
	if err != nil { panic(err) }
	io.Copy(os.Stdout, me.Body)
}
"#;
pub(super) const GO_KEY: &str = r#"
package main

import ("io"; "net/http"; "os")

func main() {
	base := os.Getenv("ZENDESK_BASE_URL")
	request, _ := http.NewRequest("GET", base + "/api/v2/users/me.json", nil)
	request.SetBasicAuth("any/token", "@KEY@")
	me, err := http.DefaultClient.Do(request)
	if err != nil { panic(err) }
	io.Copy(os.Stdout, me.Body)
}
"#;

pub(super) const JAVA: &str = r#"
import java.net.URL;

public class Me {
    public static void main(String[] arguments) throws Exception {
        var base = System.getenv("ZENDESK_BASE_URL");
        var me = new URL(base + "/api/v2/users/me.json").openConnection();
        me.getInputStream().transferTo(System.out);
    }
}
"#;
pub(super) const JAVA_KEY: &str = r#"
import java.net.URL;

public class Me {
    public static void main(String[] arguments) throws Exception {
        var base = System.getenv("ZENDESK_BASE_URL");
        var me = new URL(base + "/api/v2/users/me.json").openConnection();
        me.setRequestProperty("Authorization", "Bearer @KEY@");
        me.getInputStream().transferTo(System.out);
    }
}
"#;

pub(super) const R_NOTES: &[&str] = &[
    "zdeskR has https://SUBDOMAIN.zendesk.com in its code; httr2 does the same in a few lines.",
    "RStudio doesn't see the shell's variables: put ZENDESK_BASE_URL into ~/.Renviron for it.",
];
pub(super) const R: &str = r#"
library(httr2)
base <- Sys.getenv("ZENDESK_BASE_URL")
me <- request(base) |> req_url_path_append("api/v2/users/me.json") |> req_perform() |> resp_body_json()
"#;
pub(super) const R_KEY: &str = r#"
library(httr2)
base <- Sys.getenv("ZENDESK_BASE_URL")
api <- request(base) |> req_auth_bearer_token("@KEY@")
me <- api |> req_url_path_append("api/v2/users/me.json") |> req_perform() |> resp_body_json()
"#;

pub(super) const JUPYTER_NOTES: &[&str] =
    &["A notebook doesn't see the shell's variables, so start with this cell:"];
pub(super) const JUPYTER: &str = r#"
import requests
BASE = "@BASE@"
me = requests.get(BASE + "/api/v2/users/me.json").json()
"#;
pub(super) const JUPYTER_KEY: &str = r#"
import requests
BASE = "@BASE@"
AUTH = ("any/token", "@KEY@")
me = requests.get(BASE + "/api/v2/users/me.json", auth=AUTH).json()
"#;

pub(super) const POSTMAN_NOTES: &[&str] = &[
    "Use Postman's desktop app: loopdesk refuses web pages, including Postman's.",
    "Set Authorization to `No Auth` and {{base_url}} in place of https://SUBDOMAIN.zendesk.com.",
    "Import this as an environment:",
];
pub(super) const POSTMAN_KEY_NOTES: &[&str] = &[
    "Use Postman's desktop app: loopdesk refuses web pages, including Postman's.",
    "Set Authorization to `Bearer Token`, the token to {{key}}, and {{base_url}} in place of",
    "https://SUBDOMAIN.zendesk.com. Import this as an environment:",
];
pub(super) const POSTMAN: &str = r#"
{
  "name": "loopdesk",
  "values": [{ "key": "base_url", "value": "@BASE@", "enabled": true }]
}
"#;
pub(super) const POSTMAN_KEY: &str = r#"
{
  "name": "loopdesk",
  "values": [
    { "key": "base_url", "value": "@BASE@", "enabled": true },
    { "key": "key", "value": "@KEY@", "type": "secret", "enabled": true }
  ]
}
"#;
