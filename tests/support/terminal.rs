//! A terminal of a test's own: a pseudo-terminal with a screen that can be read and keys that can be pressed.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::num::NonZeroU16;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustix::fs::OFlags;
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcgetattr, tcsetwinsize};

use crate::patience::{PATIENCE, eventually, within};

/// A program on a terminal. Dropped, it is ended.
pub struct Terminal {
    keyboard: File,
    /// Kept open, so that the terminal outlives the program and can be asked how it was left.
    line: Option<OwnedFd>,
    seen: Arc<Mutex<Seen>>,
    reader: Option<JoinHandle<()>>,
    child: Child,
}

struct Seen {
    screen: vt100::Parser<Bells>,
    bytes: Vec<u8>,
}

#[derive(Default)]
struct Bells(usize);

impl vt100::Callbacks for Bells {
    fn audible_bell(&mut self, _: &mut vt100::Screen) {
        self.0 += 1;
    }
}

impl Terminal {
    /// Runs the command with all three streams on a terminal of so many rows and columns.
    ///
    /// # Panics
    /// If there is no terminal to be had, or the command does not start.
    pub fn run(mut command: Command, rows: u16, columns: u16) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal");
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        tcsetwinsize(&master, size(rows, columns)).unwrap();
        let path = PathBuf::from(ptsname(&master, Vec::new()).unwrap().into_string().unwrap());
        let no_control = i32::try_from(OFlags::NOCTTY.bits()).unwrap();
        let open = || OpenOptions::new().read(true).write(true).custom_flags(no_control).open(&path).unwrap();
        command.stdin(open()).stdout(open()).stderr(open()).env("TERM", "xterm-256color");
        let line = Some(OwnedFd::from(open()));
        let child = command.spawn().expect("the command starts");
        let (rows, columns) = (NonZeroU16::new(rows).unwrap(), NonZeroU16::new(columns).unwrap());
        let screen = vt100::Parser::new_with_callbacks(rows, columns, 0, Bells::default());
        let seen = Arc::new(Mutex::new(Seen { screen, bytes: Vec::new() }));
        let keyboard = File::from(master);
        let reader = std::thread::spawn({
            let (seen, mut master) = (Arc::clone(&seen), keyboard.try_clone().unwrap());
            move || {
                let mut buffer = [0; 4096];
                while let Ok(count @ 1..) = master.read(&mut buffer) {
                    let mut seen = seen.lock().unwrap();
                    seen.screen.process(&buffer[..count]);
                    seen.bytes.extend_from_slice(&buffer[..count]);
                }
            }
        });
        // The command holds the other ends of its streams as long as it lives; ours would keep them open.
        drop(command);
        Self { keyboard, line, seen, reader: Some(reader), child }
    }

    /// What is on the screen, row by row.
    ///
    /// # Panics
    /// If the reader failed.
    pub fn screen(&self) -> String {
        self.seen.lock().unwrap().screen.screen().contents()
    }

    /// Every byte that was sent to the terminal.
    ///
    /// # Panics
    /// If the reader failed.
    pub fn bytes(&self) -> Vec<u8> {
        self.seen.lock().unwrap().bytes.clone()
    }

    /// How often it rang.
    ///
    /// # Panics
    /// If the reader failed.
    pub fn bells(&self) -> usize {
        self.seen.lock().unwrap().screen.callbacks().0
    }

    /// Whether the program has the second screen, which leaves no trace in the first.
    ///
    /// # Panics
    /// If the reader failed.
    pub fn is_on_second_screen(&self) -> bool {
        self.seen.lock().unwrap().screen.screen().alternate_screen()
    }

    /// Whether lines are edited and signals made of keys, as a shell leaves a terminal.
    ///
    /// # Panics
    /// If the terminal is gone.
    pub fn is_cooked(&self) -> bool {
        use rustix::termios::LocalModes;
        let modes = tcgetattr(self.line.as_ref().unwrap()).unwrap().local_modes;
        modes.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
    }

    /// Types, all at once: one character is a key, several are pasted text.
    ///
    /// # Panics
    /// If the terminal is gone.
    pub fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until all of these are on the screen; what is on it.
    ///
    /// # Panics
    /// With the screen, if they do not come.
    #[track_caller]
    pub fn shows(&self, parts: &[&str]) -> String {
        let shown = within(PATIENCE, || {
            let screen = self.screen();
            parts.iter().all(|part| screen.contains(part)).then_some(screen)
        });
        shown.unwrap_or_else(|| panic!("expected {parts:?} on the screen:\n{}", self.screen()))
    }

    /// # Panics
    /// If the terminal or the program is gone.
    pub fn resize(&mut self, rows: u16, columns: u16) {
        tcsetwinsize(&self.keyboard, size(rows, columns)).unwrap();
        let (new_rows, new_columns) = (NonZeroU16::new(rows).unwrap(), NonZeroU16::new(columns).unwrap());
        self.seen.lock().unwrap().screen.set_size(new_rows, new_columns);
        // Of a terminal that is nobody's controlling terminal, nobody is told.
        self.signal(Signal::WINCH);
    }

    /// # Panics
    /// If the program is gone.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(pid, signal).unwrap();
    }

    /// Waits for the program's end; its exit code.
    ///
    /// # Panics
    /// If it does not end.
    pub fn wait(&mut self) -> i32 {
        let status = eventually("the end of the program", || self.child.try_wait().unwrap());
        status.code().unwrap_or(-1)
    }

    /// Waits for the program's end and for the last byte of it: its exit code and all that it sent.
    ///
    /// # Panics
    /// If it does not end, or sent what is no text.
    pub fn finish(mut self) -> (i32, String) {
        let code = self.wait();
        // Nobody has the other end any more: the reader comes to its end.
        drop(self.line.take());
        self.reader.take().unwrap().join().unwrap();
        (code, String::from_utf8(self.bytes()).unwrap())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn size(rows: u16, columns: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}
