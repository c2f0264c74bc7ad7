//! Globs over paths below a root, case-sensitive, matched component by component.
//!
//! `?` is one character, `*` any number of characters in a component, `**` (alone in its component) any number of
//! components, none included: `.git/**` matches `.git` itself. Each star is retried at most once for each position
//! behind it, so the time grows with pattern times path, never faster.

use crate::plan::FsPath;

/// A pattern, split into its components.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(Vec<Component>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Component {
    /// `**`.
    Any,
    /// Characters, `?` and `*`.
    One(Vec<char>),
}

impl Glob {
    /// # Errors
    /// What a pattern must look like.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() || text.len() > PATTERN_BYTES_MAX {
            return Err("expected a pattern of 1 to 1,024 bytes");
        }
        if text.contains(|c: char| c.is_control() || matches!(c, '\\' | '[' | ']' | '{' | '}' | '!')) {
            return Err("expected a pattern of `?`, `*`, `**` and ordinary characters");
        }
        text.split('/').map(Component::parse).collect::<Result<_, _>>().map(Self)
    }

    pub fn matches(&self, path: &FsPath) -> bool {
        let components: Vec<&str> = path.as_str().split('/').filter(|c| !c.is_empty()).collect();
        wild(&self.0, &components, |c| *c == Component::Any, Component::matches)
    }

    /// Whether the last component of `path`, alone, matches.
    pub fn matches_name(&self, path: &FsPath) -> bool {
        let name = path.as_str().rsplit('/').next().unwrap_or_default();
        wild(&self.0, &[name], |c| *c == Component::Any, Component::matches)
    }
}

const PATTERN_BYTES_MAX: usize = 1024;

impl Component {
    fn parse(text: &str) -> Result<Self, &'static str> {
        match text {
            "" | "." | ".." => Err("expected no empty, `.` or `..` component in a pattern"),
            "**" => Ok(Self::Any),
            text if text.contains("**") => Err("expected `**` alone in its component"),
            text => Ok(Self::One(text.chars().collect())),
        }
    }

    fn matches(&self, component: &&str) -> bool {
        match self {
            Self::Any => true,
            Self::One(pattern) => {
                let text: Vec<char> = component.chars().collect();
                wild(pattern, &text, |p| *p == '*', |p, c| *p == '?' || p == c)
            }
        }
    }
}

/// Whether `pattern` matches all of `text`. Only the last star is ever retried: what comes between two stars is best
/// matched as early as possible, since that leaves the most for the rest.
fn wild<P, T>(
    pattern: &[P],
    text: &[T],
    is_star: impl Fn(&P) -> bool,
    fits: impl Fn(&P, &T) -> bool,
) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut retry = None;
    while let Some(item) = text.get(t) {
        match pattern.get(p) {
            Some(star) if is_star(star) => {
                retry = Some((p + 1, t));
                p += 1;
            }
            Some(one) if fits(one, item) => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((after, from)) = retry else { return false };
                retry = Some((after, from + 1));
                p = after;
                t = from + 1;
            }
        }
    }
    pattern[p..].iter().all(is_star)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, path: &str) -> bool {
        Glob::parse(pattern).unwrap().matches(&FsPath::parse(path).unwrap())
    }

    #[test]
    fn patterns_match_whole_paths() {
        for (pattern, path) in [
            ("**", ""),
            ("**", "a/b/c"),
            ("a", "a"),
            ("a/*", "a/b"),
            ("a/**", "a"),
            ("a/**", "a/b/c"),
            ("**/.git/**", ".git"),
            ("**/.git/**", ".git/config"),
            ("**/.git/**", "x/y/.git/hooks/pre-commit"),
            ("*.md", "é.md"),
            ("?.md", "é.md"),
            ("a*b*c", "aXbbXc"),
            ("**/a/**/b", "x/a/y/a/b"),
            ("*", ".hidden"),
        ] {
            assert!(matches(pattern, path), "{pattern} {path}");
        }
    }

    #[test]
    fn patterns_match_nothing_else() {
        for (pattern, path) in [
            ("a", ""),
            ("a", "a/b"),
            ("a/*", "a"),
            ("a/*", "a/b/c"),
            ("*", "a/b"),
            ("**/.git/**", ".gitignore"),
            ("**/.git/**", "a.git/config"),
            (".git/**", ".GIT/config"),
            ("?", "ab"),
            ("a*b*c", "aXbbX"),
            ("**/a/**/b", "x/a/y/b/c"),
        ] {
            assert!(!matches(pattern, path), "{pattern} {path}");
        }
    }

    #[test]
    fn malformed_patterns_are_refused() {
        for pattern in ["", "/a", "a/", "a//b", "../a", "a/./b", "a**", "a\\b", "[a]", "{a,b}", "!a", "a\n"] {
            assert!(Glob::parse(pattern).is_err(), "{pattern:?}");
        }
        assert!(Glob::parse(&"a".repeat(1025)).is_err());
        assert!(Glob::parse(&"a".repeat(1024)).is_ok());
    }

    #[test]
    fn many_stars_cost_no_more_than_pattern_times_path() {
        let pattern = format!("{}b", "a*".repeat(400));
        assert!(!matches(&pattern, &"a".repeat(255)));
        let pattern = format!("{}b", "**/a/".repeat(200));
        assert!(!matches(&pattern, &"a/".repeat(2000)));
    }
}
