//! The name that somebody may have meant.

/// The candidate with the fewest edits to `written`, the first of several.
pub fn nearest<'a>(written: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    candidates.min_by_key(|candidate| edits(written.as_bytes(), candidate.as_bytes()))
}

/// Levenshtein's distance, one row at a time.
fn edits(from: &[u8], to: &[u8]) -> usize {
    let mut above: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in to.iter().enumerate() {
            let replaced = above[j] + usize::from(a != b);
            row.push(replaced.min(above[j + 1] + 1).min(row[j] + 1));
        }
        above = row;
    }
    above[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_nearest_to_what_was_meant() {
        let names = ["auth.lease_ttl_s", "approvals.ttl_s", "gate.drain_s"];
        let of = |written| nearest(written, names.into_iter());
        assert_eq!(of("auth.lease_ttl"), Some("auth.lease_ttl_s"));
        assert_eq!(of("approval.ttl_s"), Some("approvals.ttl_s"));
        assert_eq!(of("gate.drains"), Some("gate.drain_s"));
        assert_eq!((edits(b"", b"abc"), edits(b"abc", b"abc"), edits(b"kitten", b"sitting")), (3, 0, 3));
    }
}
