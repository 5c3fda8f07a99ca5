//! Parses a setting's value from the command line.

use toml_edit::{Array, Decor, Value};

/// What `text` may mean as the value of `key`, most likely first.
pub(crate) fn values(key: &str, text: &str) -> Vec<Value> {
    let parsed = text.trim().parse::<Value>().ok();
    let last = key.rsplit('.').next().unwrap_or(key);
    if LISTS.contains(&last) {
        let list = match parsed {
            Some(list @ Value::Array(_)) => list,
            _ => text_list(text.split(',')),
        };
        return vec![plain(list)];
    }
    // `12345` is a number for `port`, but text for `client-id`. The check decides.
    let text = Value::from(text);
    match parsed {
        Some(Value::String(parsed)) => vec![plain(Value::String(parsed))],
        Some(parsed) => vec![plain(parsed), text],
        None => vec![text],
    }
}

/// A list of texts.
pub(crate) fn text_value<'a>(items: impl IntoIterator<Item = &'a str>) -> Value {
    text_list(items)
}

fn text_list<'a>(items: impl IntoIterator<Item = &'a str>) -> Value {
    let items = items.into_iter().map(str::trim).filter(|i| !i.is_empty());
    Value::Array(items.collect::<Array>())
}

/// Without the surrounding whitespace.
fn plain(mut value: Value) -> Value {
    *value.decor_mut() = Decor::default();
    value
}

/// The keys with lists, whose items may be separated by commas.
const LISTS: [&str; 8] = [
    "allow-hosts",
    "listen",
    "locked",
    "max-key-scope",
    "open-routes",
    "redirect-uris",
    "rewrite",
    "scopes",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_toml_then_as_text_and_lists_by_commas() {
        let texts = |key: &str, text: &str| -> Vec<String> {
            values(key, text).iter().map(ToString::to_string).collect()
        };
        assert_eq!(texts("port", "8490"), ["8490", "\"8490\""]);
        assert_eq!(texts("access-token-ttl", "48h"), ["\"48h\""]);
        assert_eq!(texts("client-id", "\"a\""), ["\"a\""]);
        assert_eq!(texts("scopes", "read, write"), ["[\"read\", \"write\"]"]);
        assert_eq!(texts("scopes", "[\"read\"]"), ["[\"read\"]"]);
        assert_eq!(texts("listen", "[::1]:8484"), ["[\"[::1]:8484\"]"]);
        assert_eq!(texts("open-routes", ""), ["[]"]);
        assert_eq!(texts("max-key-scope", "read"), ["[\"read\"]"]);
        assert_eq!(texts("max-key-age", "365d"), ["\"365d\""]);
        assert_eq!(texts("accounts.a.access", "key"), ["\"key\""]);
        assert_eq!(texts("accounts.a.scopes", "read"), ["[\"read\"]"]);
        assert_eq!(texts("client-id", "a\"b\nc").len(), 1);
    }
}
