//! Reading a blueprint from JSON and writing it: size, schema version, unknown keys, types.
//!
//! What a blueprint claims is judged by [`super::checks`], not here.
//!
//! Callers: `registry`, `cli`.

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::model::{
    Anchor, Array, Blueprint, Dictionaries, EventName, Field, Identity, Invariant, Rule,
    SCHEMA_VERSION, Source, StatisticName, Struct, View, WaitClass,
};

/// Largest blueprint that is read, in bytes.
pub const MAX_BYTES: usize = 32 << 20;

/// Why a document is no readable blueprint. `origin` is a file name or where else it came from.
#[derive(Debug, thiserror::Error)]
pub enum BlueprintError {
    /// Larger than [`MAX_BYTES`].
    #[error("{origin}: {bytes} bytes; a blueprint has at most {MAX_BYTES}: check that this is one")]
    TooLarge {
        /// Where it came from.
        origin: String,
        /// Its size.
        bytes: usize,
    },
    /// Not JSON.
    #[error("{origin}: not JSON at line {line}, column {column}: {reason}")]
    NotJson {
        /// Where it came from.
        origin: String,
        /// 1-based.
        line: usize,
        /// 1-based.
        column: usize,
        /// What the JSON reader says.
        reason: String,
    },
    /// A schema version that this program doesn't read.
    #[error(
        "{origin}: /schema is {found:?}; this program reads schema {SCHEMA_VERSION} and lower minor \
         versions: use a newer sgascope, or write the blueprint again with this one"
    )]
    Schema {
        /// Where it came from.
        origin: String,
        /// What the document says.
        found: String,
    },
    /// A top-level key that the schema doesn't know.
    #[error("{origin}: unknown key at {pointer}; keys of your own must begin with `x-`")]
    UnknownKey {
        /// Where it came from.
        origin: String,
        /// JSON pointer of the key.
        pointer: String,
    },
    /// A part that isn't of the form that the schema asks for.
    #[error("{origin}: {pointer}: {reason}")]
    Form {
        /// Where it came from.
        origin: String,
        /// JSON pointer of the smallest part that is wrong ("" for the whole document).
        pointer: String,
        /// Expected and found.
        reason: String,
    },
}

impl Blueprint {
    /// Reads a blueprint of at most [`MAX_BYTES`] bytes; `origin` names it in errors.
    ///
    /// # Errors
    /// Not JSON, another schema version, unknown keys (`x-…` are kept), or a part of wrong form,
    /// with its JSON pointer.
    pub fn from_json(bytes: &[u8], origin: &str) -> Result<Blueprint, BlueprintError> {
        let origin_text = || origin.to_owned();
        if bytes.len() > MAX_BYTES {
            return Err(BlueprintError::TooLarge {
                origin: origin_text(),
                bytes: bytes.len(),
            });
        }
        let document: Value =
            serde_json::from_slice(bytes).map_err(|e| BlueprintError::NotJson {
                origin: origin_text(),
                line: e.line(),
                column: e.column(),
                reason: e.to_string(),
            })?;
        check_schema(&document, origin)?;
        let blueprint: Blueprint = Blueprint::deserialize(&document).map_err(|e| {
            let (pointer, reason) =
                locate(&document).unwrap_or_else(|| (String::new(), e.to_string()));
            BlueprintError::Form {
                origin: origin_text(),
                pointer,
                reason,
            }
        })?;
        match blueprint.extra.keys().find(|k| !k.starts_with("x-")) {
            Some(key) => Err(BlueprintError::UnknownKey {
                origin: origin_text(),
                pointer: pointer_of("", key),
            }),
            None => Ok(blueprint),
        }
    }

    /// The document as indented JSON with a final newline.
    ///
    /// # Errors
    /// None for blueprints that were read or assembled; the signature leaves serialisation its say.
    pub fn to_json_pretty(&self) -> Result<String, serde_json::Error> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        Ok(text)
    }
}

/// Own major version and own or lower minor version.
fn check_schema(document: &Value, origin: &str) -> Result<(), BlueprintError> {
    let Some(found) = document.get("schema").and_then(Value::as_str) else {
        return Err(BlueprintError::Form {
            origin: origin.to_owned(),
            pointer: "/schema".into(),
            reason: format!(
                "expected the schema version as text (\"{SCHEMA_VERSION}\"), found none: check \
                 that this is a blueprint"
            ),
        });
    };
    let fits = match (version(found), version(SCHEMA_VERSION)) {
        (Some((major, minor)), Some((own_major, own_minor))) => {
            major == own_major && minor <= own_minor
        }
        _ => false,
    };
    if fits {
        Ok(())
    } else {
        Err(BlueprintError::Schema {
            origin: origin.to_owned(),
            found: found.to_owned(),
        })
    }
}

