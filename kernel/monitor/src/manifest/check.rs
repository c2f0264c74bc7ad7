//! What a manifest means: the rules that its schema cannot say. Every problem is reported, none of them fixed.

mod arguments;
mod examples;
mod secrets;

use super::{Class, Import, Manifest, Risk, Template};
use crate::plan::{FsOperation, FsPath};
use crate::schema::{RequestSchema, Violation};
use crate::template::CompiledTemplate;

impl Manifest {
    /// Everything that is wrong with the manifest's meaning, each with its place; empty if nothing is.
    pub(super) fn check(&self) -> Vec<Violation> {
        let mut wrong = Vec::new();
        self.check_module(&mut wrong);
        self.check_risk(&mut wrong);
        self.check_class(&mut wrong);
        self.check_imports(&mut wrong);
        self.check_verify(&mut wrong);
        secrets::check(self, &mut wrong);
        arguments::check(&self.request_schema, &mut wrong);
        if let Err(violations) = RequestSchema::compile(&self.response_schema) {
            wrong.extend(violations.0.into_iter().map(|v| inside("/response_schema", v)));
        }
        let request = RequestSchema::compile(&self.request_schema);
        let template = CompiledTemplate::compile(self);
        match (request, template) {
            (Ok(request), Ok(template)) => examples::check(self, &request, &template, &mut wrong),
            (request, template) => {
                let request = request.err().map_or_else(Vec::new, |violations| violations.0);
                wrong.extend(request.into_iter().map(|v| inside("/request_schema", v)));
                wrong.extend(template.err().map_or_else(Vec::new, |violations| violations.0));
            }
        }
        wrong
    }

    fn check_module(&self, wrong: &mut Vec<Violation>) {
        let is_builtin = self.module.strip_prefix("builtin:").is_some_and(|name| {
            name.starts_with(|c: char| c.is_ascii_lowercase())
                && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        });
        let is_component = self.module.ends_with(".wasm")
            && FsPath::parse(&self.module).is_ok_and(|p| p.as_str() == self.module);
        if !is_builtin && !is_component {
            wrong.push(Violation::new(
                "/module",
                "expected `builtin:NAME`, or the relative path of a .wasm component",
            ));
        }
    }

    fn check_risk(&self, wrong: &mut Vec<Violation>) {
        let least = least_risk(self.class);
        if self.risk_level < least {
            let message =
                format!("expected {} or more for the class {}", least.as_str(), self.class.as_str());
            wrong.push(Violation::new("/risk_level", message));
        }
    }

    /// Policy allows whole classes; what changes the world must not hide in the harmless one.
    fn check_class(&self, wrong: &mut Vec<Violation>) {
        let changes = match &self.template {
            Template::Http(template) => !matches!(template.method.as_str(), "GET" | "HEAD"),
            Template::Fs(template) => match template.operation {
                FsOperation::Read | FsOperation::List | FsOperation::Search => false,
                FsOperation::Write | FsOperation::Delete => true,
            },
        };
        if changes && self.class == Class::Read {
            wrong.push(Violation::new(
                "/class",
                "expected another class than read for an operation that changes something",
            ));
        }
    }

    /// A module gets what its template needs, and no more.
    fn check_imports(&self, wrong: &mut Vec<Violation>) {
        let (needed, needless, section, other) = match self.template {
            Template::Http(_) => (Import::Http, Import::Fs, "egress", ("fs", self.fs.is_some())),
            Template::Fs(_) => (Import::Fs, Import::Http, "fs", ("egress", self.egress.is_some())),
        };
        if !self.imports.contains(&needed) {
            wrong.push(Violation::new(
                "/imports",
                format!("expected the import that the template and `{section}` need"),
            ));
        }
        if self.imports.contains(&needless) {
            wrong.push(Violation::new("/imports", "expected no import that the template does not need"));
        }
        if let (name, true) = other {
            let message = "unexpected member: the template does not need it";
            wrong.push(Violation::new(format!("/{name}"), message));
        }
    }

    fn check_verify(&self, wrong: &mut Vec<Violation>) {
        let has_statuses = !self.verify.http_status.is_empty() || self.verify.json.is_some();
        if has_statuses && !matches!(self.template, Template::Http(_)) {
            wrong.push(Violation::new(
                "/verify/http_status",
                "expected what a service answers only for an http template",
            ));
        }
        if has_statuses && self.verify.unverifiable {
            wrong.push(Violation::new(
                "/verify/unverifiable",
                "expected what the service answers or unverifiable, not both",
            ));
        }
    }
}

/// The least risk that an action of a class may claim.
fn least_risk(class: Class) -> Risk {
    match class {
        Class::Read | Class::Write => Risk::Low,
        Class::Send | Class::Submit => Risk::Medium,
        Class::Execute | Class::TransferValue => Risk::High,
    }
}

/// `violation` of a part, as a place in the whole.
fn inside(part: &str, violation: Violation) -> Violation {
    Violation { pointer: format!("{part}{}", violation.pointer), ..violation }
}

#[cfg(test)]
mod tests;
