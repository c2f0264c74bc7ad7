//! A YAML or JSON document in its own order, with scalars as they are written. Order matters: SOPS signs it.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, options};
use zeroize::Zeroizing;

use super::ImportError;

/// Mappings and sequences inside one another.
const DEPTH_MAX: usize = 32;

pub enum Node {
    Mapping(Vec<(String, Node)>),
    Sequence(Vec<Node>),
    Leaf(Leaf),
}

/// A scalar.
pub enum Leaf {
    Text(Zeroizing<String>),
    /// A number or another word, as it was written.
    Bare(Zeroizing<String>),
    Flag(bool),
    Null,
}

impl Leaf {
    /// What would be typed for it; nothing for null.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Bare(text) => Some(text),
            Self::Flag(true) => Some("true"),
            Self::Flag(false) => Some("false"),
            Self::Null => None,
        }
    }
}

impl Node {
    pub fn member(&self, name: &str) -> Option<&Node> {
        match self {
            Self::Mapping(members) => members.iter().find(|(key, _)| key == name).map(|(_, node)| node),
            Self::Sequence(_) | Self::Leaf(_) => None,
        }
    }

    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Leaf(leaf) => leaf.text(),
            Self::Mapping(_) | Self::Sequence(_) => None,
        }
    }

    pub fn items(&self) -> &[Node] {
        match self {
            Self::Sequence(items) => items,
            Self::Mapping(_) | Self::Leaf(_) => &[],
        }
    }
}

/// One step on the way to a scalar.
#[derive(Clone, Copy)]
pub enum Step<'a> {
    Name(&'a str),
    Place(usize),
}

/// Names and places, with points between them.
pub fn name(path: &[Step<'_>]) -> String {
    let step = |step: &Step<'_>| match step {
        Step::Name(name) => (*name).to_owned(),
        Step::Place(place) => place.to_string(),
    };
    path.iter().map(step).collect::<Vec<_>>().join(".")
}

/// Each scalar in the document's order, with the way to it.
pub fn walk<'a>(node: &'a Node, path: &mut Vec<Step<'a>>, visit: &mut impl FnMut(&[Step<'a>], &'a Leaf)) {
    let mut below = |step, node: &'a Node| {
        path.push(step);
        walk(node, path, visit);
        path.pop();
    };
    match node {
        Node::Mapping(members) => members.iter().for_each(|(name, node)| below(Step::Name(name), node)),
        Node::Sequence(items) => {
            items.iter().enumerate().for_each(|(place, node)| below(Step::Place(place), node));
        }
        Node::Leaf(leaf) => visit(path, leaf),
    }
}

/// # Errors
/// What is neither, or has two meanings; with the line, without what stands there.
pub fn read(text: &str) -> Result<Node, ImportError> {
    let text = text.trim_start_matches('\u{feff}');
    let node = if text.trim_start().starts_with('{') { json(text) } else { yaml(text) }?;
    match node {
        Node::Mapping(_) => Ok(node),
        Node::Sequence(_) | Node::Leaf(_) => Err(syntax(1, "expected a mapping of names to values")),
    }
}

fn syntax(line: usize, what: &str) -> ImportError {
    ImportError::Syntax(format!("line {line}: {what}"))
}

fn json(text: &str) -> Result<Node, ImportError> {
    serde_json::from_str(text).map_err(|error| {
        syntax(error.line(), &format!("expected JSON without duplicate names, column {}", error.column()))
    })
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(InOrder)
    }
}

struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut members: Vec<(String, Node)> = Vec::new();
        while let Some((name, node)) = map.next_entry::<String, Node>()? {
            if members.iter().any(|(known, _)| *known == name) {
                return Err(A::Error::custom("a name stands twice"));
            }
            members.push((name, node));
        }
        Ok(Node::Mapping(members))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Node::Sequence(items))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Leaf(Leaf::Text(Zeroizing::new(text.to_owned()))))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Node, E> {
        Ok(Node::Leaf(Leaf::Flag(flag)))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Node, E> {
        Ok(bare(number.to_string()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Node, E> {
        Ok(bare(number.to_string()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Node, E> {
        Ok(bare(number.to_string()))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Leaf(Leaf::Null))
    }
}

fn bare(text: String) -> Node {
    Node::Leaf(Leaf::Bare(Zeroizing::new(text)))
}

/// A mapping or sequence that is not complete yet.
enum Open {
    Mapping(Vec<(String, Node)>, Option<String>),
    Sequence(Vec<Node>),
}

fn yaml(text: &str) -> Result<Node, ImportError> {
    let (mut stack, mut whole): (Vec<Open>, Option<Node>) = (Vec::new(), None);
    let options = options! { disallow_directives: true, emit_unresolved_aliases: true };
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| syntax(error.marker().line(), "expected YAML"))?;
        let line = span.start.line();
        let node = match event {
            Event::Scalar(text, style, 0, None) => match stack.last_mut() {
                Some(Open::Mapping(members, key @ None)) => {
                    if members.iter().any(|(known, _)| *known == *text) {
                        return Err(syntax(line, "a name stands twice"));
                    }
                    *key = Some(text.into_owned());
                    continue;
                }
                _ => scalar(&text, style),
            },
            Event::SequenceStart(_, 0, None) => {
                stack.push(Open::Sequence(Vec::new()));
                continue;
            }
            Event::MappingStart(_, 0, None) => {
                stack.push(Open::Mapping(Vec::new(), None));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match stack.pop() {
                Some(Open::Mapping(members, None)) => Node::Mapping(members),
                Some(Open::Sequence(items)) => Node::Sequence(items),
                Some(Open::Mapping(_, Some(_))) | None => return Err(syntax(line, "expected a value")),
            },
            Event::Scalar(..)
            | Event::SequenceStart(..)
            | Event::MappingStart(..)
            | Event::Alias(_)
            | Event::UnresolvedAlias(_) => {
                return Err(syntax(line, "anchors, aliases and tags are not read; write the value itself"));
            }
            Event::DocumentStart(..) if whole.is_some() => return Err(syntax(line, "expected one document")),
            // The rest is layout.
            _ => continue,
        };
        if stack.len() > DEPTH_MAX {
            return Err(syntax(line, "nested too deep"));
        }
        match stack.last_mut() {
            None => whole = Some(node),
            Some(Open::Sequence(items)) => items.push(node),
            Some(Open::Mapping(members, key)) => match key.take() {
                Some(name) => members.push((name, node)),
                None => return Err(syntax(line, "expected a name that is a text")),
            },
        }
    }
    whole.ok_or_else(|| syntax(1, "expected a document, found nothing"))
}

fn scalar(text: &str, style: ScalarStyle) -> Node {
    let owned = || Zeroizing::new(text.to_owned());
    Node::Leaf(match (style, text) {
        (ScalarStyle::Plain, "" | "~" | "null" | "Null" | "NULL") => Leaf::Null,
        (ScalarStyle::Plain, "true" | "True" | "TRUE") => Leaf::Flag(true),
        (ScalarStyle::Plain, "false" | "False" | "FALSE") => Leaf::Flag(false),
        (ScalarStyle::Plain, _) => Leaf::Bare(owned()),
        _ => Leaf::Text(owned()),
    })
}
