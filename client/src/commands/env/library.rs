//! Recipes for Zendesk API libraries. `tests/clients` runs them.
//!
//! A library that requires a credential gets a local key or any word.

pub(super) const ANY_NOTES: &[&str] =
    &["The library requires a credential. loopdesk ignores it, so the script can keep its own:"];

/// The user name can stay as well.
pub(super) const KEY_NOTES: &[&str] = &["Put the key where the script has its API token:"];

pub(super) const ZENPY_NOTES: &[&str] =
    &["Scripts with Zenpy need no change. In a script without a credential, write:"];
pub(super) const ZENPY_KEY_NOTES: &[&str] =
    &["In scripts with Zenpy, put the key in place of the API token:"];
pub(super) const ZENPY: &str = r#"
from zenpy import Zenpy
zendesk = Zenpy(subdomain="@ACCOUNT@", email="any", token="@TOKEN@")
"#;

pub(super) const ZDESK: &str = r#"
import os
from zdesk import Zendesk
zendesk = Zendesk(os.environ["ZENDESK_BASE_URL"], zdesk_email="any", zdesk_api="@TOKEN@")
"#;

/// It follows only next links that contain `endpointUri`, so both come from one variable.
pub(super) const NODE_ZENDESK: &str = r#"
const { createClient } = require("node-zendesk");
const zendesk = createClient({
  endpointUri: process.env.ZENDESK_BASE_URL + "/api/v2",
  username: "any",
  token: "@TOKEN@",
});
"#;

pub(super) const ZENDESK_API: &str = r#"
require "zendesk_api"
zendesk = ZendeskAPI::Client.new do |config|
  config.url = ENV["ZENDESK_BASE_URL"] + "/api/v2"
  config.allow_http = true
  config.username = config.token = "any"
end
"#;

pub(super) const ZENDESK_API_KEY: &str = r#"
require "zendesk_api"
zendesk = ZendeskAPI::Client.new do |config|
  config.url = ENV["ZENDESK_BASE_URL"] + "/api/v2"
  config.allow_http = true
  config.username = "any"
  config.token = "@KEY@"
end
"#;

pub(super) const PYTHON_ZENDESK: &str = r#"
import os
from zendesk import Zendesk, models
zendesk = Zendesk(
    server_url=os.environ["ZENDESK_BASE_URL"],
    security=models.Security(username="any", password="@TOKEN@"),
)
"#;

pub(super) const DLT: &str = r#"
import os
from dlt.sources.helpers.rest_client import RESTClient
zendesk = RESTClient(base_url=os.environ["ZENDESK_BASE_URL"] + "/api/v2")
"#;

pub(super) const DLT_KEY: &str = r#"
import os
from dlt.sources.helpers.rest_client import RESTClient
from dlt.sources.helpers.rest_client.auth import BearerTokenAuth
AUTH = BearerTokenAuth("@KEY@")
zendesk = RESTClient(base_url=os.environ["ZENDESK_BASE_URL"] + "/api/v2", auth=AUTH)
"#;

pub(super) const LIBZAPI_NOTES: &[&str] = &[
    "libzapi 0.9.1 can't follow next links that begin with http://: it reads one page of a list",
    "and then fails. Everything else works. It requires a credential, which loopdesk ignores:",
];
pub(super) const LIBZAPI_KEY_NOTES: &[&str] = &[
    "libzapi 0.9.1 can't follow next links that begin with http://: it reads one page of a list",
    "and then fails. Everything else works. Put the key where the script has its API token:",
];
pub(super) const LIBZAPI: &str = r#"
import os
from libzapi import Ticketing
zendesk = Ticketing(os.environ["ZENDESK_BASE_URL"], email="any", api_token="@TOKEN@")
"#;

pub(super) const TAP_ZENDESK_NOTES: &[&str] = &[
    "tap-zendesk has https://SUBDOMAIN.zendesk.com in its code. Run it under loopdesk: `loopdesk exec \
     tap-zendesk --config config.json`.",
    "Give it a placeholder as `access_token`, and no refresh token.",
];
