//! What an operator allows beside the rules written by hand: one principal, one action, one host, as a rule of its own that
//! stands for the questions that would be asked about it.
//!
//! Nothing here is a pattern. A rule that denies beats it as it beats every other.

use latchgate_wire::digest::Digest;
use latchgate_wire::ids::SessionId;
use latchgate_wire::principal::Principal;
use latchgate_wire::receipt::{Boundary, PlanKind};
use latchgate_wire::time::Timestamp;
use serde_json::Value;
use url::Host;

use super::context::Frame;
use super::judge::{Agent, Question};
use super::load::{Policy, entity_uid};
use super::rule::DEFAULT;
use super::source::{Source, Written};
use crate::manifest::read::yaml::Document;
use crate::manifest::{Manifest, Template};
use crate::plan::{HttpStep, Plan, Step};

/// What the ids of allowances begin with.
const ID_PREFIX: &str = "allowed.";

/// Read back from a rule, or about to become one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowance {
    pub principal: Principal,
    pub action_id: String,
    pub host: HostName,
    /// Ids of the rules that need not ask here.
    pub instead_of: Vec<String>,
}

/// A host by its name, as requests spell it: lower case, ASCII, at least two labels; no address, port or pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName(String);

/// The text is no name of a host.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected the name of one host in lower case, such as docs.example.com, without scheme, port or `*`")]
pub struct HostNameError;

/// What the rules in force say of a plain request to a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trial {
    /// By this rule; `default` where none permits anything.
    Denied(String),
    /// By these rules, of which the last says whether it asks more than one operator.
    Asked { rules: Vec<String>, of_several: Option<String> },
    /// By this rule.
    Allowed(String),
}

/// Of whom, and when.
pub struct Asker<'a> {
    pub principal: &'a Principal,
    pub boundary: Boundary,
    pub now: Timestamp,
}

impl std::str::FromStr for HostName {
    type Err = HostNameError;

    fn from_str(text: &str) -> Result<Self, HostNameError> {
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let is_name = text.len() <= 253 && text.contains('.') && text.split('.').all(is_label);
        // Names that a URL reads as an address (`10.1`, `1.2.3.4`), or spells otherwise, are none.
        match Host::parse(text) {
            Ok(Host::Domain(name)) if is_name && name == text => Ok(Self(name)),
            _ => Err(HostNameError),
        }
    }
}

impl HostName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Allowance {
    /// The `@id` of its rule: the same for the same principal, action and host.
    pub fn rule_id(&self) -> String {
        let what = format!("{}\n{}\n{}", self.principal, self.action_id, self.host.0);
        let digest = Digest::of(what.as_bytes()).to_string();
        let hex = digest.strip_prefix("sha256:").unwrap_or(&digest);
        format!("{ID_PREFIX}{}", hex.get(..16).unwrap_or(hex))
    }

    /// Its file in the directory of policies. Every part has a grammar without quotes and line ends.
    pub fn source(&self, directory: &str) -> Source {
        let Self { principal, action_id, host, instead_of } = self;
        let (id, host) = (self.rule_id(), &host.0);
        let instead_of = match instead_of.as_slice() {
            [] => String::new(),
            rules => format!("    instead_of: [{}]\n", quoted(rules)),
        };
        let text = format!(
            "# Written by the gate for an operator. To take it back: latchgate policy disallow {id}\n\
             format: 1\nrules:\n  - id: \"{id}\"\n    then: allow\n{instead_of}    \
             reason: \"an operator allowed this host\"\n    when:\n      principal: \"{principal}\"\n      \
             action: \"{action_id}\"\n      host: \"{host}\"\n"
        );
        Source { name: format!("{directory}/{id}.yaml"), text }
    }

