//! `secrets import`: values that lie elsewhere, all of them or none.

use std::path::{Path, PathBuf};

use clap::Args;
use latchgate_daemon::secrets::import::{self, ImportError, Values};
use latchgate_wire::secret::{NamedSecret, SecretSpec, SecretText};
use owo_colors::OwoColorize as _;
use serde_json::json;
use zeroize::Zeroizing;

use super::{Global, way};
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::keys;
use crate::visible::styled;

const EXAMPLES: &str = "\
Examples:
  latchgate secrets import --from-env GITHUB_TOKEN slack=SLACK_BOT_TOKEN
  latchgate secrets import --env-file .env --only GITHUB_TOKEN
  latchgate secrets import --sops secrets.enc.yaml
  latchgate secrets import --age secrets.json.age --identity key.txt --dry-run

A nested value gets the names around it: `github: {token: x}` is github.token. Of a
SOPS file its MAC is checked, and what it left unencrypted is not imported. The
identity is looked for where sops has it: SOPS_AGE_KEY_FILE, then
sops/age/keys.txt among the user's configuration. No external program is run.";

/// Import secrets from the environment, or from env, YAML, JSON, age and SOPS files
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
#[command(group = clap::ArgGroup::new("source").required(true))]
pub struct Import {
    /// Variables of the environment; NAME=VARIABLE gives the secret another name
    #[arg(long, value_name = "NAME", num_args = 1.., group = "source")]
    from_env: Vec<String>,
    /// A file of NAME=value lines
    #[arg(long, value_name = "FILE", group = "source")]
    env_file: Option<PathBuf>,
    /// A YAML or JSON file that SOPS encrypted to an age identity
    #[arg(long, value_name = "FILE", group = "source")]
    sops: Option<PathBuf>,
    /// A YAML or JSON file that was encrypted with age as a whole
    #[arg(long, value_name = "FILE", group = "source")]
    age: Option<PathBuf>,
    /// The file of the age identity that opens it
    #[arg(long, value_name = "FILE", conflicts_with_all = ["from_env", "env_file"])]
    identity: Option<PathBuf>,
    /// Import this one only, by its name there; may be repeated
    #[arg(long, value_name = "NAME", conflicts_with = "from_env")]
    only: Vec<String>,
    /// Send them to this host only, whatever an action says; may be repeated
    #[arg(long, value_name = "HOST")]
    host: Vec<String>,
    /// Take values of less than 12 bytes
    #[arg(long)]
    dangerous_short: bool,
    /// Say what would be imported, and import nothing
    #[arg(long)]
    dry_run: bool,
}

impl Import {
    pub async fn run(self, global: &Global, by: &str, console: &Console) -> Result<Exit, Failure> {
        let secrets = self.named(self.chosen(self.values(console)?)?)?;
        let names: Vec<String> = secrets.iter().map(|secret| secret.name.to_string()).collect();
        if self.dry_run {
            return done(console, &names, "would import", json!({ "would_import": names }));
        }
        let (_, via) = way::set(global, by, secrets).await?;
        console.note(via.consequence());
        if self.env_file.is_some() {
            console.note("the file holds the values still: remove it, or take them out of it");
        }
        let document = json!({ "imported": names, "gate": via == way::Via::Gate });
        done(console, &names, "imported", document)
    }

    fn values(&self, console: &Console) -> Result<Values, Failure> {
        match (&self.env_file, &self.sops, &self.age) {
            (Some(path), _, _) => {
                warn_if_readable(path, console);
                import::variables(&text(path)?).map_err(|error| refused(path, &error))
            }
            (_, Some(path), _) => {
                let identities = self.identities()?;
                import::sops(&text(path)?, &identities).map_err(|error| refused(path, &error))
            }
            (_, _, Some(path)) => {
                let identities = self.identities()?;
                import::age(&bytes(path)?, &identities).map_err(|error| refused(path, &error))
            }
            (None, None, None) => self.from_env.iter().map(|named| from_env(named)).collect(),
        }
    }

    fn identities(&self) -> Result<import::Identities, Failure> {
        let path = self.identity.clone().or_else(usual_identity).ok_or_else(|| {
            Failure::usage("there is no age identity where sops has it")
                .remedy("name its file with --identity FILE")
        })?;
        let text = keys::private_text(&path, "age identity")?;
        import::identities(&path, &text).map_err(|error| Failure::usage(error.to_string()))
    }

