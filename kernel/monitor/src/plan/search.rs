//! A search as a plan writes it: what is looked for, in which files, and how much of it is given.
//!
//! The file rules of the action are part of the plan, because each file that is met on the way is held to them: a search
//! gives nothing of a file that the action could not have named.

use serde::{Deserialize, Serialize};

use super::FsPath;
use crate::template::Glob;

/// Of the files below one directory, line by line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// A text, or a regular expression; within one line.
    pub pattern: String,
    pub is_regex: bool,
    pub is_case_sensitive: bool,
    /// What the name of a file must match.
    pub glob: String,
    /// 1 to [`RESULTS_MAX`].
    pub results_max: u64,
    /// Globs over the path of each file and directory met; deny wins.
    pub allow: Vec<String>,
    pub deny: Vec<String>,
}

/// Lines that a search gives at most.
pub const RESULTS_MAX: u64 = 500;

const PATTERN_BYTES_MAX: usize = 1024;

/// Of a compiled pattern. With the length of a line it bounds the time that one line takes: matching is linear in the
/// product of both.
const PROGRAM_BYTES_MAX: usize = 512 << 10;

/// A search that is ready to be made.
#[derive(Debug)]
pub struct Matcher {
    line: regex::bytes::Regex,
    name: Glob,
    allow: Vec<Glob>,
    deny: Vec<Glob>,
}

/// Why a search cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SearchError {
    #[error("expected a pattern of 1 to 1,024 bytes without line breaks")]
    Pattern,
    #[error("expected a regular expression: {0}")]
    Regex(String),
    #[error("expected a smaller regular expression: compiled, it takes more than 512 KiB")]
    Large,
    #[error("expected a pattern for the names of files, of `?`, `*` and ordinary characters without `/`")]
    Name,
    #[error("expected 1 to {RESULTS_MAX} results at most")]
    Results,
    #[error("the file rules of the search are malformed: {0}")]
    Rules(&'static str),
}

impl Search {
    /// # Errors
    /// What is wrong with the pattern, a glob, or the number of results.
    pub fn matcher(&self) -> Result<Matcher, SearchError> {
        let is_one_line = !self.pattern.contains(['\n', '\r']);
        if self.pattern.is_empty() || self.pattern.len() > PATTERN_BYTES_MAX || !is_one_line {
            return Err(SearchError::Pattern);
        }
        if self.glob.contains('/') {
            return Err(SearchError::Name);
        }
        if !(1..=RESULTS_MAX).contains(&self.results_max) {
            return Err(SearchError::Results);
        }
        let globs = |texts: &[String]| texts.iter().map(|text| Glob::parse(text)).collect::<Result<_, _>>();
        Ok(Matcher {
            line: self.line()?,
            name: Glob::parse(&self.glob).map_err(|_| SearchError::Name)?,
            allow: globs(&self.allow).map_err(SearchError::Rules)?,
            deny: globs(&self.deny).map_err(SearchError::Rules)?,
        })
    }

    fn line(&self) -> Result<regex::bytes::Regex, SearchError> {
        let escaped;
        let pattern = if self.is_regex {
            self.pattern.as_str()
        } else {
            escaped = regex::escape(&self.pattern);
            &escaped
        };
        let built = regex::bytes::RegexBuilder::new(pattern)
            .case_insensitive(!self.is_case_sensitive)
            .nest_limit(50)
            .size_limit(PROGRAM_BYTES_MAX)
            .dfa_size_limit(2 * PROGRAM_BYTES_MAX)
            .build();
        built.map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => SearchError::Large,
            error => SearchError::Regex(reason(&error)),
        })
    }
}

/// The last line of the error: the others show the pattern.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

impl Matcher {
    /// Whether the search goes into this directory.
    pub fn enters(&self, directory: &FsPath) -> bool {
        !self.deny.iter().any(|glob| glob.matches(directory))
    }

    /// Whether the search reads this file, which bears that name.
    pub fn reads(&self, file: &FsPath) -> bool {
        let is_denied = || self.deny.iter().any(|glob| glob.matches(file));
        self.name.matches_name(file) && self.allow.iter().any(|glob| glob.matches(file)) && !is_denied()
    }

