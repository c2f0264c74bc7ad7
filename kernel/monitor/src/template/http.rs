//! HTTP templates: one request.

use serde_json::Value;
use url::{Host, Url};

use latchgate_wire::jcs;

use crate::manifest::{HttpTemplate, Manifest};
use crate::plan::{Content, HttpStep};
use crate::schema::Violation;

use super::arguments::Arguments;
use super::body::Body;
use super::egress::Egress;
use super::header::{self, Header};
use super::literal_url::LiteralUrl;
use super::text::Text;
use super::{Args, TemplateError, whole_url};

#[derive(Debug)]
pub(super) struct HttpCompiled {
    method: String,
    url: UrlTemplate,
    headers: Vec<Header>,
    body: Option<Body>,
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
        Some(Self { method: template.method.clone(), url, headers, body, egress, response_bytes_max })
    }

    pub(super) fn may_reach(&self, host: &str) -> bool {
        self.url.may_reach(host, &self.egress)
    }

    pub(super) fn expand(&self, args: &Args) -> Result<HttpStep, TemplateError> {
        let (url, target) = self.url.expand(args, &self.egress)?;
        let mut headers =
            self.headers.iter().map(|header| header.expand(args)).collect::<Result<Vec<_>, _>>()?;
        let body = self.body.as_ref().map(|body| canonical(body, args)).transpose()?;
        if body.is_some() && !headers.iter().any(|(name, _)| name == CONTENT_TYPE) {
            headers.push((CONTENT_TYPE.into(), "application/json".into()));
        }
        let method = self.method.clone();
        let response_bytes_max = self.response_bytes_max;
        Ok(HttpStep { method, url, target, headers, body, secrets: Vec::new(), response_bytes_max })
    }
}

impl UrlTemplate {
    fn compile(
        template: &HttpTemplate,
        arguments: &Arguments<'_>,
        wrong: &mut Vec<Violation>,
    ) -> Option<Self> {
        let compiled = match Text::parse(&template.url).map(|text| text.whole().map(str::to_owned)) {
            Ok(Some(name)) => Self::argument(name, template, arguments),
            Ok(None) => {
                LiteralUrl::parse(&template.url, &template.query, arguments, wrong).map(Self::Literal)
            }
            Err(why) => Err(why),
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
    fn expand(&self, args: &Args, egress: &Egress) -> Result<(String, String), TemplateError> {
        match self {
            // Its origin was admitted when the manifest was read, and no argument can change it.
            Self::Literal(literal) => Ok((literal.expand(args)?, literal.target.clone())),
            Self::Argument(name) => {
                let text = args.get(name).and_then(Value::as_str);
                let text = text.ok_or_else(|| TemplateError::of(name, "expected a text"))?;
                let url = admitted(text, egress).map_err(|error| error.at(name))?;
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

const CONTENT_TYPE: &str = "content-type";

fn check_method(manifest: &Manifest, template: &HttpTemplate, wrong: &mut Vec<Violation>) {
    let method = template.method.as_str();
    if manifest.egress.as_ref().is_some_and(|rules| !rules.methods.iter().any(|allowed| allowed == method)) {
        wrong.push(Violation::new(
            "/egress/methods",
            format!("expected {method}, the template's method, among them"),
        ));
    }
    if template.body.is_some() && matches!(method, "GET" | "HEAD") {
        wrong.push(Violation::new("/template/body", format!("expected no body in a {method} request")));
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