    /// Those of --only, each of which must be there.
    fn chosen(&self, values: Values) -> Result<Values, Failure> {
        if self.only.is_empty() {
            return Ok(values);
        }
        if let Some(absent) = self.only.iter().find(|only| !values.iter().any(|(name, _)| name == *only)) {
            return Err(Failure::usage(format!("there is no value of the name {absent}"))
                .remedy("--dry-run without --only says what there is"));
        }
        Ok(values.into_iter().filter(|(name, _)| self.only.contains(name)).collect())
    }

    fn named(&self, values: Values) -> Result<Vec<NamedSecret>, Failure> {
        if values.is_empty() {
            return Err(Failure::usage("there is no value to import"));
        }
        values.into_iter().map(|(name, value)| self.one(&name, value)).collect()
    }

    fn one(&self, name: &str, value: SecretText) -> Result<NamedSecret, Failure> {
        let skip = "leave it out: name those that you want with --only";
        let own = name.parse().map_err(|error: latchgate_wire::secret::SecretNameError| {
            Failure::usage(format!("{name}: {error}")).remedy(skip)
        })?;
        let hosts = self.host.iter().map(|host| host.to_ascii_lowercase()).collect();
        let secret = SecretSpec { hosts, dangerous_short: self.dangerous_short, ..SecretSpec::plain(value) };
        secret.check().map_err(|error| Failure::usage(format!("secret {name}: {error}")).remedy(skip))?;
        Ok(NamedSecret { name: own, secret })
    }
}

fn done(
    console: &Console,
    names: &[String],
    word: &str,
    document: serde_json::Value,
) -> Result<Exit, Failure> {
    if console.is_json() {
        console.json(&document)?;
        return Ok(Exit::Done);
    }
    let text = format!("{} {} secrets: {}", word.green(), names.len(), styled(&names.join(", ")));
    console.result(&text)?;
    Ok(Exit::Done)
}

/// `NAME` or `NAME=VARIABLE`. What is no variable is not repeated: it may be a value.
fn from_env(named: &str) -> Result<(String, SecretText), Failure> {
    let (name, variable) = named.split_once('=').unwrap_or((named, named));
    let absent = || {
        let of = if named.contains('=') { format!(" for {name}") } else { String::new() };
        Failure::usage(format!("the variable that was named{of} is not in the environment, or is no text"))
            .remedy(
                "export it first, and name it as NAME=VARIABLE; a value does not belong on the command line",
            )
    };
    let value = std::env::var(variable).ok().filter(|_| !variable.is_empty()).ok_or_else(absent)?;
    Ok((name.to_owned(), SecretText::new(value)))
}

fn usual_identity() -> Option<PathBuf> {
    let var = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let configuration = || var("XDG_CONFIG_HOME").or_else(|| Some(var("HOME")?.join(".config")));
    let usual = || Some(configuration()?.join("sops/age/keys.txt")).filter(|path| path.is_file());
    var("SOPS_AGE_KEY_FILE").or_else(usual)
}

fn bytes(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let read = std::fs::read(path).map(Zeroizing::new);
    read.map_err(|error| Failure::new(Exit::Failed, format!("{}: {error}", path.display())))
}

fn text(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let bytes = bytes(path)?;
    let text = std::str::from_utf8(&bytes).map(str::to_owned).map(Zeroizing::new);
    text.map_err(|_| Failure::usage(format!("{} is no UTF-8 text", path.display())))
}

fn warn_if_readable(path: &Path, console: &Console) {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(path).map_or(0, |found| found.permissions().mode());
    if mode & 0o077 != 0 {
        console.note(&format!(
            "others on this machine can read {}: what is imported from it is known to them",
            path.display()
        ));
    }
}

fn refused(path: &Path, error: &ImportError) -> Failure {
    let failure = Failure::usage(format!("{}: {error}", path.display()));
    match error {
        ImportError::NoIdentity => failure.remedy("name the file of another one with --identity FILE"),
        ImportError::NotSops => {
            failure.remedy("a file that age encrypted as a whole is read with --age FILE")
        }
        ImportError::Altered(_) | ImportError::Mac => {
            failure.remedy("take the file from where it was encrypted; nothing was imported")
        }
        _ => failure,
    }
}
