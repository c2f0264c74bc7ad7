//! `service install`: user, group, home and unit.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;
use latchgate_daemon::doctor::word;

use super::layout::{AccountName, Layout, account, members};
use super::step::Step;
use super::unit;
use crate::console::Console;
use crate::exit::{Exit, Failure};

const EXAMPLES: &str = "\
Examples:
  sudo latchgate service install
  latchgate service install --dry-run
  latchgate service install --prefix ./package

The gate runs as a user of its own, whose files no other user can read, and
members of the group may call it. Nothing that is there is changed, so the same
may be done again. --prefix is for packages: it writes below that directory and
makes neither users nor keys; `service install` on the machine does the rest.";

const SYSTEM_PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// Write a systemd unit, and make the user, the group and the home that it needs
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Install {
    /// Print all that would be done, and the unit; do nothing
    #[arg(long)]
    dry_run: bool,
    /// The user that the gate runs as
    #[arg(long, value_name = "NAME", default_value = "latchgate")]
    user: AccountName,
    /// The group whose members may call
    #[arg(long, value_name = "NAME", default_value = "latchgate-agents")]
    group: AccountName,
    /// Write below this directory, as a package does
    #[arg(long, value_name = "DIR")]
    prefix: Option<PathBuf>,
}

impl Install {
    pub fn run(self, console: &Console) -> Result<Exit, Failure> {
        let layout = Layout::new(self.prefix.clone().map(|prefix| std::path::absolute(&prefix)).transpose()?);
        let executable = std::env::current_exe()?;
        if layout.is_machine() && !self.dry_run {
            require_root()?;
            require_safe(&executable)?;
        }
        let unit = unit::text(&layout.installed(&executable), &self.user, &self.group);
        let mut steps = self.steps(&layout, &executable, &unit);
        if !self.dry_run {
            steps.iter_mut().try_for_each(Step::carry_out)?;
        }
        let next = self.next(&layout);
        if console.is_json() {
            console.json(&serde_json::json!({
                "dry_run": self.dry_run, "steps": steps, "unit_file": layout.unit(), "unit": unit, "next": next,
            }))?;
            return Ok(Exit::Done);
        }
        let shown: Vec<String> = steps.iter().map(Step::show).collect();
        console.result(&shown.join("\n"))?;
        if self.dry_run {
            console.result(&format!("\n# {}\n{unit}", layout.unit().display()))?;
            console.note("nothing was done");
        } else {
            console.note(&format!("next: {}", next.join("\n      ")));
        }
        Ok(Exit::Done)
    }

    fn steps(&self, layout: &Layout, executable: &Path, unit: &str) -> Vec<Step> {
        let mut steps = Vec::new();
        if layout.is_machine() {
            steps.extend(self.accounts());
            steps.extend([layout.config(), layout.state()].iter().flat_map(|dir| self.directory(dir)));
        }
        steps.push(self.home(layout, executable));
        steps.push(Step::file(layout.unit(), unit.to_owned()));
        steps
    }

    fn accounts(&self) -> Vec<Step> {
        let (user, group) = (self.user.as_str(), self.group.as_str());
        let found_group = account("/etc/group", group);
        let found_user = account("/etc/passwd", user);
        let is_member = found_group.as_ref().is_some_and(|group| members(group).contains(&user));
        let state = Layout::new(None).state().display().to_string();
        let mut steps = vec![
            Step::run("groupadd", &["--system", group])
                .unless(found_group.map(|_| format!("group {group} exists"))),
            Step::run(
                "useradd",
                &[
                    "--system",
                    "--user-group",
                    "--groups",
                    group,
                    "--home-dir",
                    &state,
                    "--no-create-home",
                    "--shell",
                    "/usr/sbin/nologin",
                    user,
                ],
            )
            .unless(found_user.as_ref().map(|_| format!("user {user} exists"))),
        ];
        if found_user.is_some() {
            let join = Step::run("usermod", &["--append", "--groups", group, user]);
            steps.push(join.unless(is_member.then(|| format!("{user} is a member of {group}"))));
        }
        steps
    }

    /// The gate's own, and nobody else's; what a package put into it as well.
    fn directory(&self, dir: &Path) -> Vec<Step> {
        let user = self.user.as_str();
        let path = dir.display().to_string();
        let uid = account("/etc/passwd", user).and_then(|fields| fields.get(2)?.parse().ok());
        let is_own = fs::symlink_metadata(dir).is_ok_and(|found| found.is_dir() && Some(found.uid()) == uid);
        let made = Step::run("install", &["-d", "-m", "0700", "-o", user, &path]);
        // With nothing behind the colon: the user's own group.
        let owner = format!("{user}:");
        let given = Step::run("chown", &["--recursive", "--no-dereference", &owner, &path]);
        let why = is_own.then(|| format!("it is {user}'s"));
        vec![made.unless(why.clone()), given.unless(why)]
    }

    /// By the user whose home it is: what that user makes is that user's.
    fn home(&self, layout: &Layout, executable: &Path) -> Step {
        let group = self.group.as_str();
        let user = self.user.as_str();
        let prepare = ["service", "prepare", "--group", group];
        let shown = format!("{} {}", word(executable), prepare.join(" "));
        let (mut command, shown) = if layout.is_machine() {
            let mut command = Command::new("runuser");
            command.args(["-u", user, "--"]).arg(executable).args(prepare);
            (command, format!("runuser -u {user} -- {shown}"))
        } else {
            let mut command = Command::new(executable);
            command.args(prepare).arg("--without-operator");
            (command, format!("{shown} --without-operator"))
        };
        command.env_clear().env("PATH", SYSTEM_PATH).envs(layout.environment());
        command.stdin(Stdio::null()).stdout(Stdio::null());
        Step::command(command, shown)
    }

    fn next(&self, layout: &Layout) -> Vec<String> {
        if !layout.is_machine() {
            return vec!["latchgate service install, on the machine that the package is installed on".into()];
        }
        let (user, group) = (self.user.as_str(), self.group.as_str());
        vec![
            format!("usermod -aG {group} USER, for each user whose agents may call"),
            "systemctl daemon-reload && systemctl enable --now latchgate".into(),
            format!("sudo -u {user} latchgate doctor --socket /run/latchgate"),
        ]
    }
}

pub fn require_root() -> Result<(), Failure> {
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    Err(Failure::new(Exit::Failed, "users and services are root's to make")
        .remedy("run the same with sudo, or look with --dry-run"))
}

/// Whoever can replace the program has the service's keys; and the service must see it.
fn require_safe(executable: &Path) -> Result<(), Failure> {
    let remedy =
        format!("run: install -m 0755 {} /usr/local/bin/ and do the same with that", word(executable));
    let hidden = ["/home", "/root", "/run/user", "/tmp", "/var/tmp"];
    if let Some(dir) = hidden.iter().find(|dir| executable.starts_with(dir)) {
        let what = format!("{} lies in {dir}, which the service does not see", executable.display());
        return Err(Failure::new(Exit::Failed, what).remedy(remedy));
    }
    for path in executable.ancestors() {
        let found = fs::metadata(path)?;
        let mode = found.permissions().mode() & 0o7777;
        if found.uid() != 0 || mode & 0o022 != 0 {
            let what = format!(
                "{} belongs to uid {} with mode {mode:04o}: others than root could replace the program",
                path.display(),
                found.uid()
            );
            let remedy = format!("run: chown root {0} && chmod go-w {0}", word(path));
            return Err(Failure::new(Exit::Failed, what).remedy(remedy));
        }
    }
    Ok(())
}
