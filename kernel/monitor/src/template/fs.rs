//! File templates: a path below the operator's root, and what a write puts there.

use crate::manifest::{FsRules, FsTemplate, Manifest};
use crate::plan::{Content, FsOperation, FsPath};
use crate::schema::{Violation, below};

use super::arguments::Arguments;
use super::edit::EditCompiled;
use super::glob::Glob;
use super::search::SearchCompiled;
use super::text::Text;
use super::{Args, Expanded, TemplateError};

#[derive(Debug)]
pub(super) struct FsCompiled {
    operation: FsOperation,
    path: PathTemplate,
    source: Source,
    allow: Vec<Glob>,
    deny: Vec<Glob>,
    bytes_max: u64,
}

/// What belongs to an operation beside its path.
#[derive(Debug)]
enum Source {
    Nothing,
    Search(Box<SearchCompiled>),
    Content(Text),
    Edit(EditCompiled),
}

#[derive(Debug)]
enum PathTemplate {
    /// The whole path is one argument, of any depth.
    Whole(Text),
    /// Arguments fill components or parts of one, and never add any.
    Components(Vec<Text>),
}

impl FsCompiled {
    pub(super) fn compile(
        manifest: &Manifest,
        template: &FsTemplate,
        arguments: &Arguments<'_>,
        wrong: &mut Vec<Violation>,
    ) -> Option<Self> {
        let rules = manifest.fs.as_ref();
        if rules.is_none_or(|rules| !rules.operations.contains(&template.operation)) {
            let expected = format!("expected `{}` among the operations of `fs`", template.operation.as_str());
            wrong.push(Violation::new("/fs/operations", expected));
        }
        let path = PathTemplate::parse(&template.path, arguments);
        let path = path.map_err(|why| wrong.push(Violation::new("/template/path", why))).ok();
        let source = Source::compile(template, rules?, arguments, wrong);
        let (allow, deny) = globs(rules?, wrong);
        let bytes_max = manifest.limits.response_bytes;
        Some(Self { operation: template.operation, path: path?, source: source?, allow, deny, bytes_max })
    }

    pub(super) fn expand(&self, args: &Args) -> Result<Expanded, TemplateError> {
        let path = self.path.expand(args)?;
        self.permit(&path)?;
        let bytes_max = self.bytes_max;
        let (content, search) = match &self.source {
            Source::Nothing => (None, None),
            Source::Search(search) => (None, Some(Box::new(search.expand(args)?))),
            Source::Content(text) => (Some(Content::Text(text.plain(args)?)), None),
            Source::Edit(edit) => {
                return Ok(Expanded::FsPatch { path, edit: edit.expand(args)?, bytes_max });
            }
        };
        Ok(Expanded::Fs { operation: self.operation, path, content, search, bytes_max })
    }

    fn permit(&self, path: &FsPath) -> Result<(), TemplateError> {
        let names_a_directory = matches!(self.operation, FsOperation::List | FsOperation::Search);
        if path.as_str().is_empty() && !names_a_directory {
            let message =
                format!("expected the path of a file to {}, found the root itself", self.operation.as_str());
            return Err(self.path.refused(message));
        }
        let allowed = self.allow.iter().any(|glob| glob.matches(path));
        if !allowed || self.deny.iter().any(|glob| glob.matches(path)) {
            let message = format!("this action may not {} that path", self.operation.as_str());
            return Err(self
                .path
                .refused(message)
                .remedy("choose a path that the action's file rules allow"));
        }
        Ok(())
    }
}

