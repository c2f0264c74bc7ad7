//! A name server that changes its mind: each look-up of a name gets the next answer of its script (RFC 1035 section 4).

use std::collections::HashMap;
use std::net::{IpAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;

/// Listens on 127.0.0.1:53 of the namespace. Time to live is always 0.
pub struct NameServer {
    names: Arc<Mutex<Names>>,
}

#[derive(Default)]
struct Names {
    scripts: HashMap<String, Vec<Vec<Record>>>,
    /// By name and record type.
    asked: HashMap<(String, u16), usize>,
}

#[derive(Clone)]
enum Record {
    Address(IpAddr),
    /// The name goes by another, whose own first answer comes along.
    Alias(String),
}

const A: u16 = 1;
const CNAME: u16 = 5;
const AAAA: u16 = 28;

impl NameServer {
    /// # Panics
    /// If the port is taken.
    pub(super) fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:53").expect("port 53 of a network of our own");
        let names = Arc::new(Mutex::new(Names::default()));
        let serving = Arc::clone(&names);
        thread::spawn(move || serve(&socket, &serving));
        Self { names }
    }

    /// What the name is answered at each look-up in turn, the last again and again: addresses, or other names. A name without
    /// a script does not exist.
    pub fn script(&self, name: &str, answers: &[&[&str]]) {
        let record = |text: &&str| match text.parse() {
            Ok(ip) => Record::Address(ip),
            Err(_) => Record::Alias((*text).to_owned()),
        };
        let answers = answers.iter().map(|answer| answer.iter().map(record).collect()).collect();
        self.names.lock().unwrap().scripts.insert(name.to_owned(), answers);
    }

    /// How many look-ups of the name there were.
    pub fn asked(&self, name: &str) -> usize {
        self.names.lock().unwrap().asked.get(&(name.to_owned(), A)).copied().unwrap_or_default()
    }

    /// How many look-ups of any name there were.
    pub fn asked_at_all(&self) -> usize {
        self.names.lock().unwrap().asked.values().sum()
    }
}

fn serve(socket: &UdpSocket, names: &Mutex<Names>) {
    let mut query = [0; 512];
    while let Ok((length, from)) = socket.recv_from(&mut query) {
        if let Some(reply) = answer(&query[..length], &mut names.lock().unwrap()) {
            let _unheard = socket.send_to(&reply, from);
        }
    }
}

/// The reply to a query of one question.
fn answer(query: &[u8], names: &mut Names) -> Option<Vec<u8>> {
    let (name, end) = read_name(query, HEADER)?;
    let kind = u16::from_be_bytes([*query.get(end)?, *query.get(end + 1)?]);
    let turn = names.asked.entry((name.clone(), kind)).or_default();
    let found = names.scripts.get(&name).map(|script| script[(*turn).min(script.len() - 1)].clone());
    *turn += 1;
    let mut records = Vec::new();
    for record in found.iter().flatten() {
        push(&mut records, &name, kind, record, names);
    }
    // Answered, recursion available, and whether there is such a name.
    let flags: u16 = if found.is_some() { 0x8180 } else { 0x8183 };
    let mut reply = query.get(..2)?.to_vec();
    for number in [flags, 1, u16::try_from(records.len()).ok()?, 0, 0] {
        reply.extend(number.to_be_bytes());
    }
    reply.extend(query.get(HEADER..end + 4)?);
    reply.extend(records.concat());
    Some(reply)
}

/// Bytes of a message's header.
const HEADER: usize = 12;

fn push(records: &mut Vec<Vec<u8>>, owner: &str, kind: u16, record: &Record, names: &Names) {
    match record {
        Record::Address(IpAddr::V4(ip)) if kind == A => records.push(written(owner, A, &ip.octets())),
        Record::Address(IpAddr::V6(ip)) if kind == AAAA => records.push(written(owner, AAAA, &ip.octets())),
        Record::Address(_) => {}
        Record::Alias(alias) => {
            records.push(written(owner, CNAME, &encoded(alias)));
            let target = names.scripts.get(alias).and_then(|script| script.first());
            for record in target.into_iter().flatten() {
                push(records, alias, kind, record, names);
            }
        }
    }
}

fn written(owner: &str, kind: u16, data: &[u8]) -> Vec<u8> {
    const INTERNET: u16 = 1;
    const TTL: u32 = 0;
    let mut record = encoded(owner);
    record.extend(kind.to_be_bytes());
    record.extend(INTERNET.to_be_bytes());
    record.extend(TTL.to_be_bytes());
    record.extend(u16::try_from(data.len()).unwrap_or_default().to_be_bytes());
    record.extend(data);
    record
}

fn encoded(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.') {
        bytes.push(u8::try_from(label.len()).unwrap_or_default());
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes
}

/// The name at `at` in lower case, and where it ends. Questions are not compressed.
fn read_name(message: &[u8], mut at: usize) -> Option<(String, usize)> {
    let mut labels = Vec::new();
    loop {
        let length = usize::from(*message.get(at)?);
        at += 1;
        if length == 0 {
            return Some((labels.join("."), at));
        }
        let label = message.get(at..at + length)?;
        labels.push(String::from_utf8_lossy(label).to_ascii_lowercase());
        at += length;
    }
}
