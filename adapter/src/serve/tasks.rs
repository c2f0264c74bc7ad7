//! A held call as a task (SEP-2663): its id is the approval's, and its state the gate's.

use latchgate_client::ClientError;
use latchgate_wire::api::{Executed, WITHDRAWN};
use latchgate_wire::ids::ApprovalId;
use latchgate_wire::problem::Code;
use rmcp::ErrorData;
use rmcp::model::{DetailedTask, TaskPayload};

use super::approvals::{held_at, working};
use super::args::ToolSet;
use super::results;
use super::server::AgentServer;
use super::tools::object;

impl AgentServer {
    /// The state of a held call, as a task has it.
    pub(super) async fn task(&self, id: ApprovalId) -> Result<DetailedTask, ErrorData> {
        let now = held_at(id);
        let answered = self.calls.decided(id, None).await;
        let working = |message: Option<String>| {
            let task = working(id, &now, None);
            let task = message.into_iter().fold(task, |task, message| task.with_status_message(message));
            DetailedTask::new(task, TaskPayload::Working)
        };
        let ended = match answered {
            Ok(Some(ended)) => ended,
            Ok(None) => return Ok(working(None)),
            Err(error) => return Ok(working(Some(format!("the gate cannot be asked now: {error}")))),
        };
        if is_absent(&ended) {
            return Err(ErrorData::invalid_params(
                "there is no such task, or it ended more than 24 h ago",
                None,
            ));
        }
        self.calls.given_by_approval(id, &ended);
        if is_withdrawn(&ended) {
            return Ok(DetailedTask::new(
                working(None).task.with_status_message(WITHDRAWN),
                TaskPayload::Cancelled,
            ));
        }
        let result = match &ended {
            Ok(executed) => match self.catalogue.action(&executed.action_id).await {
                Ok(Some(action)) if self.shows != ToolSet::Meta => results::executed(&action, executed),
                _ => results::wrapped(executed),
            },
            Err(error) => results::error(error),
        };
        let task = working(None).task.with_status_message("decided");
        Ok(DetailedTask::new(
            task,
            TaskPayload::Completed { result: object(serde_json::to_value(&result).unwrap_or_default()) },
        ))
    }

    /// Takes the call back. Cooperative: what is decided goes its way, and the task says which.
    pub(super) async fn cancel(&self, id: ApprovalId) {
        match self.calls.take_back(id).await {
            Ok(()) => self.calls.taken_back(id),
            Err(error) => tracing::info!(approval = %id, %error, "a cancelled task goes on"),
        }
    }
}

/// # Errors
/// Invalid parameters for what is no task's id.
pub fn task_id(text: &str) -> Result<ApprovalId, ErrorData> {
    text.parse().map_err(|_| ErrorData::invalid_params(format!("there is no task `{text}`"), None))
}

fn is_absent(ended: &Result<Executed, ClientError>) -> bool {
    matches!(ended, Err(error) if error.code() == Some(Code::NotFound))
}

fn is_withdrawn(ended: &Result<Executed, ClientError>) -> bool {
    matches!(ended, Err(ClientError::Problem(problem)) if problem.detail == WITHDRAWN)
}
