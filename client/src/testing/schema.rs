//! Checks what the commands print against `client/schemas`.
//!
//! As much of JSON Schema as those files use; anything else in them fails the test. Stricter in one
//! thing: a field that no schema names is a failure too, so that none stays undocumented.

use std::path::PathBuf;

use serde_json::Value;

/// Fails the test if `value` isn't what the schema of that name says.
pub(crate) fn check(name: &str, value: &Value) {
    let file = format!("{name}.json");
    if let Err(why) = fits(&file, &read(&file), value) {
        panic!("{name}: {why}\n{value:#}");
    }
}

/// The names of all schemas.
pub(crate) fn names() -> Vec<String> {
    let files = std::fs::read_dir(folder()).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    names
        .map(|name| name.strip_suffix(".json").unwrap().to_owned())
        .collect()
}

fn fits(file: &str, schema: &Value, value: &Value) -> Result<(), String> {
    for (keyword, wanted) in schema.as_object().unwrap() {
        let ok = match keyword.as_str() {
            "$schema" | "$defs" | "title" | "description" | "properties" => true,
            "$ref" => {
                let (other, schema) = resolve(file, wanted.as_str().unwrap());
                fits(&other, &schema, value)?;
                true
            }
            "type" => match wanted.as_str().unwrap() {
                "object" => value.is_object(),
                "array" => value.is_array(),
                "string" => value.is_string(),
                "boolean" => value.is_boolean(),
                "integer" => value.is_i64() || value.is_u64(),
                "null" => value.is_null(),
                other => panic!("the schemas use no type `{other}`"),
            },
            "const" => value == wanted,
            "enum" => wanted.as_array().unwrap().contains(value),
            "minimum" => value.as_i64() >= wanted.as_i64(),
            "format" if wanted == "date-time" => value
                .as_str()
                .is_some_and(|text| text.parse::<jiff::Timestamp>().is_ok()),
            "required" => {
                let mut names = wanted.as_array().unwrap().iter();
                names.all(|name| value.get(name.as_str().unwrap()).is_some())
            }
            "items" => {
                for item in value.as_array().into_iter().flatten() {
                    fits(file, wanted, item)?;
                }
                true
            }
            "anyOf" => {
                let tried = wanted.as_array().unwrap().iter();
                let whys: Vec<_> = tried.map(|one| fits(file, one, value)).collect();
                if !whys.iter().any(Result::is_ok) {
                    return Err(format!("none of {whys:?}"));
                }
                true
            }
            "additionalProperties" => {
                let known = schema.get("properties").and_then(Value::as_object);
                for (name, value) in value.as_object().into_iter().flatten() {
                    match known.and_then(|known| known.get(name)) {
                        Some(known) => {
                            fits(file, known, value).map_err(|why| format!("{name}: {why}"))?;
                        }
                        None if wanted == true => return Err(format!("`{name}` isn't documented")),
                        None => fits(file, wanted, value)?,
                    }
                }
                true
            }
            other => panic!("{file} uses `{other}`, which isn't checked"),
        };
        if !ok {
            return Err(format!("{keyword} {wanted} doesn't fit {value}"));
        }
    }
    Ok(())
}

/// `common.json#/$defs/person`.
fn resolve(file: &str, reference: &str) -> (String, Value) {
    let (other, pointer) = reference.split_once('#').unwrap();
    let other = if other.is_empty() { file } else { other };
    let schema = read(other).pointer(pointer).cloned();
    (other.to_owned(), schema.expect(reference))
}

fn read(file: &str) -> Value {
    let text = std::fs::read_to_string(folder().join(file)).expect(file);
    serde_json::from_str(&text).expect(file)
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("schemas")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    use serde_json::json;

    #[test]
    fn every_command_has_a_schema_and_every_schema_a_command() {
        let mut expected = vec!["common".to_owned(), "error".to_owned()];
        for command in crate::args::Cli::command().get_subcommands() {
            match command.has_subcommands() {
                true => expected.extend(
                    command
                        .get_subcommands()
                        .map(|one| format!("{}-{}", command.get_name(), one.get_name())),
                ),
                false => expected.push(command.get_name().to_owned()),
            }
        }
        let mut found = names();
        found.sort();
        expected.sort();
        assert_eq!(found, expected);
    }

    #[test]
    fn what_differs_is_noticed() {
        let good = json!({"account": "acme", "revoked": true, "person": {"id": 1, "name": "Ada"}});
        check("logout", &good);
        let schema = read("logout.json");
        for (pointer, wrong) in [
            ("/account", json!(1)),
            ("/revoked", json!("yes")),
            ("/person", json!({"id": 1})),
            ("/person", json!({"id": -1, "name": "Ada"})),
            ("/person", json!({"id": 1, "name": "Ada", "token": "x"})),
        ] {
            let mut value = good.clone();
            *value.pointer_mut(pointer).unwrap() = wrong;
            assert!(fits("logout.json", &schema, &value).is_err(), "{value}");
        }
        let refresh = json!({"account": "a", "generation": 1, "access_expires_at": "soon"});
        assert!(fits("refresh.json", &read("refresh.json"), &refresh).is_err());
        assert!(fits("login.json", &read("login.json"), &json!({"event": "new"})).is_err());
    }
}