    /// The allowance that a file of this text states; `None` if it states anything else.
    fn read(text: &str) -> Option<Self> {
        let document = Document::read(text).ok()?.value;
        let rule = document.pointer("/rules/0")?;
        let member = |pointer: &str| rule.pointer(pointer).and_then(Value::as_str);
        let named = rule.get("instead_of").and_then(Value::as_array).into_iter().flatten();
        let found = Self {
            principal: member("/when/principal")?.parse().ok()?,
            action_id: member("/when/action")?.to_owned(),
            host: member("/when/host")?.parse().ok()?,
            instead_of: named.filter_map(Value::as_str).map(str::to_owned).collect(),
        };
        (found.source("").text == text).then_some(found)
    }
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
}

impl Policy {
    /// Those in force, in the order of their ids.
    pub fn allowances(&self) -> Vec<Allowance> {
        let written = self.sources.iter().filter_map(|source| match &source.written {
            Written::Rules { yaml, .. } => Allowance::read(yaml),
            Written::Cedar => None,
        });
        written.collect()
    }

    /// What the rules say of a request of this action to the host, at `/`, with the least of arguments. Rules may look at
    /// more than that; what they say then, they say whatever this finds.
    pub fn try_host(&self, manifest: &Manifest, host: &HostName, asker: &Asker<'_>) -> Trial {
        let fault = || Trial::Denied("fault:plan".to_owned());
        let Some(action) = self.actions.get(&manifest.action_id) else {
            return Trial::Denied(DEFAULT.into());
        };
        let Template::Http(template) = &manifest.template else { return fault() };
        let url = format!("https://{}/", host.0);
        let args = action.args.least(&url);
        let step = Step::Http(request(&template.method, url));
        let plan = Plan { kind: PlanKind::Exact, steps: vec![step] };
        let question = Question {
            principal: asker.principal,
            agent: Agent::of(asker.principal, None),
            manifest,
            args: &args,
            plan: &plan,
            session: SessionId::new(0, 0),
            boundary: asker.boundary,
            now: asker.now,
            calls_left: None,
        };
        self.tried(action, &question).unwrap_or_else(fault)
    }

    fn tried(&self, action: &super::load::Action, question: &Question<'_>) -> Option<Trial> {
        let principal = entity_uid(&self.vocabulary.principal, &question.principal.to_string());
        let entities = self.entities(action, question.principal, &principal)?;
        let frame = Frame::new(question, action.args.see(question.args).ok()?)?;
        let request = self.request(action, question, &principal, &frame, question.plan.steps.first()?)?;
        let found = self.found(&action.rules, &request, &entities);
        let asking = found.asking();
        if let Some(denial) = found.denied {
            return Some(Trial::Denied(denial.rule));
        }
        if asking.is_empty() {
            return found.allowing.map(|rule| Trial::Allowed(rule.id.clone()));
        }
        let several = asking.iter().find(|rule| rule.asking.needs_more_than(1));
        let of_several = several.map(|rule| rule.id.clone());
        Some(Trial::Asked { rules: asking.iter().map(|rule| rule.id.clone()).collect(), of_several })
    }
}

fn request(method: &str, url: String) -> HttpStep {
    HttpStep {
        method: method.to_owned(),
        target: url.clone(),
        url,
        headers: Vec::new(),
        body: None,
        secrets: Vec::new(),
        response_bytes_max: 0,
    }
}

#[cfg(test)]
mod tests {
    use latchgate_wire::receipt::Verdict;
    use serde_json::json;

    use super::*;
    use crate::policy::testing::{http_action, judge, samples};

    const ASK: &str = r#"@id("ask-to-fetch") @ask("it leaves this machine") permit (principal, action in Action::"class:read", resource)
        when { context.op.kind == "http" };"#;

    fn policy(cedar: &str, allowance: Option<&Allowance>) -> Policy {
        let mut sources = vec![Source { name: "policies/p.cedar".into(), text: cedar.into() }];
        sources.extend(allowance.map(|allowance| allowance.source("policies")));
        let samples = samples();
        Policy::load(&sources, &samples.iter().collect::<Vec<_>>()).unwrap()
    }

