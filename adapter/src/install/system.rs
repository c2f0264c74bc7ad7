//! Where a client's file lies on which system, as a pure function of the system and a few variables.

use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Os {
    Linux,
    Macos,
    Windows,
}

/// What paths depend on. Everything that is read from the environment is in here.
#[derive(Clone, Debug)]
pub struct System {
    pub os: Os,
    /// The user's own directory.
    pub home: String,
    /// Where project files go: the directory that the command is run in.
    pub project: String,
    pub variables: BTreeMap<String, String>,
}

/// A directory that every system, or every user, has elsewhere.
#[derive(Clone, Copy)]
pub enum Base {
    Home,
    /// `XDG_CONFIG_HOME`, else `.config` below the home: for clients that keep to it on every system.
    Config,
    /// Where the system's applications keep settings: on Linux as [`Base::Config`], on macOS
    /// `Library/Application Support`, on Windows `%APPDATA%`.
    Applications,
    /// The directory that a variable of the client names, else one below the home.
    Named {
        variable: &'static str,
        below_home: &'static str,
    },
}

#[derive(Clone, Copy)]
pub struct Place {
    pub base: Base,
    /// With `/` between the names, on every system.
    pub path: &'static str,
}

pub enum Files {
    /// The first that exists, or else the first.
    Everywhere(&'static [Place]),
    PerSystem {
        linux: Place,
        macos: Place,
        windows: Place,
    },
}

impl System {
    /// This process's. `None` without a home.
    pub fn here() -> Option<Self> {
        let os = match std::env::consts::OS {
            "windows" => Os::Windows,
            "macos" => Os::Macos,
            _ => Os::Linux,
        };
        let variables: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
            .collect();
        let home = variables.get(if os == Os::Windows { "USERPROFILE" } else { "HOME" })?.clone();
        let project = std::env::current_dir().ok()?.into_os_string().into_string().ok()?;
        Some(Self { os, home, project, variables }).filter(|system| system.is_absolute(&system.home))
    }

    /// Every path that the client may keep its servers in, the preferred one first.
    pub fn user_files(&self, files: &Files) -> Vec<String> {
        match files {
            Files::Everywhere(places) => places.iter().map(|place| self.path(*place)).collect(),
            Files::PerSystem { linux, macos, windows } => vec![self.path(match self.os {
                Os::Linux => *linux,
                Os::Macos => *macos,
                Os::Windows => *windows,
            })],
        }
    }

    pub fn project_file(&self, path: &str) -> String {
        self.join(&self.project, path)
    }

    fn path(&self, place: Place) -> String {
        self.join(&self.directory(place.base), place.path)
    }

    fn directory(&self, base: Base) -> String {
        match base {
            Base::Home => self.home.clone(),
            Base::Config => self.named("XDG_CONFIG_HOME", ".config"),
            Base::Applications => match self.os {
                Os::Linux => self.named("XDG_CONFIG_HOME", ".config"),
                Os::Macos => self.join(&self.home, "Library/Application Support"),
                Os::Windows => self.named("APPDATA", "AppData/Roaming"),
            },
            Base::Named { variable, below_home } => self.named(variable, below_home),
        }
    }

    /// A variable that is empty or no absolute path counts as absent, as the XDG specification has it.
    fn named(&self, variable: &str, below_home: &str) -> String {
        let named = self.variables.get(variable).filter(|value| self.is_absolute(value));
        named.cloned().unwrap_or_else(|| self.join(&self.home, below_home))
    }

    fn join(&self, directory: &str, path: &str) -> String {
        let (separator, path) = match self.os {
            Os::Windows => ('\\', path.replace('/', "\\")),
            Os::Linux | Os::Macos => ('/', path.to_owned()),
        };
        if path.is_empty() {
            return directory.to_owned();
        }
        format!("{}{separator}{path}", directory.trim_end_matches(separator))
    }

    fn is_absolute(&self, path: &str) -> bool {
        match self.os {
            Os::Windows => {
                path.starts_with("\\\\") || path.get(1..3).is_some_and(|root| matches!(root, ":\\" | ":/"))
            }
            Os::Linux | Os::Macos => path.starts_with('/'),
        }
    }
}
