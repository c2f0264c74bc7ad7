//! A Rust source file as the rules see it: its code without comments and literals, and which of it is test code.

use super::mask::mask;

/// One `.rs` file.
pub struct Source {
    pub path: String,
    /// As written.
    pub text: String,
    /// The same with comments and literals blanked; lines and columns agree.
    code: String,
    /// Byte ranges of `code` that only tests compile.
    test_ranges: Vec<std::ops::Range<usize>>,
    /// Names of modules declared under `#[cfg(test)]` without a body.
    test_modules: Vec<String>,
}

/// One line of code that ships.
pub struct Line<'a> {
    /// From 1.
    pub number: usize,
    pub code: &'a str,
}

impl Source {
    pub fn parse(path: &str, text: &str) -> Self {
        let code = mask(text);
        let mut source = Self {
            path: path.to_owned(),
            text: text.to_owned(),
            code,
            test_ranges: vec![],
            test_modules: vec![],
        };
        if is_test_path(path) || source.code.contains("#![cfg(test)]") {
            source.mark_whole();
        } else {
            source.find_test_items();
        }
        source
    }

    /// Every line of code, tests included.
    pub fn all_lines(&self) -> impl Iterator<Item = Line<'_>> {
        self.code.lines().enumerate().map(|(index, code)| Line { number: index + 1, code })
    }

    /// The lines of code that ship. A line that holds both is test code.
    pub fn shipped_lines(&self) -> impl Iterator<Item = Line<'_>> {
        let lines = self.code.split_inclusive('\n').scan(0, |at, code| {
            let start = *at;
            *at += code.len();
            Some((start, code))
        });
        lines
            .enumerate()
            .filter(|(_, (start, code))| !self.touches_test(*start, start + code.trim_end().len()))
            .map(|(index, (_, code))| Line { number: index + 1, code })
    }

    /// Paths that shipped `use` items name, groups spelt out: `use a::{b, c::d};` gives `a::b` and `a::c::d`.
    pub fn shipped_uses(&self) -> Vec<(usize, String)> {
        let mut uses = Vec::new();
        for (at, _) in self.code.match_indices("use ") {
            let starts_item = self.code[..at].chars().next_back().is_none_or(|before| !is_name(before));
            let Some(end) = self.code[at..].find(';') else { continue };
            if starts_item && !self.touches_test(at, at + end) {
                spell_out("", &self.code[at + 4..at + end], self.line_of(at), &mut uses);
            }
        }
        uses
    }

    /// The item after each `#[cfg(test)]`, further attributes included.
    fn find_test_items(&mut self) {
        let mut from = 0;
        while let Some(found) = self.code[from..].find("#[cfg(") {
            let start = from + found;
            let attribute = &self.code[start..start + attribute_len(&self.code[start..])];
            from = start + attribute.len();
            if !means_test(attribute) {
                continue;
            }
            let item_start = from + attributes_len(&self.code[from..]);
            let item = &self.code[item_start..];
            let item = &item[..item_len(item)];
            self.test_modules.extend(module_name(item));
            from = item_start + item.len();
            self.test_ranges.push(start..from);
        }
    }

    fn mark_whole(&mut self) {
        self.test_ranges = std::iter::once(0..self.code.len()).collect();
    }

    fn touches_test(&self, start: usize, end: usize) -> bool {
        self.test_ranges.iter().any(|range| start < range.end && range.start < end.max(start + 1))
    }

    fn line_of(&self, at: usize) -> usize {
        self.code[..at].matches('\n').count() + 1
    }

    /// Where a module declared in this file lies, without `.rs`.
    fn module_stem(&self, name: &str) -> String {
        let stem = self.path.strip_suffix(".rs").unwrap_or(&self.path);
        let (directory, file) = stem.rsplit_once('/').unwrap_or(("", stem));
        match file {
            "lib" | "main" | "mod" => format!("{directory}/{name}"),
            _ => format!("{stem}/{name}"),
        }
    }
}

