//! Guest `fs`: performs step 0 of the plan, a file operation, and shapes what the host observed.

use latchgate_action::{
    FsOperation, Invocation, Step,
    fs::{self, Found, Node, NodeKind, Observation},
    text_or_base64,
};
use serde_json::{Value, json};

latchgate_action::export!(run);

fn run(invocation: Invocation) -> Result<Value, String> {
    let Some(Step::Fs { operation, path }) = invocation.steps.first() else {
        return Err("step 0 of the plan is not a file operation".to_owned());
    };
    shape(*operation, path, fs::perform(0)?)
}

fn shape(operation: FsOperation, path: &str, observation: Observation) -> Result<Value, String> {
    match (operation, observation) {
        (FsOperation::Read, Observation::Content(bytes)) => Ok(file(path, bytes)),
        (FsOperation::List, Observation::Listing(nodes)) => Ok(directory(path, nodes)),
        (FsOperation::Write, Observation::Written(written)) => {
            Ok(json!({ "path": path, "size": written.size, "created": written.created }))
        }
        (FsOperation::Delete, Observation::Removed) => Ok(json!({ "path": path, "removed": true })),
        (FsOperation::Search, Observation::Found(found)) => Ok(matches(found)),
        (
            FsOperation::Read
            | FsOperation::List
            | FsOperation::Write
            | FsOperation::Delete
            | FsOperation::Search,
            _,
        ) => Err("the host observed another operation than the planned one".to_owned()),
    }
}

fn file(path: &str, bytes: Vec<u8>) -> Value {
    let size = bytes.len();
    let (body, content) = text_or_base64(bytes);
    json!({ "path": path, "size": size, body: content })
}

fn directory(path: &str, mut nodes: Vec<Node>) -> Value {
    nodes.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    let entries: Vec<Value> = nodes.into_iter().map(entry).collect();
    json!({ "path": path, "entries": entries })
}

fn entry(node: Node) -> Value {
    let kind = match node.kind {
        NodeKind::File => "file",
        NodeKind::Directory => "directory",
        NodeKind::Symlink => "symlink",
        NodeKind::Other => "other",
    };
    json!({ "name": node.name, "kind": kind, "size": node.size })
}

fn matches(found: Found) -> Value {
    let matches: Vec<Value> = found
        .matches
        .into_iter()
        .map(|found| json!({ "path": found.path, "line": found.line, "text": found.text }))
        .collect();
    json!({ "matches": matches, "truncated": found.truncated })
}

#[cfg(test)]
mod tests {
    use super::*;
    use latchgate_action::fs::{Match, Written};

    #[test]
    fn a_file_is_text_or_base64_with_its_size() {
        let read = |bytes: &[u8]| shape(FsOperation::Read, "a", Observation::Content(bytes.to_vec()));
        assert_eq!(read("é".as_bytes()), Ok(json!({"path": "a", "size": 2, "text": "é"})));
        assert_eq!(read(b"\xff"), Ok(json!({"path": "a", "size": 1, "base64": "/w=="})));
    }

    #[test]
    fn a_listing_is_sorted_by_name() {
        let node = |name: &str, kind, size| Node { name: name.to_owned(), kind, size };
        let nodes = vec![node("b", NodeKind::Directory, 0), node("a", NodeKind::File, 3)];
        let expected = json!({"path": "d", "entries": [
            {"name": "a", "kind": "file", "size": 3},
            {"name": "b", "kind": "directory", "size": 0},
        ]});
        assert_eq!(shape(FsOperation::List, "d", Observation::Listing(nodes)), Ok(expected));
    }

    #[test]
    fn a_write_says_whether_it_created() {
        let observed = Observation::Written(Written { size: 7, created: true });
        let expected = json!({"path": "a", "size": 7, "created": true});
        assert_eq!(shape(FsOperation::Write, "a", observed), Ok(expected));
    }

    #[test]
    fn a_delete_says_removed() {
        let expected = json!({"path": "a", "removed": true});
        assert_eq!(shape(FsOperation::Delete, "a", Observation::Removed), Ok(expected));
    }

    #[test]
    fn a_search_gives_its_matches_in_order() {
        let found = |path: &str, line| Match { path: path.to_owned(), line, text: "t".to_owned() };
        let observed = Found { matches: vec![found("b", 1), found("a", 2)], truncated: true };
        let expected = json!({"truncated": true, "matches": [
            {"path": "b", "line": 1, "text": "t"},
            {"path": "a", "line": 2, "text": "t"},
        ]});
        assert_eq!(shape(FsOperation::Search, "d", Observation::Found(observed)), Ok(expected));
    }

    #[test]
    fn an_observation_of_another_operation_is_an_error() {
        assert!(shape(FsOperation::Read, "a", Observation::Removed).is_err());
        assert!(shape(FsOperation::Delete, "a", Observation::Content(vec![])).is_err());
    }

    #[test]
    fn a_plan_without_a_file_step_is_an_error() {
        let http = Step::Http { method: "GET".to_owned(), url: "https://example.com/".to_owned() };
        for steps in [vec![], vec![http]] {
            assert!(run(Invocation { action_id: "a".to_owned(), args: Value::Null, steps }).is_err());
        }
    }
}
