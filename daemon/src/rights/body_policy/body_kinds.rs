//! Body formats that a server might parse, judged by the headers alone.

use http::HeaderMap;
use http::header::CONTENT_TYPE;

/// The formats for which a body must be checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Kinds {
    pub(super) form: bool,
    pub(super) multipart: bool,
    pub(super) json: bool,
}

impl Kinds {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let Some(value) = headers.get(CONTENT_TYPE) else {
            return Self::UNNAMED;
        };
        let value = value.as_bytes().to_ascii_lowercase();
        // If it names several types, as Rack's own reader allows, any of them may apply.
        let names = match value.contains(&b',') {
            true => value.as_slice(),
            false => value.split(|b| *b == b';').next().unwrap_or_default(),
        };
        let has = |word: &str| {
            names
                .windows(word.len())
                .any(|part| part == word.as_bytes())
        };
        if !names.contains(&b'/') {
            return Self::UNNAMED;
        }
        let multipart = has("multipart");
        // Old versions of Rack read a multipart body without a boundary as a form.
        let boundary = value.windows(9).any(|part| part == b"boundary=");
        Self {
            form: has("urlencoded") || multipart && !boundary,
            multipart,
            json: has("json"),
        }
    }

    /// Whether no server reads parameters from such a body.
    pub(super) fn is_opaque(self) -> bool {
        self == Self::default()
    }

    /// Rack treats a POST without a type as a form, and JSON is sent without a type too.
    const UNNAMED: Self = Self {
        form: true,
        multipart: false,
        json: true,
    };
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn kinds(value: &str) -> String {
        let value = HeaderValue::from_str(value).unwrap();
        let kinds = Kinds::of(&[(CONTENT_TYPE, value)].into_iter().collect());
        let names = [
            (kinds.form, "form"),
            (kinds.multipart, "multipart"),
            (kinds.json, "json"),
        ];
        let names: Vec<&str> = names
            .into_iter()
            .filter_map(|(is, name)| is.then_some(name))
            .collect();
        assert_eq!(kinds.is_opaque(), names.is_empty());
        names.join(" ")
    }

    #[test]
    fn d3_p9_a_body_is_looked_at_in_every_way_in_which_it_may_be_read() {
        for (value, expected) in [
            ("application/x-www-form-urlencoded", "form"),
            ("Application/X-WWW-Form-URLEncoded; charset=utf-8", "form"),
            ("application/x-www-form-urlencoded charset=utf-8", "form"),
            ("application/json", "json"),
            ("application/vnd.api+json; charset=utf-8", "json"),
            ("text/x-json", "json"),
            ("application/merge-patch+json", "json"),
            ("multipart/form-data; boundary=b", "multipart"),
            ("multipart/mixed; Boundary=\"b\"", "multipart"),
            ("multipart/form-data", "form multipart"),
            (
                "application/json, application/x-www-form-urlencoded",
                "form json",
            ),
            ("application/x-www-form-urlencoded, text/plain", "form"),
            ("", "form json"),
            (";", "form json"),
            ("json", "form json"),
            ("text/plain", ""),
            ("application/octet-stream", ""),
            ("image/png", ""),
            ("text/csv; header=present; x=json", ""),
        ] {
            assert_eq!(kinds(value), expected, "{value}");
        }
        assert_eq!(Kinds::of(&HeaderMap::new()), Kinds::UNNAMED);
    }
}
