//! What a manifest may declare of secrets: one place each, at one host, that nothing of the template fills.

use std::collections::BTreeSet;

use latchgate_wire::placement::Placement;
use latchgate_wire::secret::SecretName;
use serde_json::Value;
use url::Url;

use super::super::{HttpTemplate, Manifest, SecretRule, Template};
use crate::schema::{Violation, below};

pub(super) fn check(manifest: &Manifest, wrong: &mut Vec<Violation>) {
    let template = match &manifest.template {
        Template::Http(template) => template,
        Template::Fs(_) if manifest.secrets.is_empty() => return,
        Template::Fs(_) => {
            return wrong
                .push(Violation::new("/secrets", "unexpected member: the template is no http request"));
        }
    };
    let mut taken = BTreeSet::new();
    for (i, rule) in manifest.secrets.iter().enumerate() {
        let at = below("/secrets", i);
        check_names(rule, &at, wrong);
        check_host(rule, manifest, template, &at, wrong);
        let at = below(&at, "placement");
        if let Err(why) = fits(rule, template) {
            wrong.push(Violation::new(&at, why));
        }
        if !taken.insert(place(&rule.placement)) {
            wrong.push(Violation::new(&at, "expected each place once: another secret goes there already"));
        }
    }
}

/// Two that are equal would overwrite each other.
fn place(placement: &Placement) -> String {
    match (placement.header(), placement) {
        (Some(name), _) => format!("header {}", name.to_ascii_lowercase()),
        (None, placement) => placement.to_string(),
    }
}

fn check_names(rule: &SecretRule, at: &str, wrong: &mut Vec<Violation>) {
    for name in rule.used().names() {
        if let Err(error) = name.parse::<SecretName>() {
            wrong.push(Violation::new(at, error.to_string()));
        }
    }
}

fn check_host(
    rule: &SecretRule,
    manifest: &Manifest,
    template: &HttpTemplate,
    at: &str,
    wrong: &mut Vec<Violation>,
) {
    let at = below(at, "host");
    let is_declared = manifest.egress.as_ref().is_some_and(|rules| rules.domains.contains(&rule.host));
    if !is_declared || rule.host.contains('*') {
        wrong.push(Violation::new(&at, "expected one of `egress.domains`, by its full name"));
    }
    let Some((scheme, host)) = literal_origin(&template.url) else { return };
    if host != rule.host {
        wrong.push(Violation::new(&at, format!("expected {host}, the host of the template's url")));
    }
    if scheme != "https" && !is_loopback(&rule.host) {
        let message = "expected https for a request that carries a secret (plain http is for loopback)";
        wrong.push(Violation::new("/template/url", message));
    }
}

/// `None` for a url that is wholly an argument: each call is held to the host then.
fn literal_origin(url: &str) -> Option<(String, String)> {
    let (origin, _) = url.split_once("://").filter(|(scheme, _)| !scheme.contains('{'))?;
    // Placeholders stand in the path alone; whether the url is one at all the template's own check says.
    let authority = url[origin.len() + 3..].split('/').next()?;
    let parsed = Url::parse(&format!("{origin}://{authority}/")).ok()?;
    Some((parsed.scheme().to_owned(), parsed.host_str()?.to_owned()))
}

fn is_loopback(host: &str) -> bool {
    let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<core::net::IpAddr>();
    host == "localhost" || host.ends_with(".localhost") || ip.is_ok_and(|ip| ip.is_loopback())
}

/// Whether the place is one, and free.
fn fits(rule: &SecretRule, template: &HttpTemplate) -> Result<(), String> {
    if let Some(name) = rule.placement.header() {
        header_is_free(name, template)?;
    }
    match &rule.placement {
        Placement::Bearer {} | Placement::BasicUser {} => Ok(()),
        Placement::Header { name, prefix: _ } => check_header(name),
        Placement::Basic { user, user_secret } => match (user, user_secret) {
            (Some(_), None) | (None, Some(_)) => Ok(()),
            (Some(_), Some(_)) | (None, None) => Err("expected either `user` or `user_secret`".into()),
        },
        Placement::Query { name } => is_absent(template.query.contains_key(name), "a query parameter"),
        Placement::Form { name } if !template.form.is_empty() => {
            is_absent(template.form.contains_key(name), "a field of the form")
        }
        Placement::Form { .. } => Err("expected a `form` in the template".into()),
        Placement::Body { pointer } => body_has_room(pointer, template),
        Placement::Path { segment } => segment_names(*segment, &rule.name, &template.url),
        Placement::AwsSigv4 { .. } => {
            ["x-amz-date", "x-amz-content-sha256", "x-amz-security-token"]
                .iter()
                .try_for_each(|name| header_is_free(name, template))?;
            is_absent(template.query.keys().any(|name| name.to_ascii_lowercase().starts_with("x-amz-")), "it")
        }
    }
}

fn is_absent(is_there: bool, what: &str) -> Result<(), String> {
    if is_there { Err(format!("expected {what} that the template does not set")) } else { Ok(()) }
}

fn header_is_free(name: &str, template: &HttpTemplate) -> Result<(), String> {
    is_absent(
        template.headers.keys().any(|set| set.eq_ignore_ascii_case(name)),
        &format!("a header ({name})"),
    )
}

fn check_header(name: &str) -> Result<(), String> {
    if name.bytes().any(|b| b.is_ascii_uppercase() || matches!(b, b'[' | b']')) || name.is_empty() {
        return Err("expected the name of a header in lower case".into());
    }
    if crate::template::is_reserved_header(name) || name == "content-type" || name == "user-agent" {
        return Err(
            "expected a header that may hold a credential; the gate or the template sets this one".into()
        );
    }
    Ok(())
}

/// The member's parents are objects of the template, and the member itself is not there.
fn body_has_room(pointer: &str, template: &HttpTemplate) -> Result<(), String> {
    let (parent, _) = pointer.rsplit_once('/').ok_or("expected a JSON pointer to a member")?;
    let body = template.body.as_ref().ok_or("expected a `body` in the template")?;
    match body.pointer(parent) {
        Some(Value::Object(_)) => is_absent(body.pointer(pointer).is_some(), "a member of the body"),
        _ => Err("expected a pointer whose parent is an object in the template's body".into()),
    }
}

fn segment_names(segment: u32, name: &str, url: &str) -> Result<(), String> {
    let path = url.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map(|(_, path)| path);
    let index = usize::try_from(segment).unwrap_or(usize::MAX).saturating_sub(1);
    let Some(text) = path.and_then(|path| path.split('/').nth(index)) else {
        return Err(format!("expected a path with a segment {segment}"));
    };
    // Placeholders that can hold slashes would move what stands behind them.
    if url.split('/').any(|part| part.contains("{+")) {
        return Err("expected no `{+name}` in a path that holds a secret".into());
    }
    match (text.matches(name).count(), text.contains(['{', '}', '%'])) {
        (1, false) => Ok(()),
        _ => Err(format!("expected segment {segment} to be literal, with {name} in it once")),
    }
}
