//! HTTP templates: one request.

use serde_json::Value;
use url::{Host, Url};

use latchgate_wire::jcs;

use crate::manifest::{HttpTemplate, Manifest, SecretRule};
use crate::plan::{Content, HttpStep, Placement, SecretUse};
use crate::schema::Violation;

use super::arguments::Arguments;
use super::body::Body;
use super::egress::Egress;
use super::header::{self, Header};
use super::literal_url::{LiteralUrl, Parameters};
use super::text::Text;
use super::{Args, TemplateError, whole_url};

#[derive(Debug)]
pub(super) struct HttpCompiled {
    method: String,
    url: UrlTemplate,
    headers: Vec<Header>,
    body: Option<Body>,
    form: Option<Parameters>,
    secrets: Vec<SecretUse>,
    egress: Egress,
    response_bytes_max: u64,
}

#[derive(Debug)]
enum UrlTemplate {
    /// The whole URL is this argument.
    Argument(String),
    Literal(LiteralUrl),
}

impl HttpCompiled {
    pub(super) fn compile(
        manifest: &Manifest,
        template: &HttpTemplate,
        arguments: &Arguments<'_>,
        wrong: &mut Vec<Violation>,
    ) -> Option<Self> {
        check_method(manifest, template, wrong);
        let headers = header::compile(&template.headers, arguments, wrong);
        let body = template.body.as_ref().map(|body| Body::compile(body, "/template/body", arguments, wrong));
        check_content_type(&headers, body.is_some(), wrong);
        let form = (!template.form.is_empty())
            .then(|| Parameters::compile(&template.form, "/template/form", arguments, wrong));
        let url = UrlTemplate::compile(template, arguments, wrong);
        let Some(rules) = &manifest.egress else {
            wrong.push(Violation::new(
                "",
                "expected a member \"egress\", because the template is an http request",
            ));
            return None;
        };
        let egress = Egress::compile(rules, wrong);
        let url = url?;
        url.check_egress(&egress, wrong);
        let response_bytes_max = manifest.limits.response_bytes;
        let secrets = manifest.secrets.iter().map(SecretRule::used).collect();
        let method = template.method.clone();
        Some(Self { method, url, headers, body, form, secrets, egress, response_bytes_max })
    }

    pub(super) fn may_reach(&self, host: &str) -> bool {
        self.url.may_reach(host, &self.egress)
    }

    pub(super) fn expand(&self, args: &Args) -> Result<HttpStep, TemplateError> {
        let (url, target) = self.url.expand(args, &self.egress, &self.secrets)?;
        let mut headers =
            self.headers.iter().map(|header| header.expand(args)).collect::<Result<Vec<_>, _>>()?;
        let (body, media_type) = self.content(args)?;
        if body.is_some() && !headers.iter().any(|(name, _)| name == CONTENT_TYPE) {
            headers.push((CONTENT_TYPE.into(), media_type.into()));
        }
        let (method, secrets) = (self.method.clone(), self.secrets.clone());
        let response_bytes_max = self.response_bytes_max;
        Ok(HttpStep { method, url, target, headers, body, secrets, response_bytes_max })
    }

    fn content(&self, args: &Args) -> Result<(Option<Content>, &'static str), TemplateError> {
        match (&self.body, &self.form) {
            (Some(body), _) => Ok((Some(canonical(body, args)?), "application/json")),
            (None, Some(form)) => {
                Ok((Some(Content::Text(form.expand(args)?)), "application/x-www-form-urlencoded"))
            }
            (None, None) => Ok((None, "")),
        }
    }
}

impl UrlTemplate {
    fn compile(
        template: &HttpTemplate,
        arguments: &Arguments<'_>,
        wrong: &mut Vec<Violation>,
    ) -> Option<Self> {
        let text = Text::parse(&template.url).ok();
        let compiled = match text.as_ref().and_then(Text::whole) {
            Some(name) => Self::argument(name.to_owned(), template, arguments),
            // Its segments are read one by one, and may be what no text can: `{+name}`.
            None => LiteralUrl::parse(&template.url, &template.query, arguments, wrong).map(Self::Literal),
        };
        compiled.map_err(|why| wrong.push(Violation::new("/template/url", why))).ok()
    }

    fn argument(name: String, template: &HttpTemplate, arguments: &Arguments<'_>) -> Result<Self, String> {
        if !arguments.named(&name).is_some_and(|argument| argument.always && argument.is_string()) {
            return Err(format!("expected {name} to be a declared argument of type string that is required"));
        }
        if !template.query.is_empty() {
            return Err("expected no `query` beside a url that is wholly one argument".into());
        }
        Ok(Self::Argument(name))
    }