impl Source {
    fn compile(
        template: &FsTemplate,
        rules: &FsRules,
        arguments: &Arguments<'_>,
        wrong: &mut Vec<Violation>,
    ) -> Option<Self> {
        let (is_write, is_search) =
            (template.operation == FsOperation::Write, template.operation == FsOperation::Search);
        let mut refuse = |name: &str, why: &str| {
            wrong.push(Violation::new(format!("/template/{name}"), why));
            None
        };
        match (&template.content, &template.edit, &template.search) {
            (Some(_), _, _) if !is_write => {
                refuse("content", "expected content only where the operation is `write`")
            }
            (_, Some(_), _) if !is_write => {
                refuse("edit", "expected an edit only where the operation is `write`")
            }
            (_, _, Some(_)) if !is_search => {
                refuse("search", "expected a search only where the operation is `search`")
            }
            (Some(_), Some(_), _) => refuse("edit", "expected content or an edit of what is there, not both"),
            (None, None, _) if is_write => {
                refuse("content", "expected content, because the operation is `write`")
            }
            (_, _, None) if is_search => refuse("search", "expected a search, because that is the operation"),
            (Some(content), None, _) => Self::content(content, arguments, wrong),
            (None, Some(edit), _) => EditCompiled::compile(edit, arguments, wrong).map(Self::Edit),
            (None, None, Some(search)) => SearchCompiled::compile(search, rules, arguments, wrong)
                .map(|search| Self::Search(Box::new(search))),
            (None, None, None) => Some(Self::Nothing),
        }
    }

    fn content(text: &str, arguments: &Arguments<'_>, wrong: &mut Vec<Violation>) -> Option<Self> {
        let text = Text::parse(text).and_then(|text| match text.objection(arguments) {
            Some(objection) => Err(objection),
            None => Ok(text),
        });
        text.map(Self::Content).map_err(|why| wrong.push(Violation::new("/template/content", why))).ok()
    }
}

impl PathTemplate {
    fn parse(path: &str, arguments: &Arguments<'_>) -> Result<Self, String> {
        let whole = Text::parse(path)?;
        if let Some(objection) = whole.objection(arguments) {
            return Err(objection);
        }
        if whole.whole().is_some() {
            return Ok(Self::Whole(whole));
        }
        // Only a text that is its own normal form shows what will be touched.
        let sample = whole.sample();
        if FsPath::parse(&sample).map_err(|e| e.to_string())?.as_str() != sample {
            return Err("expected a path without `.`, empty components or a slash at the end".into());
        }
        path.split('/').map(Text::parse).collect::<Result<_, _>>().map(Self::Components)
    }

    fn expand(&self, args: &Args) -> Result<FsPath, TemplateError> {
        let text = match self {
            Self::Whole(text) => text.plain(args)?,
            Self::Components(components) => {
                let expanded: Result<Vec<_>, _> = components.iter().map(|c| component(c, args)).collect();
                expanded?.join("/")
            }
        };
        FsPath::parse(&text).map_err(|error| {
            self.refused(error.to_string()).remedy("give a path relative to the root, like notes/today.md")
        })
    }

    /// An error of the argument that the path is made of.
    fn refused(&self, message: impl Into<String>) -> TemplateError {
        let name = match self {
            Self::Whole(text) => text.names().next(),
            Self::Components(components) => components.iter().flat_map(Text::names).next(),
        };
        match name {
            Some(name) => TemplateError::of(name, message),
            None => TemplateError::new(message),
        }
    }
}

/// One component: an argument in it adds no slash and makes no component that means nothing or another place.
fn component(template: &Text, args: &Args) -> Result<String, TemplateError> {
    let text = template.plain(args)?;
    match template.names().next() {
        Some(name) if text.contains('/') || matches!(text.as_str(), "" | "." | "..") => {
            Err(TemplateError::of(name, "expected a name: not empty, no dots only, no `/`"))
        }
        _ => Ok(text),
    }
}

fn globs(rules: &FsRules, wrong: &mut Vec<Violation>) -> (Vec<Glob>, Vec<Glob>) {
    let mut parse = |texts: &[String], pointer: &str| {
        let mut globs = Vec::new();
        for (i, text) in texts.iter().enumerate() {
            match Glob::parse(text) {
                Ok(glob) => globs.push(glob),
                Err(why) => wrong.push(Violation::new(below(pointer, i), why)),
            }
        }
        globs
    };
    (parse(&rules.allow, "/fs/allow"), parse(&rules.deny, "/fs/deny"))
}
