//! A disk that forgets what was not synced, tears writes, fills up and fails.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::disk::{Disk, DiskFile, RealDisk};

#[derive(Clone, Default)]
pub struct FaultyDisk(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    images: HashMap<PathBuf, Image>,
    /// Bytes that can still be allocated.
    room: Option<u64>,
    fails_to_sync: bool,
    /// The next space that is taken ahead is not made durable.
    fails_to_allocate: bool,
}

/// What a power cut leaves of a file.
#[derive(Default)]
struct Image {
    durable: Vec<u8>,
    unsynced: Vec<(u64, Vec<u8>)>,
}

impl Image {
    fn write(&mut self, offset: u64, bytes: &[u8]) {
        let (from, to) = (offset as usize, offset as usize + bytes.len());
        if self.durable.len() < to {
            self.durable.resize(to, 0);
        }
        self.durable[from..to].copy_from_slice(bytes);
    }

    fn settle(&mut self) {
        for (offset, bytes) in std::mem::take(&mut self.unsynced) {
            self.write(offset, &bytes);
        }
    }
}

impl FaultyDisk {
    pub fn set_room(&self, room: Option<u64>) {
        self.0.lock().unwrap().room = room;
    }

    pub fn fail_to_sync(&self) {
        self.0.lock().unwrap().fails_to_sync = true;
    }

    pub fn fail_to_allocate(&self) {
        self.0.lock().unwrap().fails_to_allocate = true;
    }

    /// Power cut: of what was not synced, any pieces may have reached the disk.
    pub fn cut_power(&self, mut chance: impl FnMut() -> bool) {
        let mut state = self.0.lock().unwrap();
        for (path, image) in &mut state.images {
            for (offset, bytes) in std::mem::take(&mut image.unsynced) {
                for (n, piece) in bytes.chunks(64).enumerate() {
                    if chance() {
                        image.write(offset + n as u64 * 64, piece);
                    }
                }
            }
            if path.exists() {
                std::fs::write(path, &image.durable).unwrap();
            }
        }
        state.images.clear();
    }

    fn take_room(&self, bytes: u64) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        if state.room.is_some_and(|room| room < bytes) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.room = state.room.map(|room| room - bytes);
        Ok(())
    }

    fn file(&self, path: &Path, inner: Box<dyn DiskFile>, image: Image) -> Box<dyn DiskFile> {
        self.0.lock().unwrap().images.insert(path.to_owned(), image);
        Box::new(FaultyFile { disk: self.clone(), path: path.to_owned(), inner })
    }
}

impl Disk for FaultyDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(self.file(path, RealDisk.create(path)?, Image::default()))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let image = Image { durable: std::fs::read(path)?, unsynced: Vec::new() };
        Ok(self.file(path, RealDisk.open(path)?, image))
    }
}

struct FaultyFile {
    disk: FaultyDisk,
    path: PathBuf,
    inner: Box<dyn DiskFile>,
}

impl FaultyFile {
    fn with<T>(&self, work: impl FnOnce(&mut Image) -> T) -> T {
        work(self.disk.0.lock().unwrap().images.entry(self.path.clone()).or_default())
    }
}

impl DiskFile for FaultyFile {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.inner.write_at(bytes, offset)?;
        self.with(|image| image.unsynced.push((offset, bytes.to_vec())));
        Ok(())
    }

    fn allocate(&self, from: u64, to: u64) -> io::Result<()> {
        if std::mem::take(&mut self.disk.0.lock().unwrap().fails_to_allocate) {
            return Err(io::Error::other("the disk is gone"));
        }
        self.disk.take_room(to - from)?;
        self.inner.allocate(from, to)?;
        self.with(|image| image.write(from, &vec![0; (to - from) as usize]));
        Ok(())
    }

    fn reserve(&self, from: u64, to: u64) -> io::Result<()> {
        self.disk.take_room(to - from)?;
        self.inner.reserve(from, to)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.inner.truncate(len)?;
        self.with(|image| {
            image.settle();
            image.durable.truncate(len as usize);
        });
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        {
            let state = self.disk.0.lock().unwrap();
            if state.fails_to_sync {
                return Err(io::Error::other("the disk is gone"));
            }
        }
        self.inner.sync()?;
        self.with(Image::settle);
        Ok(())
    }
}
