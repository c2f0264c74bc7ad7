//! The target of a link as an absolute URL (RFC 3986 section 5), for reading: nothing is fetched here.

/// `href` seen from `base`. `None` for what leads nowhere: a place in the same page, a script, data, or a target that is
/// longer than anybody could use.
pub fn resolve(base: &str, href: &str) -> Option<String> {
    let href: String = href.trim().chars().filter(|c| !c.is_control()).collect();
    let href = href.replace(' ', "%20");
    if href.is_empty() || href.starts_with('#') || href.len() > URL_BYTES_MAX {
        return None;
    }
    if let Some(scheme) = scheme(&href) {
        let is_known = ["http", "https", "mailto"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
        return is_known.then_some(href);
    }
    let (scheme, rest) = base.split_once("://")?;
    if href.starts_with("//") {
        return Some(format!("{scheme}:{href}"));
    }
    let (host, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let path = &path[..path.find(['?', '#']).unwrap_or(path.len())];
    let target = if href.starts_with('/') {
        without_dots(&href)
    } else if href.starts_with('?') {
        format!("{}{href}", if path.is_empty() { "/" } else { path })
    } else {
        let directory = path.rfind('/').map_or("/", |slash| &path[..=slash]);
        without_dots(&format!("{directory}{href}"))
    };
    Some(format!("{scheme}://{host}{target}"))
}

const URL_BYTES_MAX: usize = 2048;

/// RFC 3986 section 3.1: before the first `:`, and no other sign before that.
fn scheme(url: &str) -> Option<&str> {
    let scheme = &url[..url.find([':', '/', '?', '#']).filter(|at| url[*at..].starts_with(':'))?];
    let begins = scheme.starts_with(|c: char| c.is_ascii_alphabetic());
    (begins && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))).then_some(scheme)
}

/// RFC 3986 section 5.2.4: the path's `.` and `..` applied; query and fragment stay.
fn without_dots(path: &str) -> String {
    let (path, rest) = path.split_at(path.find(['?', '#']).unwrap_or(path.len()));
    let mut kept: Vec<&str> = Vec::new();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    for (i, segment) in segments.iter().enumerate() {
        let is_last = i + 1 == segments.len();
        match *segment {
            "." => {}
            ".." => {
                kept.pop();
            }
            other => kept.push(other),
        }
        if is_last && matches!(*segment, "." | "..") {
            kept.push("");
        }
    }
    format!("/{}{rest}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_seen_from_the_page() {
        for (base, href, url) in [
            ("https://a.test/x/y?q#f", "z", "https://a.test/x/z"),
            ("https://a.test/x/y", "/z?a=b#c", "https://a.test/z?a=b#c"),
            ("https://a.test/x/y", "../z", "https://a.test/z"),
            ("https://a.test/x/y", "../../../z/.", "https://a.test/z/"),
            ("https://a.test/x/y", "./Foo", "https://a.test/x/Foo"),
            ("https://a.test/x/y?q", "?p", "https://a.test/x/y?p"),
            ("https://a.test", "z", "https://a.test/z"),
            ("https://a.test?q=/", "z", "https://a.test/z"),
            ("https://a.test/", "//b.test/x", "https://b.test/x"),
            ("https://a.test/", "HTTP://b.test/ x", "HTTP://b.test/%20x"),
            ("https://a.test/", "mailto:a@b.test", "mailto:a@b.test"),
            ("https://a.test/", "a/b:c", "https://a.test/a/b:c"),
            ("https://a.test/", "..?x=/../y", "https://a.test/?x=/../y"),
        ] {
            assert_eq!(resolve(base, href).as_deref(), Some(url), "{base} {href}");
        }
    }

    #[test]
    fn what_leads_nowhere_is_no_target() {
        for href in
            ["", " ", "#top", "javascript:alert(1)", "java\nscript:x", "data:text/html,x", "JAVASCRIPT:x"]
        {
            assert_eq!(resolve("https://a.test/", href), None, "{href:?}");
        }
        let long = "x".repeat(2048);
        assert!(resolve("https://a.test/", &long).is_some());
        assert_eq!(resolve("https://a.test/", &format!("{long}x")), None);
        assert_eq!(resolve("nonsense", "x"), None);
    }
}
