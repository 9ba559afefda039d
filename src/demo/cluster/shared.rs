//! One cluster for all processes of a test run.

use std::{
    fs::{self, File, TryLockError},
    io::Write,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Result, ensure};
use rustix::process::Pid;

use super::{Cluster, Options, PATIENCE, account::socket_path, gone, lock_file, private_dir, ready, url, wait_until};

/// A cluster that all processes of one test run share; it ends with the run, not with this value.
#[derive(Clone, Debug)]
pub struct TestCluster {
    dir: PathBuf,
    socket: PathBuf,
}

/// The cluster of one test run, in a directory of its own below `base`. `runner` is the process that started the
/// test processes (cargo, nextest): the first of them starts the cluster, the others join, and a watcher stops it
/// and removes it when the runner is gone.
pub fn test_cluster(base: &Path, runner: Pid, options: &Options) -> Result<TestCluster> {
    fs::create_dir_all(base)?;
    sweep(base);
    let dir = private_dir(&base.join(runner.to_string()))?;
    let starting = lock_file(&dir.join("owner.lock"))?;
    starting.lock()?;
    let server = lock_file(&dir.join("server.lock"))?;
    // Held without being ready: its starter was killed half-way, and it comes up or goes down by itself.
    let mut running = false;
    wait_until(PATIENCE, || {
        let free = server.try_lock().is_ok();
        running = !free && ready(&dir).is_some();
        free || running
    });
    drop(server);
    if running {
        let owner = dir.metadata()?.uid();
        let socket = socket_path(&dir);
        ensure!(socket == dir || socket.symlink_metadata()?.uid() == owner, "{} is another's", socket.display());
        return Ok(TestCluster { dir, socket });
    }
    for old in fs::read_dir(&dir)?.flatten().map(|entry| entry.path()) {
        if old.is_dir() {
            fs::remove_dir_all(&old)?; // `data` of an earlier run whose runner had the same number
        } else if old.to_string_lossy().ends_with(".once") {
            fs::remove_file(&old)?;
        }
    }
    let mut cluster = Cluster::launch(dir.clone(), starting, Some(runner), options)?;
    cluster.child = None; // it outlives this process
    Ok(TestCluster { dir, socket: cluster.socket.clone() })
}

/// Removes what runs left that ended with the machine, and so without their watcher.
fn sweep(base: &Path) {
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        let Some(runner) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let used = |dir: PathBuf| File::open(dir.join("server.lock")).is_ok_and(|lock| lock.try_lock().is_err());
        if gone(runner) && !used(entry.path()) {
            fs::remove_dir_all(entry.path()).ok();
        }
    }
}

impl TestCluster {
    /// Address of a database on this cluster.
    pub fn url(&self, role: &str, database: &str) -> String {
        url(&self.socket, role, database)
    }

    /// Does `make` in the first process or thread of the run that asks for `name`; the others wait for it. If it
    /// fails or its process is killed, the next one does it again, so it must begin with clearing up.
    pub async fn once(&self, name: &str, make: impl AsyncFnOnce() -> Result<()>) -> Result<()> {
        let mut file = lock_file(&self.dir.join(format!("{name}.once")))?;
        // Not `lock`: blocking the thread could block the very task that holds it.
        while let Err(error) = file.try_lock() {
            ensure!(matches!(error, TryLockError::WouldBlock), "lock {name}: {error}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        if file.metadata()?.len() == 0 {
            make().await?;
            file.write_all(b"done\n")?;
        }
        Ok(())
    }
}
