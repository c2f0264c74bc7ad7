//! Examples are the action's tests: a manifest whose examples do not come out as written is refused.

use latchgate_wire::digest::Digest;
use serde_json::Value;

use super::super::{Example, Manifest, Template};
use crate::plan::{Before, Content, FsOperation, FsStep, Step};
use crate::schema::{RequestSchema, Violation, below};
use crate::template::{CompiledTemplate, Expanded};

use super::inside;

pub(super) fn check(
    manifest: &Manifest,
    request: &RequestSchema,
    template: &CompiledTemplate,
    wrong: &mut Vec<Violation>,
) {
    let exact: &[&str] = match manifest.template {
        Template::Http(_) => &["method", "url"],
        Template::Fs(_) => &["operation", "path"],
    };
    for (i, example) in manifest.examples.iter().enumerate() {
        let at = below("/examples", i);
        let missing = exact.iter().filter(|name| example.expect.get(name).is_none());
        for name in missing {
            wrong.push(Violation::new(
                below(&at, "expect"),
                format!("expected a member \"{name}\", found none"),
            ));
        }
        let is_edit = matches!(&manifest.template, Template::Fs(template) if template.edit.is_some());
        if is_edit != example.given.is_some() {
            wrong.push(Violation::new(
                below(&at, "given"),
                "expected the content that the example finds, exactly where the template is an edit",
            ));
            continue;
        }
        match step(example, request, template) {
            Ok(step) => compare(&example.expect, &step, &below(&at, "expect"), wrong),
            Err(violation) => wrong.push(inside(&below(&at, "arguments"), violation)),
        }
    }
}

/// The operation that the example's arguments ask for, as a plan writes it.
fn step(example: &Example, request: &RequestSchema, template: &CompiledTemplate) -> Result<Value, Violation> {
    let mut args = example.arguments.clone();
    request.validate(&mut args)?;
    let step = match template.expand(&args) {
        Ok(Expanded::Http(step)) => Step::Http(step),
        Ok(Expanded::Fs { operation, path, content, search, bytes_max }) => {
            Step::Fs(FsStep { operation, path, content, before: None, search, bytes_max })
        }
        Ok(Expanded::FsPatch { path, edit, bytes_max }) => {
            let given = example.given.as_deref().unwrap_or_default();
            match edit.apply(given.as_bytes(), bytes_max) {
                Ok(new) => Step::Fs(FsStep {
                    operation: FsOperation::Write,
                    path,
                    content: Some(Content::Text(new)),
                    before: Some(Before::File {
                        digest: Digest::of(given.as_bytes()),
                        size: given.len() as u64,
                    }),
                    search: None,
                    bytes_max,
                }),
                Err(error) => return Err(Violation::new(error.pointer.unwrap_or_default(), error.message)),
            }
        }
        Err(error) => return Err(Violation::new(error.pointer.unwrap_or_default(), error.message)),
    };
    serde_json::to_value(step).map_err(|error| Violation::new("", error.to_string()))
}

fn compare(expect: &Value, step: &Value, at: &str, wrong: &mut Vec<Violation>) {
    for (name, expected) in expect.as_object().into_iter().flatten() {
        match step.get(name) {
            Some(found) if found == expected => {}
            Some(found) => {
                wrong.push(Violation::new(
                    below(at, name),
                    format!("the arguments give {found}, the example expects {expected}"),
                ));
            }
            None => wrong
                .push(Violation::new(below(at, name), "unexpected member: the operation has no such part")),
        }
    }
}