    /// Whether the pattern occurs in this line.
    pub fn finds(&self, line: &[u8]) -> bool {
        self.line.is_match(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(pattern: &str, is_regex: bool) -> Search {
        Search {
            pattern: pattern.into(),
            is_regex,
            is_case_sensitive: true,
            glob: "*".into(),
            results_max: 1,
            allow: vec!["**".into()],
            deny: vec!["**/.git/**".into(), "**/*.pem".into()],
        }
    }

    fn error(search: &Search) -> Option<SearchError> {
        search.matcher().err()
    }

    #[test]
    fn a_text_is_no_regular_expression() {
        for (pattern, is_regex, line, finds) in [
            ("a.c", false, "xa.cx", true),
            ("a.c", false, "abc", false),
            ("a.c", true, "abc", true),
            ("(", false, "f(x)", true),
            ("^b$", true, "b", true),
            ("^b$", true, "ab", false),
            ("é", false, "caf\u{e9}", true),
        ] {
            let matcher = search(pattern, is_regex).matcher().unwrap();
            assert_eq!(matcher.finds(line.as_bytes()), finds, "{pattern} {line}");
        }
    }

    #[test]
    fn case_counts_where_it_shall() {
        for (is_case_sensitive, finds) in [(true, false), (false, true)] {
            for is_regex in [true, false] {
                let search = Search { is_case_sensitive, ..search("ÄB", is_regex) };
                assert_eq!(search.matcher().unwrap().finds("äb".as_bytes()), finds);
            }
        }
    }

    #[test]
    fn a_line_that_is_no_text_is_searched_all_the_same() {
        assert!(search("b", false).matcher().unwrap().finds(b"\xff b"));
    }

    #[test]
    fn what_cannot_be_searched_for_is_refused() {
        assert_eq!(error(&search(&"a".repeat(1024), false)), None);
        for pattern in ["", "a\nb", "a\rb", &"a".repeat(1025)] {
            assert_eq!(error(&search(pattern, false)), Some(SearchError::Pattern), "{pattern:?}");
        }
        for pattern in ["(", "a{2,1}", "(?=x)", "(a)\\1", &"(".repeat(100)] {
            assert!(matches!(error(&search(pattern, true)), Some(SearchError::Regex(_))), "{pattern}");
        }
        assert_eq!(error(&search("((a{100}){100}){100}", true)), Some(SearchError::Large));
        for glob in ["a/b", "", "[a]", "a**"] {
            assert_eq!(error(&Search { glob: glob.into(), ..search("a", false) }), Some(SearchError::Name));
        }
        for (results_max, refused) in
            [(0, Some(SearchError::Results)), (1, None), (500, None), (501, Some(SearchError::Results))]
        {
            assert_eq!(error(&Search { results_max, ..search("a", false) }), refused);
        }
    }

    #[test]
    fn an_error_does_not_repeat_the_pattern_over_lines() {
        let Some(SearchError::Regex(why)) = error(&search("ab(", true)) else { panic!() };
        assert_eq!(why, "unclosed group");
    }

    #[test]
    fn each_file_is_held_to_name_and_rules() {
        let search = Search { glob: "*.rs".into(), allow: vec!["src/**".into()], ..search("a", false) };
        let matcher = search.matcher().unwrap();
        for (file, reads) in [("src/a.rs", true), ("src/b/c.rs", true), ("a.rs", false), ("src/a.md", false)]
        {
            assert_eq!(matcher.reads(&FsPath::parse(file).unwrap()), reads, "{file}");
        }
        let search = Search { glob: "*".into(), allow: vec!["**".into()], ..search };
        let matcher = search.matcher().unwrap();
        for (path, is_open) in [("a.pem", false), ("x/.git/config", false), ("x/.gitignore", true)] {
            assert_eq!(matcher.reads(&FsPath::parse(path).unwrap()), is_open, "{path}");
        }
        for (path, is_open) in [("", true), (".git", false), ("x/.git", false), ("x", true)] {
            assert_eq!(matcher.enters(&FsPath::parse(path).unwrap()), is_open, "{path}");
        }
    }

    /// Patterns that take exponential time with other kinds of matcher.
    #[test]
    fn the_time_grows_with_pattern_times_line() {
        let line = "a".repeat(16 * 1024);
        for pattern in ["(a*)*b", "(a|a)*b", "(a+)+$x", "(.*)(.*)(.*)(.*)b", "(?:a?){64}b"] {
            assert!(!search(pattern, true).matcher().unwrap().finds(line.as_bytes()), "{pattern}");
        }
    }
}
