//! JSON-RPC batches, which the revision 2025-03-26 has and no other: answers go out together, in the order they come.

use std::collections::HashMap;

use rmcp::model::RequestId;
use serde_json::Value;

/// Batches whose answers are not complete.
#[derive(Default)]
pub struct Batches {
    of_request: HashMap<RequestId, usize>,
    open: HashMap<usize, Open>,
    count: usize,
}

struct Open {
    waiting: usize,
    answers: Vec<Value>,
}

impl Batches {
    /// A batch that waits for the answers of these requests, with those that it has already. Its answers, if none is missing.
    pub fn open(&mut self, requests: &[RequestId], answers: Vec<Value>) -> Option<Value> {
        if requests.is_empty() {
            return (!answers.is_empty()).then_some(Value::Array(answers));
        }
        self.count += 1;
        self.open.insert(self.count, Open { waiting: requests.len(), answers });
        self.of_request.extend(requests.iter().map(|id| (id.clone(), self.count)));
        None
    }

    pub fn has(&self, id: &RequestId) -> bool {
        self.of_request.contains_key(id)
    }

    /// One answer more; `None` for a request that gets none, being cancelled. The batch's answers, if it was the last.
    pub fn answered(&mut self, id: &RequestId, answer: Option<Value>) -> Option<Value> {
        let batch = self.of_request.remove(id)?;
        let open = self.open.get_mut(&batch)?;
        open.answers.extend(answer);
        open.waiting -= 1;
        if open.waiting > 0 {
            return None;
        }
        let answers = self.open.remove(&batch)?.answers;
        (!answers.is_empty()).then_some(Value::Array(answers))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_batch_is_answered_when_its_last_request_is() {
        let mut batches = Batches::default();
        let ids = [RequestId::Number(1), RequestId::Number(2), RequestId::Number(3)];
        assert_eq!(batches.open(&ids, vec![json!("bad")]), None);
        assert_eq!(batches.answered(&ids[1], Some(json!(2))), None);
        assert_eq!(batches.answered(&ids[2], None), None);
        assert_eq!(batches.answered(&ids[0], Some(json!(1))), Some(json!(["bad", 2, 1])));
        assert!(!batches.has(&ids[0]));
    }

    #[test]
    fn a_batch_of_notifications_has_no_answer() {
        assert_eq!(Batches::default().open(&[], Vec::new()), None);
    }
}
