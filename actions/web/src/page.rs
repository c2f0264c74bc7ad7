//! A page as readable text: headings, paragraphs, lists, tables by line, links with their targets.
//!
//! No tree is built and nothing recurses: however deep a page nests, the reader holds a few counters.

use crate::entities;
use crate::link;
use crate::paper::{Gap, Paper};
use crate::tokens::{Tag, Token, Tokens, last_closes};

#[derive(Debug, PartialEq, Eq)]
pub struct Page {
    pub title: Option<String>,
    pub text: String,
    /// There was more than `chars_max` characters.
    pub is_cut: bool,
}

/// Reads `html`, found at `url`.
pub fn read(html: &str, url: &str, chars_max: usize) -> Page {
    let mut reader = Reader::new(html, url, chars_max);
    reader.run();
    Page { title: reader.title, is_cut: reader.paper.is_cut(), text: reader.paper.finish() }
}

struct Reader<'a> {
    tokens: Tokens<'a>,
    paper: Paper,
    title: Option<String>,
    /// What links are seen from.
    base: String,
    has_base: bool,
    /// Open lists; those beyond [`LISTS_MAX`] are only counted.
    lists: Vec<List>,
    lists_beyond: usize,
    pre: usize,
    link: Option<Link>,
    cells: usize,
    /// Where the last end tag of each skipped element stands.
    last_closes: [Option<usize>; SKIPPED.len()],
}

struct List {
    /// The number of the next item, if they are numbered.
    next: Option<usize>,
}

struct Link {
    url: String,
    /// How much was written when it began.
    from: usize,
}

/// Elements that hold no text of the page. The end tag is looked for, so that one that is missing does not swallow the page.
const SKIPPED: [&str; 5] = ["nav", "svg", "template", "canvas", "select"];

/// Elements whose content is no markup and no text of the page.
const RAW: &[&str] = &["script", "style", "textarea", "iframe", "noembed", "noframes", "xmp"];

const LISTS_MAX: usize = 64;
const INDENT_MAX: usize = 8;
const TITLE_CHARS_MAX: usize = 300;

/// What an element means for the text.
#[derive(Clone, Copy)]
enum Meaning {
    Skipped(usize),
    Raw(&'static str),
    Title,
    Base,
    Heading(usize),
    List { is_numbered: bool },
    Item,
    Paragraph,
    Block,
    LineBreak,
    Row,
    Cell,
    Preformatted,
    Link,
    Nothing,
}

impl Meaning {
    fn of(name: &str) -> Self {
        const LONGEST: usize = 10;
        if name.len() > LONGEST {
            return Self::Nothing;
        }
        let mut buffer = [0; LONGEST];
        let lower = &mut buffer[..name.len()];
        lower.copy_from_slice(name.as_bytes());
        lower.make_ascii_lowercase();
        let Ok(name) = std::str::from_utf8(lower) else { return Self::Nothing };
        if let Some(skipped) = SKIPPED.iter().position(|skipped| *skipped == name) {
            return Self::Skipped(skipped);
        }
        if let Some(raw) = RAW.iter().find(|raw| **raw == name) {
            return Self::Raw(raw);
        }
        match name {
            "title" => Self::Title,
            "base" => Self::Base,
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => Self::Heading(usize::from(name.as_bytes()[1] - b'0')),
            "ul" | "menu" => Self::List { is_numbered: false },
            "ol" => Self::List { is_numbered: true },
            "li" => Self::Item,
            "p" | "table" | "blockquote" | "dl" | "section" | "article" | "hr" | "figure" | "fieldset" => {
                Self::Paragraph
            }
            "div" | "header" | "footer" | "main" | "aside" | "form" | "address" | "dt" | "dd"
            | "figcaption" | "details" | "summary" | "caption" | "option" | "body" | "head" => Self::Block,
            "br" => Self::LineBreak,
            "tr" => Self::Row,
            "td" | "th" => Self::Cell,
            "pre" => Self::Preformatted,
            "a" => Self::Link,
            _ => Self::Nothing,
        }
    }
}

impl<'a> Reader<'a> {
    fn new(html: &'a str, url: &str, chars_max: usize) -> Self {
        Self {
            tokens: Tokens::of(html),
            paper: Paper::new(chars_max),
            title: None,
            base: url.to_owned(),
            has_base: false,
            lists: Vec::new(),
            lists_beyond: 0,
            pre: 0,
            link: None,
            cells: 0,
            last_closes: last_closes(html, &SKIPPED),
        }
    }

    fn run(&mut self) {
        while let Some(token) = self.tokens.next() {
            match token {
                Token::Text(text) => self.text(text),
                Token::Open(tag) => self.open(&tag),
                Token::Close(name) => self.close(Meaning::of(name)),
            }
            if self.paper.is_cut() {
                return;
            }
        }
        self.end_link();
    }

    fn text(&mut self, text: &str) {
        let text = entities::decode(text);
        if self.pre > 0 { self.paper.verbatim(&text) } else { self.paper.prose(&text) }
    }

