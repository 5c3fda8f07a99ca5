//! Looks for the name of another method in a form, `application/x-www-form-urlencoded`.

use crate::rights::names;

/// The pairs of a form, read byte by byte.
#[derive(Debug, Default)]
pub(super) struct Form {
    /// The beginning of the name that is being read.
    name: Vec<u8>,
    /// The rest of the pair can't be a name any more.
    passed: bool,
}

impl Form {
    /// Reads on. Gives `true` where another method is named.
    pub(super) fn push(&mut self, text: &[u8]) -> bool {
        let mut rest = text;
        while !rest.is_empty() {
            if self.passed {
                let Some(end) = rest.iter().position(|b| is_separator(*b)) else {
                    return false;
                };
                rest = &rest[end..];
            }
            let (byte, after) = (rest[0], &rest[1..]);
            rest = after;
            match byte {
                b'&' | b';' => {
                    if self.finish() {
                        return true;
                    }
                }
                b'=' => {
                    if names::is_method(&self.name) {
                        return true;
                    }
                    self.passed = true;
                }
                // What Rack cuts off in front; there may be any amount of it.
                b'[' | b']' | b'+' | 0..=b' ' if self.name.is_empty() => {}
                byte => {
                    self.name.push(byte);
                    self.drop_encoded_front();
                    self.passed = self.name.len() > NAME_MAX;
                }
            }
        }
        false
    }

    /// The pair is over.
    pub(super) fn finish(&mut self) -> bool {
        let found = !self.passed && names::is_method(&self.name);
        self.name.clear();
        self.passed = false;
        found
    }

    /// The same once more, where it is encoded.
    fn drop_encoded_front(&mut self) {
        if self.name.len() == 3 && names::base(&names::decoded(&self.name)).is_empty() {
            self.name.clear();
        }
    }
}

/// Rack took both until version 3.
fn is_separator(byte: u8) -> bool {
    matches!(byte, b'&' | b';')
}

/// The name encoded three times over (`%25255F`…) has 49 bytes; nobody decodes it more often.
const NAME_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(text: &str) -> bool {
        let whole = {
            let mut form = Form::default();
            form.push(text.as_bytes()) || form.finish()
        };
        let mut form = Form::default();
        let cut = text.bytes().any(|byte| form.push(&[byte])) || form.finish();
        assert_eq!(whole, cut, "{text}");
        whole
    }

    #[test]
    fn d3_p9_another_method_in_a_form_is_seen() {
        for text in [
            "_method=DELETE",
            "_method=",
            "_method",
            "ticket[subject]=x&_method=delete",
            "a=b;_method=put",
            "a=b& _method=put",
            "a=b&+_method=put",
            "a=b&\r\n_method=put",
            "a&_method",
            "%5Fmethod=x",
            "%5fme%74hod=x",
            "_method%5B%5D=x",
            "_method[x]=y",
            "[_method]=x",
            "%5B%5B_method=x",
            "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[_method=x",
            "_METHOD=x",
            "%255Fmethod=x",
            "%25255F%25256D%252565%252574%252568%25256F%252564=x",
            "_method%00=x",
            r#"{"ticket":{"comment":{"body":"a&_method=DELETE"}}}"#,
        ] {
            assert!(finds(text), "{text}");
        }
    }

    #[test]
    fn d3_p9_a_form_that_only_mentions_it_passes() {
        for text in [
            "",
            "&&&",
            "payment_method=card&shipping_method=x",
            "ticket[_method]=x",
            "body=_method",
            "body=set+_method%3DDELETE%26more",
            "_methods=x",
            "__method=x",
            "a_method=x",
            "x=%26_method%3DDELETE",
            r#"{"_method":"DELETE"}"#,
            "a very long name that is none of a parameter, but a text that somebody has sent, _method",
        ] {
            assert!(!finds(text), "{text}");
        }
    }
}
