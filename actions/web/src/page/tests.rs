//! What a page looks like as text.

use super::*;

#[track_caller]
fn check(html: &str, text: &str) {
    let page = read(html, "https://a.test/dir/page", 10_000);
    assert_eq!(page.text, text, "{html}");
    assert!(!page.is_cut);
}

#[test]
fn a_page_keeps_headings_paragraphs_lists_and_links() {
    check(
        "<!doctype html><html><head><title>T</title><style>p{}</style></head><body>\n\
         <h1>One &amp; <em>only</em></h1><p>First\n  line.<p>Second <a href='/x'>here</a>, yes.\
         <ul><li>a<li><p>b</p><ol><li>c</li><li>d</li></ol></li></ul><h2>Next</h2>end</body>",
        "# One & only\n\nFirst line.\n\nSecond here (https://a.test/x), yes.\n\n- a\n- b\n\n  1. c\n  2. d\n\n## Next\n\nend",
    );
}

#[test]
fn what_is_no_text_is_dropped() {
    for html in [
        "<script>x</script>",
        "<SCRIPT>if (a<b) '</p>'</SCRIPT>",
        "<style>x</style>",
        "<nav><a href=x>x</a></nav>",
        "<svg><title>x</title><text>x</text></svg>",
        "<!-- x -->",
        "<template><p>x</template>",
        "<textarea>x</textarea>",
        "<nav><script></nav>x</script></nav>",
        "<select><option>x</select>",
    ] {
        check(&format!("a{html}b"), "ab");
    }
}

#[test]
fn what_is_never_closed_swallows_nothing() {
    for name in SKIPPED {
        check(&format!("a<{name}>b"), "ab");
        check(&format!("<{name}>x</{name}><{name}>b"), "b");
    }
    check("a<svg/>b<svg>x</svg>c", "abc");
}

#[test]
fn the_first_title_is_the_pages() {
    let title = |html: &str| read(html, "https://a.test/", 100).title;
    assert_eq!(title("<title> a\n&lt;b> </title><title>c</title>").as_deref(), Some("a <b>"));
    assert_eq!(title("<svg><title>x</title></svg>"), None);
    assert_eq!(title(&format!("<title>{}", "x".repeat(301))).unwrap().len(), 300);
}

#[test]
fn links_are_seen_from_the_base_of_the_page() {
    check("<a href=x>t</a>", "t (https://a.test/dir/x)");
    check("<base href='//b.test/wiki/'><base href=/no/><a href=./x>t</a>", "t (https://b.test/wiki/x)");
    check("<a href=x>t <a href=y>u", "t (https://a.test/dir/x) u (https://a.test/dir/y)");
    check("<a href=x><b></b></a>t", "t");
    check("<a href='?a=1&amp;b=2'>t</a>", "t (https://a.test/dir/page?a=1&b=2)");
    for href in ["#x", "javascript:x", "data:x", ""] {
        check(&format!("<a href='{href}'>t</a>"), "t");
    }
}

#[test]
fn tables_are_read_by_line() {
    check("<table><tr><th>a<th>b<tr><td>1<td>2</table>c", "a | b\n1 | 2\n\nc");
}

#[test]
fn preformatted_text_keeps_its_lines() {
    check("<p>a<pre>x\n  y &lt;</pre>b <br><br> c<br>d", "a\n\nx\n  y <\n\nb\n\nc\nd");
}

#[test]
fn marks_without_text_are_left_out() {
    check("<h1></h1><ul><li></li><li> <li>a</ul><h2> </h2>b", "- a\n\nb");
}

#[test]
fn text_without_markup_is_itself() {
    check("1 < 2 && 3 > 2", "1 < 2 && 3 > 2");
    check("", "");
}

#[test]
fn the_text_has_at_most_so_many_characters() {
    let read = |chars_max| read("<p>äö<p>ü", "https://a.test/", chars_max);
    let whole = read(5);
    assert_eq!((whole.text.as_str(), whole.is_cut), ("äö\n\nü", false));
    for (chars_max, text) in [(4, "äö"), (2, "äö"), (1, "ä"), (0, "")] {
        let cut = read(chars_max);
        assert_eq!((cut.text.as_str(), cut.is_cut), (text, true), "{chars_max}");
    }
}
