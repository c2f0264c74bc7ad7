//! Host errors as the sentence a guest returns, so that `?` is enough in a guest.

use crate::{fs, http};

impl From<http::Error> for String {
    fn from(error: http::Error) -> Self {
        match error {
            http::Error::Refused(why) => format!("request refused, nothing was sent: {why}"),
            http::Error::Unreachable(why) => format!("upstream unreachable, nothing was sent: {why}"),
            http::Error::Timeout(why) => format!("timeout, the request may have been sent: {why}"),
            http::Error::TooLarge(why) => format!("response too large: {why}"),
            http::Error::Failed(why) => format!("request sent, but no usable response came back: {why}"),
        }
    }
}

impl From<fs::Error> for String {
    fn from(error: fs::Error) -> Self {
        match error {
            fs::Error::Refused(why) => format!("file operation refused, nothing was touched: {why}"),
            fs::Error::NotFound(why) => format!("not found: {why}"),
            fs::Error::Changed(why) => format!("changed since it was planned, nothing was touched: {why}"),
            fs::Error::TooLarge(why) => format!("too large: {why}"),
            fs::Error::Failed(why) => format!("file operation failed: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_have_happened_is_said() {
        let timeout = String::from(http::Error::Timeout("10 s passed".to_owned()));
        assert_eq!(timeout, "timeout, the request may have been sent: 10 s passed");
        let refused = String::from(fs::Error::Refused("outside the root".to_owned()));
        assert_eq!(refused, "file operation refused, nothing was touched: outside the root");
    }
}