    fn may_reach(&self, host: &str, egress: &Egress) -> bool {
        match self {
            Self::Argument(_) => egress.covers(&Host::Domain(host)),
            Self::Literal(literal) => literal.sample.host_str() == Some(host),
        }
    }

    fn check_egress(&self, egress: &Egress, wrong: &mut Vec<Violation>) {
        let Self::Literal(literal) = self else { return };
        if egress.allows_any_host() {
            let message = "expected the hosts by name; `*` is for a url that is wholly one argument";
            wrong.push(Violation::new("/egress/domains", message));
        }
        if let Err(error) = egress.admit(&literal.sample) {
            wrong.push(Violation::new("/template/url", format!("{} under `egress`", error.message)));
        }
    }

    /// The URL, and what entries call it.
    fn expand(
        &self,
        args: &Args,
        egress: &Egress,
        secrets: &[SecretUse],
    ) -> Result<(String, String), TemplateError> {
        match self {
            // Its origin was admitted when the manifest was read, and no argument can change it.
            Self::Literal(literal) => Ok((literal.expand(args)?, literal.target.clone())),
            Self::Argument(name) => {
                let text = args.get(name).and_then(Value::as_str);
                let text = text.ok_or_else(|| TemplateError::of(name, "expected a text"))?;
                let url = admitted(text, egress).map_err(|error| error.at(name))?;
                secrets
                    .iter()
                    .try_for_each(|secret| may_carry(&url, secret))
                    .map_err(|error| error.at(name))?;
                let target = url.origin().ascii_serialization();
                Ok((url.into(), target))
            }
        }
    }
}

fn admitted(text: &str, egress: &Egress) -> Result<Url, TemplateError> {
    let url = whole_url::parse(text)?;
    egress.admit(&url)?;
    Ok(url)
}

/// A URL that the caller chose carries a secret to its host alone, over https, and says nothing where the secret goes.
fn may_carry(url: &Url, secret: &SecretUse) -> Result<(), TemplateError> {
    if url.host_str() != Some(secret.host.as_str()) {
        return Err(TemplateError::new(format!(
            "expected a url of {}: this action's credential is for that host alone",
            secret.host
        )));
    }
    // On loopback the guard of the egress has the last word.
    if url.scheme() != "https" && !super::egress::is_loopback_url(url) {
        return Err(TemplateError::new("expected an https url: the request carries a credential"));
    }
    match &secret.placement {
        Placement::Query { name } if url.query_pairs().any(|(found, _)| found == name.as_str()) => {
            Err(TemplateError::new(format!("expected a url without the parameter {name}: the gate adds it")))
        }
        _ => Ok(()),
    }
}

const CONTENT_TYPE: &str = "content-type";

fn check_method(manifest: &Manifest, template: &HttpTemplate, wrong: &mut Vec<Violation>) {
    let method = template.method.as_str();
    if manifest.egress.as_ref().is_some_and(|rules| !rules.methods.iter().any(|allowed| allowed == method)) {
        wrong.push(Violation::new(
            "/egress/methods",
            format!("expected {method}, the template's method, among them"),
        ));
    }
    let has_form = !template.form.is_empty();
    if template.body.is_some() && has_form {
        wrong.push(Violation::new("/template/form", "expected either a `body` or a `form`"));
    }
    let member = if has_form { "/template/form" } else { "/template/body" };
    if (template.body.is_some() || has_form) && matches!(method, "GET" | "HEAD") {
        wrong.push(Violation::new(member, format!("expected no body in a {method} request")));
    }
}

fn check_content_type(headers: &[Header], has_body: bool, wrong: &mut Vec<Violation>) {
    let Some(header) = headers.iter().find(|header| header.name() == CONTENT_TYPE) else { return };
    let is_json = header.literal().is_some_and(|value| {
        let essence = value.split(';').next().unwrap_or_default().trim();
        essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
    });
    if !is_json || !has_body {
        let message = "expected a literal json media type, and only where there is a body";
        wrong.push(Violation::new("/template/headers", message));
    }
}

/// The body's canonical text: what is digested is what is sent.
fn canonical(body: &Body, args: &Args) -> Result<Content, TemplateError> {
    let bytes = jcs::canonical(&body.expand(args)?).map_err(|error| TemplateError::new(error.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|_| TemplateError::new("expected a body in utf-8"))?;
    Ok(Content::Text(text))
}