/// Marks the files of modules that another file declares under `#[cfg(test)]`.
pub fn mark_test_files(sources: &mut [Source]) {
    let stems: Vec<String> = sources
        .iter()
        .flat_map(|source| source.test_modules.iter().map(|name| source.module_stem(name)))
        .collect();
    for source in sources {
        let belongs = |stem: &String| {
            source.path.strip_prefix(stem.as_str()).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
        };
        if stems.iter().any(belongs) {
            source.mark_whole();
        }
    }
}

/// Whether `code` names `path` somewhere, not as the tail of a longer name.
pub fn names(code: &str, path: &str) -> bool {
    code.match_indices(path)
        .any(|(at, _)| code[..at].chars().next_back().is_none_or(|before| !is_name(before)))
}

/// Whether `word` stands in `code` by itself.
pub fn has_word(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        before.is_none_or(|c| !is_name(c)) && after.is_none_or(|c| !is_name(c))
    })
}

fn is_name(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// The black-box suites, and `tests/` or `benches/` directly inside a crate.
fn is_test_path(path: &str) -> bool {
    let crate_path = path.strip_prefix("kernel/").or_else(|| path.strip_prefix("actions/")).unwrap_or(path);
    let inside = crate_path.split_once('/').map_or("", |(_, inside)| inside);
    let is_inside = |directory: &str| inside.starts_with(directory);
    path.starts_with("tests/") || is_inside("tests/") || is_inside("benches/") || is_inside("examples/")
}

/// `cfg(test)` and `cfg(all(test, ..))`; `any(test, ..)` ships as well.
fn means_test(attribute: &str) -> bool {
    let compact: String = attribute.chars().filter(|c| !c.is_whitespace()).collect();
    compact == "#[cfg(test)]" || compact.starts_with("#[cfg(all(test,")
}

fn attribute_len(code: &str) -> usize {
    bracketed_len(code, code.find('[').unwrap_or(0))
}

/// Length of any attributes at the start, white space included.
fn attributes_len(code: &str) -> usize {
    let mut at = code.len() - code.trim_start().len();
    while code[at..].starts_with("#[") {
        at += attribute_len(&code[at..]);
        at += code[at..].len() - code[at..].trim_start().len();
    }
    at
}

/// Length of the item at the start: to its `;` or the end of its body.
fn item_len(code: &str) -> usize {
    let mut depth = 0usize;
    for (at, byte) in code.bytes().enumerate() {
        match byte {
            b'{' if depth == 0 => return bracketed_len(code, at),
            b'(' | b'[' => depth += 1,
            b')' | b']' | b'}' if depth == 0 => return at,
            b')' | b']' => depth -= 1,
            b';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    code.len()
}

/// Length up to the bracket that closes the one at `open`.
fn bracketed_len(code: &str, open: usize) -> usize {
    let mut depth = 0usize;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' | b'(' | b'[' => depth += 1,
            b'}' | b')' | b']' => depth = depth.saturating_sub(1),
            _ => continue,
        }
        if depth == 0 {
            return at + 1;
        }
    }
    code.len()
}

/// The name in `mod name;`.
fn module_name(item: &str) -> Option<String> {
    let (_, name) = item.strip_suffix(';')?.rsplit_once("mod ")?;
    Some(name.trim().to_owned())
}

fn spell_out(prefix: &str, tree: &str, line: usize, out: &mut Vec<(usize, String)>) {
    let tree = tree.trim();
    let Some(open) = tree.find('{') else {
        out.push((line, format!("{prefix}{tree}")));
        return;
    };
    let prefix = format!("{prefix}{}", tree[..open].trim());
    let group = &tree[open + 1..bracketed_len(tree, open) - 1];
    for (offset, branch) in branches(group) {
        let line = line + tree[..open].matches('\n').count() + group[..offset].matches('\n').count();
        spell_out(&prefix, branch, line, out);
    }
}

/// The parts of a group between its own commas, with their offsets.
fn branches(group: &str) -> Vec<(usize, &str)> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0usize, 0);
    for (at, byte) in group.bytes().chain(std::iter::once(b',')).enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                let part = &group[start..at];
                let lead = part.len() - part.trim_start().len();
                parts.push((start + lead, part.trim()));
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.retain(|(_, part)| !part.is_empty());
    parts
}

#[cfg(test)]
mod tests;
