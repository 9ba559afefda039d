//! As whom PostgreSQL runs, and where its socket is.

use std::{
    fs::{self, DirBuilder},
    hash::{DefaultHasher, Hash, Hasher},
    io,
    os::unix::{
        fs::{DirBuilderExt, MetadataExt, lchown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use rustix::process::geteuid;

use super::Options;

/// PostgreSQL's name for its socket; also its only port.
pub(super) const SOCKET: &str = ".s.PGSQL.5432";
/// The longest path of a socket on macOS; Linux allows 107.
const LONGEST: usize = 103;

/// PostgreSQL refuses to run as root.
#[derive(Clone, Copy, Debug)]
pub(super) enum Account {
    Ours,
    /// We are root, and in a user namespace we are called 1000: the files remain root's.
    Namespace,
    Other {
        uid: u32,
        gid: u32,
    },
}

impl Account {
    pub(super) fn choose(dir: &Path, options: &Options) -> Result<Self> {
        if !geteuid().is_root() {
            return Ok(Self::Ours);
        }
        let meta = dir.metadata()?;
        if meta.uid() == 0 && !options.without_namespace && Self::Namespace.can(&["-w", "-x"], dir, options) {
            return Ok(Self::Namespace);
        }
        // A directory that is another's (`sudo simpul demo`) remains that user's.
        let (uid, gid) = if meta.uid() == 0 { service_account() } else { (meta.uid(), meta.gid()) };
        let other = Self::Other { uid, gid };
        let reachable = dir.parent().is_none_or(|parent| other.can(&["-x"], parent, options));
        ensure!(
            reachable,
            "PostgreSQL does not run as root, and the account with uid {uid} cannot reach {} or run {}: choose a \
             directory that all may enter, for example below /var/lib, or start as an ordinary user",
            dir.display(),
            options.server.display()
        );
        // The directory first, `data` last: if we die half-way, the next start sees both and goes on.
        lchown(dir, Some(uid), Some(gid))?;
        let data = dir.join("data");
        if data.symlink_metadata().is_ok_and(|meta| meta.uid() != uid) {
            give(&data, uid, gid)?;
        }
        Ok(other)
    }

    /// Whether this account passes the tests (of test(1)) on `path` and can run the server.
    fn can(self, tests: &[&str], path: &Path, options: &Options) -> bool {
        let script = r#"p=$1 s=$2; shift 2; [ -x "$s" ] || exit 1; for t; do [ "$t" "$p" ] || exit 1; done"#;
        let mut command = self.shell(script);
        command.arg(path).arg(options.server.join("postgres")).args(tests);
        command.stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    }

    /// `sh -c script` as this account and with a bare environment: PostgreSQL obeys `PGPORT` and the like.
    pub(super) fn shell(self, script: &str) -> Command {
        let mut command = match self {
            Self::Namespace => Command::new("unshare"),
            _ => Command::new("/bin/sh"),
        };
        if matches!(self, Self::Namespace) {
            command.args(["--user", "--map-user=1000", "--map-group=1000", "--", "/bin/sh"]);
        }
        if let Self::Other { uid, gid } = self {
            command.uid(uid).gid(gid); // and no other groups: std drops root's
        }
        command.args(["-c", script, "simpul-postgres"]).current_dir("/").env_clear();
        command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C");
        command
    }
}

/// The account to run as where root may not make a namespace, from /etc/passwd.
fn service_account() -> (u32, u32) {
    let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let ids = |name: &str| {
        let mut fields =
            accounts.lines().map(|line| line.split(':')).find(|fields| fields.clone().next() == Some(name))?;
        Some((fields.nth(2)?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    ids("postgres").or_else(|| ids("nobody")).unwrap_or((65534, 65534))
}

/// Gives the directory and all in it to another account, the directory last.
fn give(path: &Path, uid: u32, gid: u32) -> io::Result<()> {
    if path.symlink_metadata()?.is_dir() {
        for entry in fs::read_dir(path)? {
            give(&entry?.path(), uid, gid)?;
        }
    }
    lchown(path, Some(uid), Some(gid))
}

/// Where the socket goes: the cluster's directory, or a short one below /tmp if the path would be too long.
pub(super) fn socket_path(dir: &Path) -> PathBuf {
    if dir.as_os_str().len() + 1 + SOCKET.len() <= LONGEST {
        return dir.to_path_buf();
    }
    let mut hash = DefaultHasher::new(); // the same in all processes of one program
    dir.hash(&mut hash);
    PathBuf::from(format!("/tmp/simpul-{:016x}", hash.finish()))
}

pub(super) fn socket_dir(dir: &Path, account: Account) -> Result<PathBuf> {
    let socket = socket_path(dir);
    if socket == dir {
        return Ok(socket);
    }
    let us = geteuid().as_raw();
    let (uid, gid) = if let Account::Other { uid, gid } = account { (uid, Some(gid)) } else { (us, None) };
    match DirBuilder::new().mode(0o700).create(&socket) {
        Ok(()) => lchown(&socket, Some(uid), gid)?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error).context("make a directory for the socket"),
    }
    // Anyone may write in /tmp: a directory that another user put there would let that user in.
    let meta = socket.symlink_metadata()?;
    let private = meta.is_dir() && meta.mode() & 0o777 == 0o700 && (meta.uid() == uid || meta.uid() == us);
    ensure!(private, "{} is not a private directory of ours; remove it, or use a shorter path", socket.display());
    Ok(socket)
}
