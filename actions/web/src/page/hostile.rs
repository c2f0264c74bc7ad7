//! Pages made to be hard to read: each is read in time and room that grow with its length and no faster.

use super::*;

/// Long enough that whatever takes quadratic time or room does not get through while anybody waits.
const BYTES: usize = 256 << 10;

fn filled(with: &str) -> String {
    with.repeat(BYTES / with.len())
}

/// Both as a page that fits and as one that is cut early.
#[track_caller]
fn survives(html: &str) -> Page {
    let cut = read(html, "https://a.test/", 100);
    assert!(cut.text.chars().count() <= 100);
    let page = read(html, "https://a.test/", usize::MAX);
    // Nothing of a page is written more than once, the targets of links apart.
    assert!(page.text.len() <= 64 * html.len().max(16), "{} of {}", page.text.len(), html.len());
    page
}

#[test]
fn a_hundred_thousand_open_tags_are_only_counted() {
    for tag in ["div", "ul", "ol", "li", "table", "pre", "a href=x", "h1", "nav", "svg", "blockquote", "b"] {
        let page = survives(&format!("{}text", format!("<{tag}>").repeat(100_000)));
        assert!(page.text.contains("text"), "{tag}");
    }
}

#[test]
fn a_hundred_thousand_lists_do_not_indent_beyond_a_few_columns() {
    let page = survives(&"<ul><li>x".repeat(100_000));
    assert!(page.text.lines().all(|line| line.len() <= 2 * INDENT_MAX + "- x".len()));
    assert_eq!(page.text.lines().count(), 100_000);
    let closed = survives(&format!("{}{}<ul><li>y", "<ul><li>x".repeat(1000), "</ul>".repeat(2000)));
    assert!(closed.text.ends_with("\n\n- y"));
}

#[test]
fn a_hundred_thousand_end_tags_close_nothing() {
    for tag in ["div", "ul", "a", "pre", "nav", "script", "title"] {
        assert_eq!(survives(&format!("{}text", format!("</{tag}>").repeat(100_000))).text, "text", "{tag}");
    }
}

#[test]
fn what_never_ends_takes_the_rest_once() {
    for start in [
        "<a href=\"",
        "<a href='",
        "<!--",
        "<",
        "<a ",
        "</a ",
        "<!",
        "<?",
        "<script>",
        "<title>",
        "<style>",
        "&",
    ] {
        survives(&filled(start));
        survives(&format!("{start}{}", filled("x")));
        survives(&format!("{start}{}", filled("<")));
        survives(&format!("{start}{}", filled("</")));
        survives(&format!("{start}{}", filled("-")));
        survives(&format!("{start}{}", filled("=")));
        survives(&format!("{start}{}", filled("&")));
    }
}

#[test]
fn skipped_elements_that_begin_and_never_end_are_looked_for_once() {
    for name in SKIPPED {
        survives(&filled(&format!("<{name}>")));
        survives(&format!("{}</{name}>", filled(&format!("<{name}>"))));
        survives(&filled(&format!("<{name}></{name}>")));
        survives(&filled(&format!("</{name}")));
    }
}

#[test]
fn an_attribute_of_a_megabyte_is_read_past() {
    let value = "x".repeat(1 << 20);
    assert_eq!(survives(&format!("<a href='{value}'>t</a>")).text, "t");
    assert_eq!(survives(&format!("<a {value}=1 href=y>t</a>")).text, "t (https://a.test/y)");
    assert_eq!(survives(&format!("<a {} href=y>t</a>", "a=b ".repeat(1 << 18))).text, "t (https://a.test/y)");
    assert_eq!(survives(&format!("<{value}>t</{value}>")).text, "t");
    assert_eq!(survives(&format!("<base href='{value}'><a href=y>t</a>")).text, "t (https://a.test/y)");
}

#[test]
fn a_long_base_fills_the_page_and_no_more() {
    let base = format!("https://b.test/{}/", "x".repeat(2000));
    let html = format!("<base href='{base}'>{}", "<a href=y>t</a>".repeat(10_000));
    let page = read(&html, "https://a.test/", 20_000);
    assert_eq!((page.text.chars().count(), page.is_cut), (20_000, true));
}

#[test]
fn references_are_decoded_once_and_declared_entities_never() {
    let bomb = "<!DOCTYPE html [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;\">]><p>&b;&amp;amp;</p>";
    assert_eq!(survives(bomb).text.lines().last(), Some("&b;&amp;"));
    survives(&filled("&amp;"));
    survives(&filled("&#"));
    survives(&filled("&#x"));
    survives(&format!("&#{};", filled("9")));
    survives(&format!("&{};", filled("a")));
}

#[test]
fn bytes_that_are_no_text_are_replaced() {
    for bytes in [&b"\xff\xfe<\xc3p>\x80"[..], b"<p>\xed\xa0\x80</p>", b"<a href='\xff'>\xf8", b"\0<\0p>\0"] {
        let html = crate::charset::decode(bytes, "text/html").unwrap();
        let page = survives(&html);
        assert!(!page.text.contains(|c: char| c.is_control() && c != '\n'), "{:?}", page.text);
    }
}

#[test]
fn every_beginning_of_a_page_is_a_page() {
    let html = "<!doctype html><title>é&eacute;</title><!-- é --><nav>é</nav><a href=\"é&amp;\" x='é'>é</a>\
                <pre>\né</pre><ol><li>é</ol><script>é</script><svg/>&#233;&nbsp;é<";
    for (end, _) in html.char_indices() {
        survives(&html[..end]);
        survives(&html[end..]);
    }
}

#[test]
fn pages_from_a_generator_are_read() {
    const PIECES: [&str; 20] = [
        "<", ">", "</", "/>", "<!--", "-->", "=", "\"", "'", "&", ";", "#", "a", " ", "\n", "nav", "script",
        "ul", "pre", "é",
    ];
    // A linear congruential generator: the same pages in each run.
    let mut state: u64 = 7;
    for _ in 0..2000 {
        let mut html = String::new();
        for _ in 0..60 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            html.push_str(PIECES[usize::try_from(state >> 33).unwrap() % PIECES.len()]);
        }
        survives(&html);
    }
}