    fn docs(instead_of: &[&str]) -> Allowance {
        Allowance {
            principal: Principal::Uid(1000),
            action_id: "http_fetch".into(),
            host: "docs.example.com".parse().unwrap(),
            instead_of: instead_of.iter().map(ToString::to_string).collect(),
        }
    }

    fn tried(policy: &Policy, host: &str) -> Trial {
        let asker = Asker {
            principal: &Principal::Uid(1000),
            boundary: Boundary::Service,
            now: Timestamp::from_secs(1_700_000_000),
        };
        policy.try_host(&http_action("http_fetch", "read", "medium", "GET"), &host.parse().unwrap(), &asker)
    }

    #[test]
    fn a_host_is_one_name_and_no_pattern() {
        for name in ["docs.example.com", "xn--bcher-kva.example", "a.b"] {
            assert_eq!(name.parse::<HostName>().unwrap().as_str(), name);
        }
        for other in [
            "",
            "*",
            "*.example.com",
            "Docs.example.com",
            "docs.example.com.",
            "docs",
            "docs.example.com:443",
            "https://a.b",
            "a.b/c",
            "10.0.0.1",
            "10.1",
            "[::1]",
            "a b.c",
            "a..b",
            "bücher.example",
            "a.b\"",
            "a.b\n",
            "-a.b",
            "a_b.c",
        ] {
            assert_eq!(other.parse::<HostName>(), Err(HostNameError), "{other:?}");
        }
    }

    #[test]
    fn it_stands_for_the_question_at_that_host_and_for_nobody_else() {
        let policy = policy(ASK, Some(&docs(&["ask-to-fetch"])));
        let verdict = |url: &str| judge(&policy, "http_fetch", &json!({ "url": url })).unwrap().verdict;
        assert_eq!(verdict("https://docs.example.com/a"), Verdict::Allow);
        for url in
            ["https://example.com/", "https://docs.example.com.evil.example/", "https://xdocs.example.com/"]
        {
            assert_eq!(verdict(url), Verdict::Ask, "{url}");
        }
        assert_eq!(policy.allowances(), [docs(&["ask-to-fetch"])]);
    }

    #[test]
    fn a_trial_says_what_the_rules_would() {
        let asked = Trial::Asked { rules: vec!["ask-to-fetch".into()], of_several: None };
        assert_eq!(tried(&policy(ASK, None), "docs.example.com"), asked);
        let allowed = policy(ASK, Some(&docs(&["ask-to-fetch"])));
        assert_eq!(tried(&allowed, "docs.example.com"), Trial::Allowed(docs(&[]).rule_id()));
        assert_eq!(tried(&policy("", None), "docs.example.com"), Trial::Denied("default".into()));
        let forbid = format!("{ASK} @id(\"no\") forbid (principal, action, resource);");
        assert_eq!(tried(&policy(&forbid, None), "docs.example.com"), Trial::Denied("no".into()));
        let several = ASK.replacen("@ask", "@approvers(\"2\") @ask", 1);
        let Trial::Asked { of_several, .. } = tried(&policy(&several, None), "docs.example.com") else {
            panic!()
        };
        assert_eq!(of_several.as_deref(), Some("ask-to-fetch"));
    }

    #[test]
    fn a_file_that_was_changed_by_hand_is_no_allowance() {
        let source = docs(&["ask-to-fetch"]).source("policies");
        assert_eq!(source.name, format!("policies/{}.yaml", docs(&[]).rule_id()));
        assert_eq!(Allowance::read(&source.text), Some(docs(&["ask-to-fetch"])));
        for (from, to) in [("docs.example.com\"", "*.example.com\""), ("then: allow", "then: deny")] {
            assert_eq!(Allowance::read(&source.text.replace(from, to)), None, "{to}");
        }
    }
}
