//! `sandbox doctor`: builds a jail at each level, the strongest first, and says which there are.

use latchgate_jail::{Environment, Jail, Layers, Layout};
use latchgate_wire::jail::Level;
use serde_json::json;

use crate::console::Console;
use crate::exit::{Exit, Failure};

const LEVELS: [Level; 3] = [Level::Strict, Level::Standard, Level::Namespaces];

pub fn run(console: &Console) -> Result<Exit, Failure> {
    let mut tried = Vec::new();
    for level in LEVELS {
        tried.push((level, attempt(level)?));
    }
    let obstacles = latchgate_jail::obstacles();
    if console.is_json() {
        let levels = tried.iter().map(|(level, result)| match result {
            Ok(layers) => json!({ "level": level, "works": true, "landlock_abi": layers.landlock_abi }),
            Err(reason) => json!({ "level": level, "works": false, "reason": reason }),
        });
        let in_the_way = obstacles.iter().map(|found| json!({ "what": found.what, "remedy": found.remedy }));
        console.json(&json!({
            "levels": levels.collect::<Vec<_>>(),
            "obstacles": in_the_way.collect::<Vec<_>>(),
        }))?;
    } else {
        console.result(
            &tried.iter().map(|(level, result)| line(*level, result)).collect::<Vec<_>>().join("\n"),
        )?;
        for found in &obstacles {
            console.note(&format!("{}\n  {}", found.what, found.remedy));
        }
    }
    let has_default = tried.iter().any(|(level, result)| *level == Level::default() && result.is_ok());
    Ok(if has_default { Exit::Done } else { Exit::Failed })
}

fn line(level: Level, result: &Result<Layers, String>) -> String {
    let holds = match level {
        Level::Strict => "namespaces, seccomp, Landlock",
        Level::Standard => "namespaces, seccomp (the default)",
        Level::Namespaces => "namespaces alone: every call of the kernel can be tried",
    };
    match result {
        Ok(layers) if layers.landlock_abi > 0 => {
            format!("works    {level:<11} {holds}; Landlock ABI {} is used", layers.landlock_abi)
        }
        Ok(_) => format!("works    {level:<11} {holds}; there is no Landlock"),
        Err(reason) => format!("refused  {level:<11} {reason}"),
    }
}

/// A whole jail, in which nothing is started.
fn attempt(level: Level) -> Result<Result<Layers, String>, Failure> {
    let place = tempfile::tempdir()?;
    let [home, workspace] = ["home", "work"].map(|name| place.path().join(name));
    std::fs::create_dir(&home)?;
    std::fs::create_dir(&workspace)?;
    let layout = Layout {
        level,
        home,
        workspace,
        read_only_workspace: false,
        binds: Vec::new(),
        kept: Vec::new(),
        forbidden: Vec::new(),
        gate_socket: None,
        ports: Vec::new(),
        environment: Environment::default(),
        command: vec!["true".into()],
    };
    let plan = layout.plan().map_err(|error| Failure::usage(error.to_string()))?;
    Ok(Jail::build(plan).map(|jail| jail.layers()).map_err(|error| error.to_string()))
}