    fn open(&mut self, tag: &Tag<'a>) {
        match Meaning::of(tag.name) {
            Meaning::Skipped(which) => self.skip(which, tag),
            Meaning::Raw(name) => {
                let _not_of_the_page = self.tokens.raw_text(name);
            }
            Meaning::Title => self.read_title(),
            Meaning::Base => self.read_base(tag),
            Meaning::Heading(level) => {
                self.paper.gap(Gap::Paragraph);
                self.paper.mark(format!("{} ", "#".repeat(level)));
            }
            Meaning::List { is_numbered } => self.open_list(is_numbered),
            Meaning::Item => self.open_item(),
            Meaning::Paragraph => self.paper.gap(Gap::Paragraph),
            Meaning::Block => self.paper.gap(Gap::Line),
            Meaning::LineBreak if self.pre > 0 => self.paper.verbatim("\n"),
            Meaning::LineBreak => self.paper.line_break(),
            Meaning::Row => {
                self.cells = 0;
                self.paper.gap(Gap::Line);
            }
            Meaning::Cell => {
                if self.cells > 0 {
                    self.paper.prose(" | ");
                }
                self.cells += 1;
            }
            Meaning::Preformatted => {
                self.paper.gap(Gap::Paragraph);
                self.pre += 1;
            }
            Meaning::Link => {
                self.end_link();
                let target = tag.attribute("href").map(entities::decode);
                let target = target.and_then(|href| link::resolve(&self.base, &href));
                self.link = target.map(|url| Link { url, from: self.paper.chars() });
            }
            Meaning::Nothing => {}
        }
    }

    fn close(&mut self, meaning: Meaning) {
        match meaning {
            Meaning::Heading(_) => {
                self.paper.drop_mark();
                self.paper.gap(Gap::Paragraph);
            }
            Meaning::List { .. } => self.close_list(),
            Meaning::Item => {
                self.paper.drop_mark();
                self.paper.gap(Gap::Line);
            }
            Meaning::Paragraph => self.paper.gap(Gap::Paragraph),
            Meaning::Block | Meaning::Row => self.paper.gap(Gap::Line),
            Meaning::LineBreak => self.paper.line_break(),
            Meaning::Preformatted => {
                self.pre = self.pre.saturating_sub(1);
                self.paper.gap(Gap::Paragraph);
            }
            Meaning::Link => self.end_link(),
            Meaning::Skipped(_)
            | Meaning::Raw(_)
            | Meaning::Title
            | Meaning::Base
            | Meaning::Cell
            | Meaning::Nothing => {}
        }
    }

    /// Goes behind the next end tag of the element, if there is one.
    fn skip(&mut self, which: usize, tag: &Tag<'_>) {
        let is_closed = self.last_closes[which].is_some_and(|close| close >= self.tokens.at());
        // Only what is no HTML may be closed by its own slash.
        if !is_closed || (tag.closes_itself() && SKIPPED[which] == "svg") {
            return;
        }
        while let Some(token) = self.tokens.next() {
            match token {
                Token::Close(name) if name.eq_ignore_ascii_case(SKIPPED[which]) => return,
                Token::Open(tag) => {
                    if let Meaning::Raw(name) = Meaning::of(tag.name) {
                        let _not_of_the_page = self.tokens.raw_text(name);
                    }
                }
                Token::Close(_) | Token::Text(_) => {}
            }
        }
    }

    /// The first title is the page's.
    fn read_title(&mut self) {
        let raw = self.tokens.raw_text("title");
        if self.title.is_none() {
            let mut paper = Paper::new(TITLE_CHARS_MAX);
            paper.prose(&entities::decode(raw));
            self.title = Some(paper.finish()).filter(|title| !title.is_empty());
        }
    }

    fn read_base(&mut self, tag: &Tag<'_>) {
        let href = tag.attribute("href").map(entities::decode);
        if let (false, Some(base)) = (self.has_base, href.and_then(|href| link::resolve(&self.base, &href))) {
            self.base = base;
            self.has_base = true;
        }
    }

    fn open_list(&mut self, is_numbered: bool) {
        self.paper.gap(if self.lists.is_empty() { Gap::Paragraph } else { Gap::Line });
        if self.lists.len() < LISTS_MAX {
            self.lists.push(List { next: is_numbered.then_some(1) });
        } else {
            self.lists_beyond += 1;
        }
        self.indent();
    }

    fn close_list(&mut self) {
        match self.lists_beyond.checked_sub(1) {
            Some(beyond) => self.lists_beyond = beyond,
            None => drop(self.lists.pop()),
        }
        self.paper.gap(if self.lists.is_empty() { Gap::Paragraph } else { Gap::Line });
        self.indent();
    }

    fn open_item(&mut self) {
        self.paper.gap(Gap::Line);
        let mark = match self.lists.last_mut().and_then(|list| list.next.as_mut()) {
            Some(next) => {
                let mark = format!("{next}. ");
                *next += 1;
                mark
            }
            None => "- ".to_owned(),
        };
        self.paper.mark(mark);
    }

    fn indent(&mut self) {
        self.paper.indent(self.lists.len().saturating_sub(1).min(INDENT_MAX) * 2);
    }

    fn end_link(&mut self) {
        let Some(link) = self.link.take() else { return };
        if self.paper.chars() > link.from {
            self.paper.attach(&format!(" ({})", link.url));
        }
    }
}

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod tests;
