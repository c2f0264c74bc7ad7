//! `[[notify]]`: receivers of notifications, as many as one likes, each with a name.

use std::collections::{BTreeMap, BTreeSet};

use latchgate_wire::notify::Event;
use serde_json::Value;

use super::kind::{
    Events, Flag, HttpUrl, Kind as _, Optional, Raw, ReceiverName, SecretName, Service, ServiceKind, Text,
    Whole,
};
use super::resolve::{Origin, Setting};
use super::table::{Row, listed};

listed! {
    /// Who is told of what. A table for each receiver, written [[notify]]; none by default.
    notify: NotifySettings {
        /// What it is called here, in the ledger and on the command line.
        name: String = String::new(), ReceiverName;
        /// Who it is, which decides about the form of what is sent.
        kind: Service = Service::Webhook, ServiceKind;
        /// Where it is. For slack and teams that is a secret: see url_secret.
        url: Option<String> = None, Optional(HttpUrl, "url_secret, or for telegram https://api.telegram.org");
        /// The name of the secret that holds where it is.
        url_secret: Option<String> = None, Optional(SecretName("slack-approvals"), "url");
        /// The name of the secret that signs (webhook), or that lets in (telegram, ntfy).
        secret: Option<String> = None, Optional(SecretName("webhook-key"), "none; webhook and telegram need one");
        /// The chat that the bot writes to. For telegram.
        chat: Option<String> = None, Optional(Text("-1001234567890"), "none; telegram needs one");
        /// What it is told of.
        events: BTreeSet<Event> = BTreeSet::from(Event::ALL), Events;
        /// How often a message is tried before it is a dead letter. Between tries lie 1 s, 2 s, 4 s and so on up to 5 min.
        attempts: u32 = 10, Whole(1, 50);
        /// How long one try may take, in seconds.
        timeout_s: u32 = 10, Whole(1, 120);
        /// Let it lie on this machine or in a private network, and there speak plain http.
        dangerous_private: bool = false, Flag;
    }
}

/// One receiver as a file has it: its members with their lines, and the line that begins it.
#[derive(Default)]
pub struct Item {
    pub line: usize,
    pub written: Vec<(&'static Row<NotifySettings>, Raw, usize)>,
}

/// A receiver, and which of its members somebody wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    pub settings: NotifySettings,
    written: BTreeSet<&'static str>,
}

/// Problems with their lines, where there are any.
pub fn resolve(items: &[Item]) -> (Vec<Given>, Vec<(usize, String)>) {
    let (mut all, mut problems) = (Vec::new(), Vec::new());
    let mut names = BTreeMap::new();
    for item in items {
        let mut given = Given { settings: NotifySettings::default(), written: BTreeSet::new() };
        for (row, raw, line) in &item.written {
            given.written.insert(row.member);
            if !(row.take)(&mut given.settings, raw) {
                problems.push((*line, format!("notify.{} {}", row.member, row.problem(raw))));
            }
        }
        // What follows would only repeat a problem that is told already.
        if problems.iter().any(|(line, _)| *line >= item.line) {
            continue;
        }
        problems.extend(given.contradictions().map(|problem| (item.line, problem)));
        if let Some(line) = names.insert(given.settings.name.clone(), item.line) {
            let name = &given.settings.name;
            problems.push((item.line, format!("notify.name `{name}` is that of line {line} already")));
        }
        all.push(given);
    }
    (all, problems)
}

impl Given {
    /// What is missing, or does not go with what it is.
    fn contradictions(&self) -> impl Iterator<Item = String> + use<> {
        let NotifySettings { name, kind, url, url_secret, secret, chat, .. } = &self.settings;
        let label = if name.is_empty() { "[[notify]]".to_owned() } else { format!("notify `{name}`") };
        let is_written = |member| self.written.contains(member);
        let says = |wrong: bool, what: &str| wrong.then(|| format!("{label} {what}"));
        let is_chat = *kind == Service::Telegram;
        let found = [
            says(!is_written("name"), "has no name"),
            says(!is_written("kind"), "has no kind: expected webhook, slack, teams, telegram or ntfy"),
            says(
                url.is_some() && url_secret.is_some(),
                "has both url and url_secret; one of them says where it is",
            ),
            says(
                kind.is_secret_url() && url.is_some(),
                "has its url in the file; whoever knows it can post: latchgate secrets set NAME, then url_secret = \"NAME\"",
            ),
            says(
                !is_chat && url.is_none() && url_secret.is_none() && is_written("kind"),
                "does not say where it is: url, or url_secret with the name of the secret that holds it",
            ),
            says(
                kind.needs_secret() && secret.is_none() && is_written("kind"),
                "has no secret: the name of the key that signs (webhook), or of the bot's token (telegram)",
            ),
            says(kind.is_secret_url() && secret.is_some(), "has a secret, which slack and teams do not use"),
            says(is_chat && chat.is_none(), "has no chat: the chat that the bot writes to"),
            says(!is_chat && chat.is_some(), "has a chat, which is for telegram"),
        ];
        found.into_iter().flatten()
    }

