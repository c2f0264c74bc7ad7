//! Searches: what arguments make of the pattern, and the action's file rules with it.

use crate::manifest::{FsRules, SearchTemplate};
use crate::plan::{Search, SearchError};
use crate::schema::Violation;

use super::arguments::Arguments;
use super::count::Count;
use super::text::Text;
use super::{Args, TemplateError};

#[derive(Debug)]
pub(super) struct SearchCompiled {
    pattern: Text,
    glob: Text,
    is_regex: Switch,
    is_case_sensitive: Switch,
    results_max: Count,
    allow: Vec<String>,
    deny: Vec<String>,
}

#[derive(Debug)]
enum Switch {
    Literal(bool),
    Argument(String),
}

impl SearchCompiled {
    pub(super) fn compile(
        template: &SearchTemplate,
        rules: &FsRules,
        arguments: &Arguments<'_>,
        wrong: &mut Vec<Violation>,
    ) -> Option<Self> {
        let at = |name: &str| format!("/template/search/{name}");
        let mut text = |name: &str, text: &str| {
            let parsed = Text::parse(text).and_then(|text| match text.objection(arguments) {
                Some(objection) => Err(objection),
                None => Ok(text),
            });
            parsed.map_err(|why| wrong.push(Violation::new(at(name), why))).ok()
        };
        let (pattern, glob) = (text("pattern", &template.pattern), text("glob", &template.glob));
        let mut switch = |name: &str, text: &str| {
            Switch::parse(text, arguments).map_err(|why| wrong.push(Violation::new(at(name), why))).ok()
        };
        let is_regex = switch("is_regex", &template.is_regex);
        let is_case_sensitive = switch("is_case_sensitive", &template.is_case_sensitive);
        let results_max = Count::parse(&template.results_max, arguments);
        let results_max = results_max.map_err(|why| wrong.push(Violation::new(at("results_max"), why))).ok();
        Some(Self {
            pattern: pattern?,
            glob: glob?,
            is_regex: is_regex?,
            is_case_sensitive: is_case_sensitive?,
            results_max: results_max?,
            allow: rules.allow.clone(),
            deny: rules.deny.clone(),
        })
    }

    pub(super) fn expand(&self, args: &Args) -> Result<Search, TemplateError> {
        let search = Search {
            pattern: self.pattern.plain(args)?,
            is_regex: self.is_regex.expand(args)?,
            is_case_sensitive: self.is_case_sensitive.expand(args)?,
            glob: self.glob.plain(args)?,
            results_max: self.results_max.expand(args)?,
            allow: self.allow.clone(),
            deny: self.deny.clone(),
        };
        match search.matcher() {
            Ok(_) => Ok(search),
            Err(error) => Err(self.refused(&error)),
        }
    }

    fn refused(&self, error: &SearchError) -> TemplateError {
        let name = match error {
            SearchError::Pattern | SearchError::Regex(_) | SearchError::Large => self.pattern.names().next(),
            SearchError::Name => self.glob.names().next(),
            SearchError::Results => self.results_max.name(),
            SearchError::Rules(_) => None,
        };
        match name {
            Some(name) => TemplateError::of(name, error.to_string()),
            None => TemplateError::new(error.to_string()),
        }
    }
}

impl Switch {
    fn parse(text: &str, arguments: &Arguments<'_>) -> Result<Self, String> {
        if let Some(name) = Text::parse(text)?.whole() {
            let argument = arguments.named(name).filter(|argument| argument.always && argument.is_boolean());
            let expected =
                || format!("expected {name} to be a declared boolean that is required or has a default");
            return argument.map(|_| Self::Argument(name.to_owned())).ok_or_else(expected);
        }
        match text {
            "true" => Ok(Self::Literal(true)),
            "false" => Ok(Self::Literal(false)),
            _ => Err("expected `true`, `false`, or wholly one boolean argument".into()),
        }
    }

    fn expand(&self, args: &Args) -> Result<bool, TemplateError> {
        match self {
            Self::Literal(is_on) => Ok(*is_on),
            Self::Argument(name) => args
                .get(name)
                .and_then(serde_json::Value::as_bool)
                .ok_or_else(|| TemplateError::of(name, "expected true or false")),
        }
    }
}
