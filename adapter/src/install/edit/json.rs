//! JSON with comments, and JSON5, edited as a syntax tree that keeps every byte.

use jsonc_parser::ParseOptions;
use jsonc_parser::cst::{CstInputValue, CstObject, CstRootNode};
use serde_json::Value;

use super::{BOM, Edited, Refusal};
use crate::install::entry::{Item, NAME};

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Comments and trailing commas.
    Comments,
    Json5,
}

impl Dialect {
    fn options(self) -> ParseOptions {
        let loose = self == Self::Json5;
        ParseOptions {
            allow_comments: true,
            allow_trailing_commas: true,
            allow_missing_commas: false,
            allow_loose_object_property_names: loose,
            allow_single_quoted_strings: loose,
            allow_hexadecimal_numbers: loose,
            allow_unary_plus_numbers: loose,
            allow_bare_decimal_point_numbers: loose,
            allow_extended_string_escapes: loose,
            allow_non_finite_numbers: false,
        }
    }
}

pub fn read(text: &str, dialect: Dialect) -> Result<Value, Refusal> {
    let root = parse(text, dialect)?;
    match root.value() {
        None => Ok(Value::Null),
        Some(value) => value.to_serde_value().ok_or_else(|| Refusal("a value in it cannot be read".into())),
    }
}

pub fn set(text: &str, path: &[&str], entry: &Item, dialect: Dialect) -> Edited {
    let (bom, text) = split_bom(text);
    let root = parse(text, dialect)?;
    if root.value().is_none() {
        root.set_value(CstInputValue::Object(Vec::new()));
    }
    let mut servers = root.object_value().ok_or_else(|| Refusal("its top level is not an object".into()))?;
    for name in path {
        servers = match only(&servers, name)? {
            Some(member) => member
                .object_value()
                .ok_or_else(|| Refusal(format!("its member `{name}` is not an object")))?,
            None => {
                let member = servers.append(name, CstInputValue::Object(Vec::new()));
                member.object_value().ok_or_else(|| Refusal(format!("`{name}` cannot be added to it")))?
            }
        };
    }
    match only(&servers, NAME)? {
        Some(member) => member.set_value(input(entry)),
        None => {
            servers.append(NAME, input(entry));
        }
    }
    let edited = root.to_string();
    // A file that begins with this edit ends as text files do.
    let end = if text.trim().is_empty() && !edited.ends_with('\n') { "\n" } else { "" };
    Ok(format!("{bom}{edited}{end}"))
}

pub fn remove(text: &str, path: &[&str], dialect: Dialect) -> Edited {
    let (bom, text) = split_bom(text);
    let root = parse(text, dialect)?;
    let mut servers = root.object_value();
    for name in path {
        let Some(object) = servers else { break };
        servers = only(&object, name)?.and_then(|member| member.object_value());
    }
    if let Some(member) = servers.map(|servers| only(&servers, NAME)).transpose()?.flatten() {
        member.remove();
    }
    Ok(format!("{bom}{root}"))
}

fn parse(text: &str, dialect: Dialect) -> Result<CstRootNode, Refusal> {
    CstRootNode::parse(text, &dialect.options())
        .map_err(|error| Refusal(format!("it is not valid JSON: {}", error.to_string().to_lowercase())))
}

/// The member of this name. Of two of them the client may read either.
fn only(object: &CstObject, name: &str) -> Result<Option<jsonc_parser::cst::CstObjectProp>, Refusal> {
    let mut found =
        object.properties().into_iter().filter(|member| member.decoded_name().as_deref() == Some(name));
    let first = found.next();
    match found.next() {
        None => Ok(first),
        Some(_) => Err(Refusal(format!("it has more than one member `{name}`"))),
    }
}

fn input(item: &Item) -> CstInputValue {
    match item {
        Item::Text(text) => CstInputValue::String(text.clone()),
        Item::Number(number) => CstInputValue::Number(number.to_string()),
        Item::List(list) => CstInputValue::Array(list.iter().cloned().map(CstInputValue::String).collect()),
        Item::Table(members) => CstInputValue::Object(
            members.iter().map(|(name, item)| ((*name).to_owned(), input(item))).collect(),
        ),
    }
}

fn split_bom(text: &str) -> (&str, &str) {
    match text.strip_prefix(BOM) {
        Some(rest) => (&text[..BOM.len_utf8()], rest),
        None => ("", text),
    }
}
