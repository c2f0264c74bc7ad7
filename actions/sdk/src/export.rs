//! Turns a plain function into the component's exported `run`.

use serde_json::Value;

use crate::Invocation;

/// Exports `$run`, a `fn(Invocation) -> Result<serde_json::Value, String>`, as the component's `run`.
///
/// The error is one sentence that says why there is no output. A crate exports once.
#[macro_export]
macro_rules! export {
    ($run:path) => {
        struct Component;

        impl $crate::bindings::Guest for Component {
            fn run(invocation: String) -> ::core::result::Result<String, String> {
                $crate::answer(&invocation, $run)
            }
        }

        $crate::bindings::export_component!(Component with_types_in $crate::bindings);
    };
}

/// The exported `run` around a guest's function: JSON in, JSON out.
///
/// # Errors
/// The guest's own sentence, or that the invocation is not one this SDK knows.
pub fn answer(
    invocation: &str,
    run: impl FnOnce(Invocation) -> Result<Value, String>,
) -> Result<String, String> {
    let invocation = Invocation::parse(invocation)?;
    run(invocation).map(|output| output.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const EMPTY: &str = r#"{"action_id":"a","args":{},"steps":[]}"#;

    #[test]
    fn output_leaves_as_json_text() {
        assert_eq!(answer(EMPTY, |_| Ok(json!({"ok": true}))), Ok(r#"{"ok":true}"#.to_owned()));
    }

    #[test]
    fn a_guest_error_leaves_unchanged() {
        assert_eq!(answer(EMPTY, |_| Err("no luck".to_owned())), Err("no luck".to_owned()));
    }

    #[test]
    fn a_bad_invocation_never_reaches_the_guest() {
        let refused = answer("{}", |_| unreachable!("the guest must not run"));
        assert!(refused.is_err_and(|why| why.starts_with("invocation not understood")));
    }
}