fn version(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// `parent` extended by `key`, escaped as RFC 6901 asks.
pub(crate) fn pointer_of(parent: &str, key: &str) -> String {
    format!("{parent}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// The smallest known part that isn't of its form, and why. Only used once reading has failed.
fn locate(document: &Value) -> Option<(String, String)> {
    part::<Identity>(document, "", "identity")
        .or_else(|| items::<Source>(document, "", "sources"))
        .or_else(|| items::<Anchor>(document, "", "anchors"))
        .or_else(|| locate_structs(document))
        .or_else(|| items::<Array>(document, "", "arrays"))
        .or_else(|| items::<Rule>(document, "", "rules"))
        .or_else(|| items::<View>(document, "", "views"))
        .or_else(|| locate_dictionaries(document))
}

fn locate_structs(document: &Value) -> Option<(String, String)> {
    let structs = document.get("structs")?.as_array()?;
    structs.iter().enumerate().find_map(|(i, value)| {
        let parent = format!("/structs/{i}");
        items::<Field>(value, &parent, "fields")
            .or_else(|| items::<Invariant>(value, &parent, "invariants"))
            .or_else(|| wrong::<Struct>(value).map(|reason| (parent, reason)))
    })
}

fn locate_dictionaries(document: &Value) -> Option<(String, String)> {
    let value = document.get("dictionaries")?;
    items::<EventName>(value, "/dictionaries", "events")
        .or_else(|| items::<WaitClass>(value, "/dictionaries", "wait_classes"))
        .or_else(|| items::<StatisticName>(value, "/dictionaries", "statistics"))
        .or_else(|| wrong::<Dictionaries>(value).map(|r| ("/dictionaries".into(), r)))
}

fn wrong<T: DeserializeOwned>(value: &Value) -> Option<String> {
    T::deserialize(value).err().map(|e| e.to_string())
}

fn part<T: DeserializeOwned>(value: &Value, parent: &str, key: &str) -> Option<(String, String)> {
    let reason = wrong::<T>(value.get(key)?)?;
    Some((pointer_of(parent, key), reason))
}

/// The first element of the array or object at `key` that isn't a `T`.
fn items<T: DeserializeOwned>(value: &Value, parent: &str, key: &str) -> Option<(String, String)> {
    let at = pointer_of(parent, key);
    match value.get(key)? {
        Value::Array(list) => list
            .iter()
            .enumerate()
            .find_map(|(i, item)| wrong::<T>(item).map(|reason| (format!("{at}/{i}"), reason))),
        Value::Object(map) => map
            .iter()
            .find_map(|(k, item)| wrong::<T>(item).map(|reason| (pointer_of(&at, k), reason))),
        _ => Some((at, "expected an array or object".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    fn value() -> Value {
        serde_json::to_value(testing::blueprint()).unwrap()
    }

    fn read(value: &Value) -> Result<Blueprint, BlueprintError> {
        Blueprint::from_json(&serde_json::to_vec(value).unwrap(), "test.json")
    }

    #[test]
    fn written_is_read_back() {
        let blueprint = testing::blueprint();
        let text = blueprint.to_json_pretty().unwrap();
        assert_eq!(
            Blueprint::from_json(text.as_bytes(), "t").unwrap(),
            blueprint
        );
        assert!(text.contains("\"0x6000a410\""), "addresses are hex text");
    }

    #[test]
    fn own_and_lower_minor_are_read_and_higher_refused() {
        let mut v = value();
        assert!(read(&v).is_ok());
        v["schema"] = "1.0".into();
        assert!(read(&v).is_ok(), "an older minor version");
        for (version, ok) in [("1.2", false), ("2.0", false), ("0.9", false), ("1", false)] {
            v["schema"] = version.into();
            let result = read(&v);
            assert_eq!(result.is_ok(), ok, "{version}");
            let message = result.unwrap_err().to_string();
            assert!(
                message.contains("/schema") && message.contains(version),
                "{message}"
            );
        }
    }

    #[test]
    fn unknown_keys_are_refused_and_own_ones_kept() {
        let mut v = value();
        v["x-site"] = "kept".into();
        assert_eq!(read(&v).unwrap().extra["x-site"], "kept");
        v["colour/of"] = 1.into();
        let message = read(&v).unwrap_err().to_string();
        assert!(message.contains("/colour~1of"), "{message}");
    }

    #[test]
    fn errors_point_at_the_part() {
        let mut v = value();
        v["structs"][0]["fields"][1]["offset"] = "eight".into();
        let message = read(&v).unwrap_err().to_string();
        assert!(message.contains("/structs/0/fields/1"), "{message}");
        let mut v = value();
        v["anchors"][0]["address"] = 5.into();
        assert!(read(&v).unwrap_err().to_string().contains("/anchors/0"));
        let mut v = value();
        v["rules"]["status_mask"]["vale"] = 5.into();
        assert!(
            read(&v)
                .unwrap_err()
                .to_string()
                .contains("/rules/status_mask")
        );
    }

    #[test]
    fn what_is_no_json_or_too_large_is_refused() {
        let message = Blueprint::from_json(b"{\n oops", "t")
            .unwrap_err()
            .to_string();
        assert!(message.contains("line 2"), "{message}");
        let huge = vec![b' '; MAX_BYTES + 1];
        assert!(matches!(
            Blueprint::from_json(&huge, "t"),
            Err(BlueprintError::TooLarge { .. })
        ));
        assert!(Blueprint::from_json("[".repeat(100_000).as_bytes(), "t").is_err());
    }
}
