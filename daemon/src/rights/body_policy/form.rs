//! Checks the names in a form, `application/x-www-form-urlencoded`: for one that names another
//! method, and for one that requests side loads.

use super::BodyFinding;
use crate::rights::param_names;
use crate::rights::side_loads::SideLoads;

/// The pairs of a form, read byte by byte.
#[derive(Debug)]
pub(super) struct FormScan {
    side_loads: SideLoads,
    /// The beginning of the name that is being read.
    name: Vec<u8>,
    /// The value that is being read, if it requests side loads.
    include: Option<Vec<u8>>,
    /// The rest of the pair doesn't matter.
    passed: bool,
}

impl FormScan {
    pub(super) fn new(side_loads: SideLoads) -> Self {
        Self {
            side_loads,
            name: Vec::new(),
            include: None,
            passed: false,
        }
    }

    /// Reads the next piece.
    ///
    /// # Errors
    /// A method override, or a side load that the key doesn't cover.
    pub(super) fn push(&mut self, text: &[u8]) -> Result<(), BodyFinding> {
        let mut rest = text;
        while !rest.is_empty() {
            if self.passed {
                let Some(end) = rest.iter().position(|b| is_separator(*b)) else {
                    return Ok(());
                };
                rest = &rest[end..];
            }
            let (byte, after) = (rest[0], &rest[1..]);
            rest = after;
            match byte {
                b'&' | b';' => self.finish()?,
                byte if self.include.is_some() => {
                    let value = self.include.get_or_insert_default();
                    value.push(byte);
                    if value.len() > VALUE_MAX {
                        return Err(BodyFinding::SideLoad(self.side_loads.unread()));
                    }
                }
                b'=' => {
                    if param_names::is_method(&self.name) {
                        return Err(BodyFinding::Method);
                    }
                    let asks = !self.side_loads.are_free() && param_names::is_include(&self.name);
                    self.include = asks.then(Vec::new);
                    self.passed = self.include.is_none();
                }
                // Rack strips these in front of a name, and there may be any number of them.
                b'[' | b']' | b'+' | 0..=b' ' if self.name.is_empty() => {}
                byte => {
                    self.name.push(byte);
                    self.drop_encoded_front();
                    self.passed = self.name.len() > NAME_MAX;
                }
            }
        }
        Ok(())
    }

    /// Ends a pair.
    ///
    /// # Errors
    /// A method override, or a side load that the key doesn't cover.
    pub(super) fn finish(&mut self) -> Result<(), BodyFinding> {
        let is_method =
            !self.passed && self.include.is_none() && param_names::is_method(&self.name);
        let include = self.include.take();
        self.name.clear();
        self.passed = false;
        if is_method {
            return Err(BodyFinding::Method);
        }
        let value = include.unwrap_or_default();
        self.side_loads.judge(&value).map_err(BodyFinding::SideLoad)
    }

    /// Strips the same characters in percent-encoded form.
    fn drop_encoded_front(&mut self) {
        if self.name.len() == 3 && param_names::base(&param_names::decoded(&self.name)).is_empty() {
            self.name.clear();
        }
    }
}

/// Rack accepted both until version 3.
fn is_separator(byte: u8) -> bool {
    matches!(byte, b'&' | b';')
}

/// The name encoded three times over (`%25255F`…) has 49 bytes; no server decodes it more often.
const NAME_MAX: usize = 64;

/// A list of all existing side loads has 600 bytes; percent-encoded, three times as many.
const VALUE_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route_table::scope::Scopes;

    fn finds(text: &str) -> bool {
        found(SideLoads::Anything, text).is_err()
    }

    fn found(side_loads: SideLoads, text: &str) -> Result<(), BodyFinding> {
        let mut form = FormScan::new(side_loads);
        let whole = form.push(text.as_bytes()).and_then(|()| form.finish());
        let mut form = FormScan::new(side_loads);
        let mut bytes = text.bytes();
        let cut = bytes.try_for_each(|byte| form.push(&[byte]));
        let cut = cut.and_then(|()| form.finish());
        assert_eq!(whole, cut, "{text}");
        whole
    }

    #[test]
    fn d2_what_a_form_brings_along_is_seen() {
        let tickets = SideLoads::Of(Scopes::parse("tickets:read").unwrap());
        let long = format!("include={}", "a".repeat(VALUE_MAX + 1));
        for text in [
            "include=users",
            "a=b&include=comment_count,users&c=d",
            "a=b;include[]=users",
            "a&include%5B%5D=users",
            "inc%6Cude=%75sers",
            "include=comment_count&include=users",
            "+include=tickets(users)",
            "[include]=users",
            &long,
        ] {
            assert!(found(tickets, text).is_err(), "{text}");
            assert!(found(SideLoads::Nothing, text).is_err(), "{text}");
            assert_eq!(found(SideLoads::Anything, text), Ok(()), "{text}");
        }
        for text in [
            "include=",
            "include",
            "include=comment_count&page=1",
            "included=users",
            "ticket[include]=users",
            "x=include=users",
        ] {
            assert_eq!(found(tickets, text), Ok(()), "{text}");
        }
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
            "a very long text that a person has written, not the name of a parameter, _method",
        ] {
            assert!(!finds(text), "{text}");
        }
    }
}