    /// As other settings are shown; `notify.NAME.MEMBER`.
    pub fn shown(&self) -> impl Iterator<Item = Setting> {
        LIST_ROWS.iter().map(|row| Setting {
            name: format!("notify.{}.{}", self.settings.name, row.member),
            value: (row.shown)(&self.settings),
            origin: if self.written.contains(row.member) { Origin::File } else { Origin::Default },
            absent: (row.absent)(),
        })
    }

    /// The members that weaken the gate, where they are set.
    pub fn dangers(&self) -> impl Iterator<Item = String> {
        let dangerous = LIST_ROWS.iter().filter(|row| row.member.starts_with("dangerous"));
        let set = dangerous.filter(|row| (row.shown)(&self.settings) == Value::Bool(true));
        set.map(|row| format!("notify.{}.{}", self.settings.name, row.member))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Environment, Resolved};
    use super::*;

    fn of(text: &str) -> Result<Vec<NotifySettings>, Vec<String>> {
        let resolved = Resolved::of("c", text, &Environment::default(), &[]).map_err(|error| error.0)?;
        Ok(resolved.config.notify.clone())
    }

    #[test]
    fn receivers_are_read_in_their_order() {
        let all = of("\
[[notify]]
name = 'ops'
kind = 'webhook'
url = 'https://ops.example/hook'
secret = 'ops-key'
events = ['held', 'unknown']
[[notify]]
name = 'team'
kind = 'slack'
url_secret = 'team-url'
")
        .unwrap();
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].events, BTreeSet::from([Event::Held, Event::Unknown]));
        assert_eq!((all[1].kind, all[1].events.len(), all[1].attempts), (Service::Slack, 5, 10));
    }

    #[test]
    fn what_is_missing_or_contradicts_is_told_with_its_line() {
        for (text, told) in [
            ("[[notify]]\nkind = 'ntfy'\nurl = 'https://n.example/t'", "c:1: [[notify]] has no name"),
            ("[[notify]]\nname = 'a'", "c:1: notify `a` has no kind: expected webhook"),
            ("[[notify]]\nname = 'a'\nkind = 'mail'", "c:3: notify.kind is `mail`, expected webhook"),
            ("[[notify]]\nname = 'a'\nkind = 'slack'\nurl = 'https://h.example/x'", "its url in the file"),
            ("[[notify]]\nname = 'a'\nkind = 'ntfy'", "does not say where it is"),
            ("[[notify]]\nname = 'a'\nkind = 'webhook'\nurl = 'https://a.example/'", "has no secret"),
            ("[[notify]]\nname = 'a'\nkind = 'telegram'\nsecret = 'bot'", "has no chat"),
            ("[[notify]]\nname = 'a'\nkind = 'ntfy'\nurl = 'https://u:p@n.example/'", "not shown here"),
            (
                "[[notify]]\nname = 'A b'\nkind = 'ntfy'\nurl = 'https://n.example/t'",
                "c:2: notify.name is `A b`",
            ),
            (
                "[[notify]]\nname='a'\nkind='slack'\nurl_secret='https://h.example/x'",
                "c:4: notify.url_secret is not shown here",
            ),
            ("[[notify]]\nnam = 'a'", "c:2: there is no setting `notify.nam`; the nearest is notify.name"),
            ("[[notify]]\nname = 'a'\nkind = 'ntfy'\nurl = 'https://n.example/t'\nevents = ['all']", "c:5: "),
            ("[notify]\nname = 'a'", "c:1: `notify` is a list of tables, each written [[notify]]"),
            (
                "[[notify]]\nname='a'\nkind='ntfy'\nurl='https://n.example/t'\n[[notify]]\nname='a'\nkind='ntfy'\nurl='https://n.example/t'",
                "c:5: notify.name `a` is that of line 1 already",
            ),
        ] {
            let problems = of(text).unwrap_err();
            assert!(problems.iter().any(|problem| problem.contains(told)), "{text}: {problems:#?}");
        }
    }

    #[test]
    fn a_private_receiver_is_a_danger_that_is_named() {
        let text = "[[notify]]\nname='a'\nkind='ntfy'\nurl='http://10.0.0.1/t'\ndangerous_private = true\n";
        let resolved = Resolved::of("c", text, &Environment::default(), &[]).unwrap();
        assert_eq!(resolved.dangers(), ["notify.a.dangerous_private"]);
        let shown = resolved.settings().into_iter().find(|setting| setting.name == "notify.a.url").unwrap();
        assert_eq!((shown.value, shown.origin), ("http://10.0.0.1/t".into(), Origin::File));
    }
}
