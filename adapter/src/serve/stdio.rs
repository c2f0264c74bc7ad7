//! The transport: one JSON-RPC message a line. What cannot be one is answered and left, whatever it is.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rmcp::RoleServer;
use rmcp::model::{
    ClientJsonRpcMessage, ErrorData, JsonRpcMessage, ProtocolVersion, RequestId, ServerJsonRpcMessage,
};
use rmcp::transport::{StdioReader, StdioWriter, Transport, stdio_pipes};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::lines::{LINE_BYTES_MAX, Line, Lines};
use super::talk::{Admitted, Talk, line};

/// Messages in one batch.
const BATCH_MAX: usize = 1000;
/// Requests at once, beyond which nothing more is read. More than any client has, and little enough to hold.
const RUNNING_MAX: usize = 1024;
/// Refusals that wait for a client which does not read. Nothing more is read from it then.
const REFUSALS_MAX: usize = 64;

/// Lines in, lines out.
pub struct Stdio<R, W> {
    lines: Lines<R>,
    writer: Arc<tokio::sync::Mutex<W>>,
    talk: Arc<Mutex<Talk>>,
    /// Read and not handed on yet.
    ready: VecDeque<ClientJsonRpcMessage>,
    refusals: Arc<Semaphore>,
    /// A request has ended.
    ended: Arc<Notify>,
    closing: CancellationToken,
    written: Written,
}

/// Told of each answer that the client's side has taken.
pub type Written = Arc<dyn Fn(&RequestId) + Send + Sync>;

impl Stdio<StdioReader, StdioWriter> {
    /// `closing` is cancelled when standard input ends.
    pub fn of_this_process(closing: CancellationToken, written: Written) -> Self {
        let (read, write) = stdio_pipes();
        Self::new(read, write, closing, written)
    }
}

impl<R, W> Stdio<R, W>
where
    R: AsyncRead + Send + Unpin,
    W: AsyncWrite + Send + Unpin + 'static,
{
    pub fn new(read: R, write: W, closing: CancellationToken, written: Written) -> Self {
        let writer = Arc::new(tokio::sync::Mutex::new(write));
        let refusals = Arc::new(Semaphore::new(REFUSALS_MAX));
        let (talk, ended) = (Arc::default(), Arc::default());
        Self {
            lines: Lines::new(read),
            writer,
            talk,
            ready: VecDeque::new(),
            refusals,
            ended,
            closing,
            written,
        }
    }

    /// Takes a line apart. What is to be said about it at once comes back.
    fn take(&mut self, line: Line) -> Option<Value> {
        let bytes = match line {
            Line::Whole(bytes) if bytes.is_empty() => return None,
            Line::Whole(bytes) => bytes,
            Line::TooLong => {
                let detail = format!("a message has at most {LINE_BYTES_MAX} bytes");
                return self.talk().refusal(None, ErrorData::invalid_request(detail, None));
            }
        };
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        match serde_json::from_slice(bytes) {
            Ok(Value::Array(messages)) => self.take_batch(messages),
            Ok(message) => {
                let Admitted { message, answer } = self.talk().admit(message);
                self.ready.extend(message);
                answer
            }
            Err(error) => self.talk().refusal(None, ErrorData::parse_error(error.to_string(), None)),
        }
    }

    fn take_batch(&mut self, messages: Vec<Value>) -> Option<Value> {
        let talk = Arc::clone(&self.talk);
        let mut talk = talk.lock().unwrap_or_else(PoisonError::into_inner);
        if talk.version != Some(ProtocolVersion::V_2025_03_26) {
            let error = ErrorData::invalid_request("batches belong to revision 2025-03-26", None);
            return talk.refusal(None, error);
        }
        if messages.is_empty() || messages.len() > BATCH_MAX {
            let detail = format!("a batch has 1 to {BATCH_MAX} messages");
            return talk.refusal(None, ErrorData::invalid_request(detail, None));
        }
        let (mut requests, mut answers) = (Vec::new(), Vec::new());
        for message in messages {
            let Admitted { message, answer } = talk.admit(message);
            if let Some(JsonRpcMessage::Request(request)) = &message {
                requests.push(request.id.clone());
            }
            self.ready.extend(message);
            answers.extend(answer);
        }
        talk.batches.open(&requests, answers)
    }

    /// Until there is room for one more request, and one more refusal.
    fn room(&self) -> impl Future<Output = Option<OwnedSemaphorePermit>> + Send + use<R, W> {
        let (talk, ended) = (Arc::clone(&self.talk), Arc::clone(&self.ended));
        let refusals = Arc::clone(&self.refusals);
        async move {
            while talk.lock().unwrap_or_else(PoisonError::into_inner).running_len() >= RUNNING_MAX {
                // A permit is kept for whoever comes late, so no end is missed.
                ended.notified().await;
            }
            refusals.acquire_owned().await.ok()
        }
    }

    /// In a task: `receive` may be dropped while it waits, and half a line must not go out.
    fn answer_at_once(&self, answer: Value, room: OwnedSemaphorePermit) {
        let writer = Arc::clone(&self.writer);
        tokio::spawn(async move {
            let _until_written = room;
            let Ok(line) = line(&answer) else { return };
            if let Err(error) = write(&writer, &line).await {
                tracing::info!(%error, "standard output cannot be written");
            }
        });
    }

    fn talk(&self) -> MutexGuard<'_, Talk> {
        self.talk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R, W> Transport<RoleServer> for Stdio<R, W>
where
    R: AsyncRead + Send + Unpin,
    W: AsyncWrite + Send + Unpin + 'static,
{
    type Error = io::Error;

    fn send(
        &mut self,
        message: ServerJsonRpcMessage,
    ) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let line = self.talk().sent(&message);
        self.ended.notify_one();
        let (writer, written) = (Arc::clone(&self.writer), Arc::clone(&self.written));
        async move {
            if let Some(line) = line? {
                write(&writer, &line).await?;
            }
            // One of a batch that is not whole yet counts, too: what is left of it is kept in this process only for a moment.
            if let JsonRpcMessage::Response(response) = &message {
                written(&response.id);
            }
            Ok(())
        }
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        loop {
            if let Some(message) = self.ready.pop_front() {
                return Some(message);
            }
            let room = self.room().await?;
            let Some(next) = self.lines.next().await else {
                self.closing.cancel();
                return None;
            };
            if let Some(answer) = self.take(next) {
                self.answer_at_once(answer, room);
            }
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        self.closing.cancel();
        self.writer.lock().await.flush().await
    }
}

async fn write<W: AsyncWrite + Unpin>(writer: &tokio::sync::Mutex<W>, line: &[u8]) -> io::Result<()> {
    let mut writer = writer.lock().await;
    writer.write_all(line).await?;
    writer.flush().await
}
