//! Reads the lines of `routes.txt`, which describes its own format.

use super::{BASE, Marks, Resource, RouteEffect, RouteEntry, RouteLine, RouteVerb, needs};

/// Every line, or what is wrong with it.
pub(super) fn lines(text: &'static str) -> impl Iterator<Item = Result<RouteLine, String>> {
    let mut section: Result<Vec<(&'static str, Resource)>, String> = Err("no section".to_owned());
    text.lines().filter_map(move |text| {
        if text.starts_with('#') || text.trim().is_empty() {
            return None;
        }
        if let Some(names) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
            section = resources(names);
            return section.clone().err().map(Err);
        }
        let section = section.as_deref().map_err(String::as_str);
        Some(section.map_err(str::to_owned).and_then(|of| line(text, of)))
    })
}

fn resources(names: &'static str) -> Result<Vec<(&'static str, Resource)>, String> {
    let names = names.split_ascii_whitespace().filter(|name| *name != "-");
    names
        .map(|name| {
            let resource = Resource::named(name).ok_or_else(|| format!("no resource: {name}"))?;
            Ok((name, resource))
        })
        .collect()
}

fn line(text: &'static str, of: &[(&'static str, Resource)]) -> Result<RouteLine, String> {
    let (route, why) = match text.split_once('#') {
        Some((route, why)) => (route, Some(why.trim())),
        None => (text, None),
    };
    let words: Vec<&'static str> = route.split_ascii_whitespace().collect();
    let is_method = |word: &&str| word.starts_with(|c: char| c.is_ascii_uppercase() || c == '-');
    let methods = words.iter().take_while(|word| is_method(word)).count();
    let (methods, rest) = words.split_at(methods);
    let [path, marks @ ..] = rest else {
        return Err(format!("no path: {text}"));
    };
    if let Some(wrong) = path.split('/').find(|name| !is_name(name)) {
        return Err(format!("`{wrong}` in {text}"));
    }
    let marks = self::marks(marks).ok_or_else(|| format!("no such mark: {text}"))?;
    let resources: Vec<Resource> = of.iter().map(|(_, resource)| *resource).collect();
    let methods = methods.iter().filter(|method| **method != "-");
    let entries = methods.map(|method| {
        let (name, said) = method.split_once('=').unwrap_or((method, ""));
        let verb = RouteVerb::ALL.iter().find(|(known, _)| *known == name);
        let (_, verb) = verb.ok_or_else(|| format!("no method: {text}"))?;
        let (effect, follows) = match (said, verb) {
            ("" | "write", _) if marks.credentials => (RouteEffect::Write, false),
            ("read", _) => (RouteEffect::Read, false),
            ("write", _) => (RouteEffect::Write, false),
            ("follow", _) => (RouteEffect::Read, true),
            ("", RouteVerb::Get) => (RouteEffect::Read, false),
            ("", _) => (RouteEffect::Write, false),
            _ => return Err(format!("no effect: {text}")),
        };
        let is_by_method = said.is_empty() && !(marks.credentials && *verb == RouteVerb::Get);
        let entry = RouteEntry {
            verb: *verb,
            path: match path.starts_with('/') {
                true => (*path).to_owned(),
                false => format!("{BASE}{path}"),
            },
            effect,
            of: of.iter().map(|(name, _)| *name).collect(),
            needs: needs(&resources, effect, follows),
            why: why.filter(|_| !is_by_method),
            takes_file: marks.takes_file && effect == RouteEffect::Write,
            mixed: marks.mixed,
        };
        Ok((*verb, entry))
    });
    Ok(RouteLine {
        path,
        entries: entries.collect::<Result<_, String>>()?,
        marks,
    })
}

fn marks(words: &[&str]) -> Option<Marks> {
    let mut marks = Marks::default();
    for word in words {
        *match *word {
            "credentials" => &mut marks.credentials,
            "takes-file" => &mut marks.takes_file,
            "gives-file" => &mut marks.gives_file,
            "own-credential" => &mut marks.own_credential,
            "mixed" => &mut marks.mixed,
            _ => return None,
        } = true;
    }
    Some(marks)
}

fn is_name(segment: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-');
    let kinds = [
        "{id}", "{user}", "{code}", "{key}", "{type}", "{file}", "**",
    ];
    segment.bytes().all(is_plain) || kinds.contains(&segment)
}
