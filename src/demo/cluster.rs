//! A private PostgreSQL of our own, for `simpul demo` and the tests: no account, no port, no daemon to install.
//!
//! It is started from the server binaries on the machine, listens on a Unix socket in its own directory only, and
//! ends with the process that started it, however that process ends. Two means make this sure:
//!
//! * **The leash.** PostgreSQL starts through a few lines of shell ([`LEASH`]), which leave a watcher behind and then
//!   become PostgreSQL. The watcher reads from a pipe that only we hold open; when we die, the kernel closes it and
//!   the watcher stops PostgreSQL. (`PR_SET_PDEATHSIG` would hang on the thread that started it.)
//! * **The lock.** PostgreSQL and all its workers inherit a locked file. While the lock is held, some process of this
//!   cluster lives; once it is free, none does, whatever a left-over `postmaster.pid` says.
//!
//! The directory holds `data`, `log` (this run), `log.1` (the run before) and the lock files.

mod account;
mod shared;

use std::{
    ffi::{OsStr, OsString},
    fmt::Write as _,
    fs::{self, File, OpenOptions, Permissions, TryLockError},
    io::{self, Write},
    os::unix::{
        ffi::{OsStrExt, OsStringExt},
        fs::PermissionsExt,
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use rustix::{
    io::Errno,
    process::{Pid, Signal, kill_process, test_kill_process},
};

use self::account::{Account, SOCKET, socket_dir};
pub use self::shared::{TestCluster, test_cluster};

/// The name of the cluster's superuser; Unix permissions keep everyone else from the socket.
pub const SUPERUSER: &str = "postgres";
const OLDEST: u32 = 15;
const PATIENCE: Duration = Duration::from_secs(30);
const INSTALL: &str = "no PostgreSQL server found (15 or newer): install one (Debian: apt install postgresql; macOS: \
    brew install postgresql@17), name the directory of its programs, or give the address of a database that runs";

/// `$1`: the process whose end stops PostgreSQL; empty: the end of our pipe does. `$2`, `$3`: removed afterwards.
/// The rest is the command. The watcher's two parentheses make it nobody's child, so PostgreSQL does not take it for
/// one of its workers. SIGINT (fast shutdown) is repeated, since the first may come before PostgreSQL listens to it.
/// A line from the pipe instead of its end says: PostgreSQL has been stopped in order, and its number may be another's.
const LEASH: &str = r#"
life=$1 data=$2 socket=$3; shift 3
exec 3<&0 </dev/null
( (
    if [ -n "$life" ]; then
        while kill -0 $$ && { [ -d "/proc/$life" ] || kill -0 "$life" || ps -p "$life"; }; do sleep 0.5; done
        kill -0 $$ || exit
    else
        read -r _ <&3 && exit
    fi
    n=0
    while [ $n -lt 80 ] && kill -INT $$; do
        n=$((n + 1)); [ $n -ne 60 ] || kill -QUIT $$; sleep 0.5
    done
    [ -z "$life" ] || rm -rf "$data" "$socket"
) >/dev/null 2>&1 & )
exec "$@" 3<&- 4<&1 >/dev/null
"#;

/// How to start a [`Cluster`].
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The directory of `initdb` and `postgres`, from [`find_server`].
    pub server: PathBuf,
    /// Whether data must survive a power cut. Tests say no and are several times faster.
    pub durable: bool,
    /// More settings, each as `name=value`; they win over ours.
    pub settings: Vec<String>,
    /// Root normally runs PostgreSQL in a user namespace; true: as another account, as where these are forbidden.
    pub without_namespace: bool,
}

/// A PostgreSQL that runs until this is dropped, or until our process ends, also by SIGKILL.
#[derive(Debug)]
pub struct Cluster {
    dir: PathBuf,
    socket: PathBuf,
    child: Option<Child>,
    leash: Option<ChildStdin>,
    owner: Option<File>,
}

/// The directory of `initdb` and `postgres`; the newest wins. `path` is the environment's `PATH`.
pub fn find_server(override_dir: Option<&Path>, path: Option<&OsStr>) -> Result<PathBuf> {
    let mut found: Vec<PathBuf> = path.map(|path| std::env::split_paths(path).collect()).unwrap_or_default();
    let bases = ["/usr/lib/postgresql", "/usr", "/usr/local", "/opt/homebrew/opt", "/usr/local/opt"];
    let macos = ["/Library/PostgreSQL", "/Applications/Postgres.app/Contents/Versions"];
    for base in bases.into_iter().chain(macos) {
        found.extend(fs::read_dir(base).into_iter().flatten().flatten().map(|entry| entry.path().join("bin")));
    }
    found.retain(|dir| dir.is_absolute());
    if let Some(dir) = override_dir {
        found = vec![dir.to_path_buf()];
    }
    // Where the programs really are: /usr/local/bin may hold links to them.
    let real = |dir: &PathBuf| Some(fs::canonicalize(dir.join("postgres")).ok()?.parent()?.to_path_buf());
    let mut found: Vec<PathBuf> = found.iter().filter_map(real).filter(|dir| dir.join("initdb").is_file()).collect();
    found.sort();
    found.dedup();
    let newest = found.into_iter().filter_map(|dir| Some((major(&dir)?, dir))).max_by_key(|(version, _)| *version);
    match (newest, override_dir) {
        (Some((OLDEST.., dir)), _) => Ok(dir),
        (Some((version, dir)), _) => bail!("PostgreSQL {version} in {} is too old; {INSTALL}", dir.display()),
        (None, Some(dir)) => bail!("{} holds no working `initdb` and `postgres`", dir.display()),
        (None, None) => bail!(INSTALL),
    }
}

fn major(server: &Path) -> Option<u32> {
    let output = Command::new(server.join("postgres")).arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_whitespace().find_map(|word| word.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok())
}

impl Cluster {
    /// Starts the cluster in `dir`, which is made at the first start. Refused while another process runs it.
    /// Blocks until PostgreSQL accepts connections, so call it before the async runtime, or in `spawn_blocking`.
    pub fn start(dir: &Path, options: &Options) -> Result<Self> {
        let dir = private_dir(dir)?;
        let owner = lock_file(&dir.join("owner.lock"))?;
        // Not at the first refusal: a child that its killed owner was just starting holds the lock for a moment more.
        let mut refused = None;
        wait_until(Duration::from_secs(1), || {
            refused = owner.try_lock().err();
            refused.is_none()
        });
        match refused {
            None => {}
            Some(TryLockError::WouldBlock) => bail!("the database in {} is in use by another process", dir.display()),
            Some(TryLockError::Error(error)) => return Err(error).context("lock the database's directory"),
        }
        Self::launch(dir, owner, None, options)
    }

    /// `life`: the process with which it ends, if not ours.
    fn launch(dir: PathBuf, owner: File, life: Option<Pid>, options: &Options) -> Result<Self> {
        let lock = lock_file(&dir.join("server.lock"))?;
        // The owner before us may have been killed a moment ago: its PostgreSQL is on its way out.
        let free = wait_until(PATIENCE, || lock.try_lock().is_ok());
        ensure!(free, "the former PostgreSQL in {} does not end; stop it by hand", dir.display());
        let account = Account::choose(&dir, options)?;
        let socket = socket_dir(&dir, account)?;
        let place = Place { dir: &dir, socket: &socket, account, life, lock, options };
        place.clear_leftovers()?;
        if !dir.join("data").exists() {
            place.create_data()?;
        }
        rotate_log(&dir)?;
        let mut child = place.run("postgres", &place.arguments())?;
        let (pid, leash) = (child.id(), child.stdin.take());
        drop(place); // the lock now is PostgreSQL's alone
        let mut cluster = Self { dir, socket, child: Some(child), leash, owner: Some(owner) };
        // Recovery after a crash counts as starting, hence the doubled patience.
        let settled = wait_until(PATIENCE * 2, || ready(&cluster.dir) == Some(pid) || cluster.exited());
        ensure!(settled && !cluster.exited(), "PostgreSQL does not start:\n{}", log_tail(&cluster.dir));
        Ok(cluster)
    }

    /// Address of a database on this cluster, as tokio-postgres and psql take it.
    pub fn url(&self, role: &str, database: &str) -> String {
        url(&self.socket, role, database)
    }

    /// Whether PostgreSQL has ended, by [`Cluster::stop`] or by itself.
    pub fn exited(&mut self) -> bool {
        let ended = self.child.as_mut().is_none_or(|child| !matches!(child.try_wait(), Ok(None)));
        if ended {
            dismiss(self.leash.take());
        }
        ended
    }

    /// What PostgreSQL logged; the place to name when it ended by itself.
    pub fn log(&self) -> PathBuf {
        self.dir.join("log")
    }

    /// Stops PostgreSQL in order: sessions are ended, a checkpoint is written. Blocks, normally for a tenth of a second.
    pub fn stop(&mut self) -> Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        for (signal, patience) in [(Signal::INT, 30), (Signal::QUIT, 5), (Signal::KILL, 5)] {
            // `try_wait` first: once the child is reaped, its number may be another's.
            if child.try_wait()?.is_none() {
                kill_process(Pid::from_child(&child), signal)?;
            }
            if wait_until(Duration::from_secs(patience), || !matches!(child.try_wait(), Ok(None))) {
                break;
            }
            tracing::warn!(?signal, "PostgreSQL did not stop, insisting");
        }
        dismiss(self.leash.take());
        self.owner = None; // another may start it now
        if self.socket != self.dir {
            fs::remove_dir(&self.socket).ok();
        }
        Ok(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            tracing::warn!(%error, "PostgreSQL could not be stopped");
        }
    }
}

/// Makes `database` if it is missing, and in it what only a superuser can make: roles, grants, the extension
/// (`sql/roles.sql`). Safe to repeat. A database cloned from it (`CREATE DATABASE … TEMPLATE`) inherits the schema,
/// its grants and the extension, but not the grants on the database itself.
pub async fn prepare(superuser_url: &str, database: &str) -> Result<()> {
    let mut config: tokio_postgres::Config = superuser_url.parse().context("the superuser's address")?;
    let (client, connection) = config.connect(tokio_postgres::NoTls).await.context("connect as superuser")?;
    tokio::spawn(connection);
    if client.query_opt("SELECT FROM pg_database WHERE datname = $1", &[&database]).await?.is_none() {
        let name = database.replace('"', "\"\"");
        let made = format!("CREATE DATABASE \"{name}\" TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8'");
        client.batch_execute(&made).await.with_context(|| format!("make the database {database}"))?;
    }
    let (client, connection) = config.dbname(database).connect(tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    client
        .batch_execute(include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/sql/roles.sql")))
        .await
        .context("sql/roles.sql")
}

/// What all programs of one cluster share.
struct Place<'a> {
    dir: &'a Path,
    socket: &'a Path,
    account: Account,
    life: Option<Pid>,
    lock: File,
    options: &'a Options,
}

impl Place<'_> {
    /// Starts a server program on the leash, with the lock; it logs to `log`.
    fn run(&self, program: &str, arguments: &[OsString]) -> Result<Child> {
        let mut command = self.account.shell(LEASH);
        command.arg(self.life.map(|pid| pid.to_string()).unwrap_or_default());
        command.arg(self.dir).arg(self.socket).arg(self.options.server.join(program)).args(arguments);
        command.stdin(if self.life.is_some() { Stdio::null() } else { Stdio::piped() });
        command.stdout(self.lock.try_clone()?); // the leash hands it on as number 4
        command.stderr(OpenOptions::new().append(true).open(self.dir.join("log"))?);
        // Ctrl-C in a terminal is for us alone; we then stop PostgreSQL in order.
        command.process_group(0).spawn().with_context(|| format!("start {program}"))
    }

    /// A database half made must never be taken for a whole one: it gets its name when it is complete.
    fn create_data(&self) -> Result<()> {
        let half = self.dir.join("data.new");
        if half.exists() {
            fs::remove_dir_all(&half)?;
        }
        rotate_log(self.dir)?;
        let mut arguments: Vec<OsString> =
            ["--username", SUPERUSER, "--encoding=UTF8", "--locale=C.UTF-8"].map(Into::into).into();
        arguments.extend(["--lc-messages=C", "--auth-local=trust", "--auth-host=reject", "--pgdata"].map(Into::into));
        arguments.push(half.clone().into());
        if !self.options.durable {
            arguments.push("--no-sync".into());
        }
        let mut child = self.run("initdb", &arguments)?;
        let leash = child.stdin.take(); // `wait` would close it, and so call initdb off
        let status = child.wait()?;
        dismiss(leash);
        ensure!(status.success(), "initdb failed:\n{}", log_tail(self.dir));
        fs::rename(&half, self.dir.join("data"))?;
        File::open(self.dir)?.sync_all().context("save the new database")
    }

    /// A crash leaves files that name a process by its number. PostgreSQL does not start if that number now is
    /// another process of the same user, which in a container it usually is.
    fn clear_leftovers(&self) -> Result<()> {
        let data = self.dir.join("data");
        let file = data.join("postmaster.pid");
        if let Some(pid) = fs::read_to_string(&file).ok().and_then(|text| text.lines().next()?.parse().ok()) {
            // We hold the lock, so it is none of ours; but someone may have started one by hand.
            match fs::read_link(format!("/proc/{pid}/cwd")) {
                Ok(cwd) if cwd == data => {
                    bail!("a PostgreSQL started by hand (process {pid}) runs in {}", data.display())
                }
                Ok(_) => fs::remove_file(&file)?,
                Err(_) if gone(pid) => fs::remove_file(&file)?,
                // It ended, but its parent has not yet asked how (in containers often nobody does).
                Err(error) if error.kind() == io::ErrorKind::NotFound && Path::new("/proc/self").exists() => {
                    fs::remove_file(&file)?;
                }
                Err(_) => {} // no way to know: PostgreSQL decides
            }
        }
        fs::remove_file(self.socket.join(format!("{SOCKET}.lock"))).ok();
        if let (Ok(made), Some(found)) = (fs::read_to_string(data.join("PG_VERSION")), major(&self.options.server)) {
            let made = made.trim();
            ensure!(
                made == found.to_string(),
                "the database in {0} was made by PostgreSQL {made}, the server found is {found}: name the directory of \
                 PostgreSQL {made}'s programs, or remove {0}",
                self.dir.display()
            );
        }
        Ok(())
    }

    fn arguments(&self) -> Vec<OsString> {
        // A list of directories separated by commas, hence the quotes.
        let mut sockets = b"unix_socket_directories=\"".to_vec();
        for byte in self.socket.as_os_str().as_bytes() {
            sockets.extend(if *byte == b'"' { vec![b'"', b'"'] } else { vec![*byte] });
        }
        sockets.push(b'"');
        let mut settings = vec![OsString::from_vec(sockets)];
        let ours = "listen_addresses= port=5432 unix_socket_permissions=0700 max_connections=200 shared_buffers=64MB \
            lc_messages=C timezone=UTC log_timezone=UTC";
        // The log must hold no personal data. Errors quote values even without their DETAIL ("invalid input syntax
        // for type date: …"), so they are not logged at all (`log` ranks above `error` here): the service has them.
        let silent = "logging_collector=off log_min_messages=log log_min_error_statement=panic log_statement=none \
            log_error_verbosity=terse log_min_duration_statement=-1 log_parameter_max_length=0 \
            log_parameter_max_length_on_error=0";
        let fast =
            "fsync=off synchronous_commit=off full_page_writes=off autovacuum=off wal_level=minimal max_wal_senders=0";
        let fast = if self.options.durable { "" } else { fast };
        settings.extend([ours, silent, fast].iter().flat_map(|some| some.split_whitespace()).map(Into::into));
        settings.extend(self.options.settings.iter().map(Into::into));
        let mut arguments = vec!["-D".into(), self.dir.join("data").into()];
        arguments.extend(settings.into_iter().flat_map(|setting| ["-c".into(), setting]));
        arguments
    }
}

/// The number of the PostgreSQL that accepts connections: lines 1 and 8 of its `postmaster.pid`.
fn ready(dir: &Path) -> Option<u32> {
    let text = fs::read_to_string(dir.join("data/postmaster.pid")).ok()?;
    (text.lines().nth(7)?.trim() == "ready").then(|| text.lines().next()?.parse().ok())?
}

fn gone(pid: i32) -> bool {
    Pid::from_raw(pid).is_none_or(|pid| test_kill_process(pid) == Err(Errno::SRCH))
}

/// Sends the watcher home, when what it watches has ended and its number may soon be another's.
fn dismiss(leash: Option<ChildStdin>) {
    if let Some(mut leash) = leash {
        leash.write_all(b"\n").ok(); // fails if there is no watcher any more
    }
}

/// Makes the directory, or takes it if it is ours: everything else in it would change hands.
fn private_dir(dir: &Path) -> Result<PathBuf> {
    let make = || {
        fs::create_dir_all(dir)?;
        let dir = fs::canonicalize(dir)?;
        let foreign = fs::read_dir(&dir)?.next().is_some() && !dir.join("owner.lock").exists();
        ensure!(!foreign, "it holds something else; choose a new or an empty directory");
        fs::set_permissions(&dir, Permissions::from_mode(0o700))?;
        Ok(dir)
    };
    make().with_context(|| format!("the database's directory {}", dir.display()))
}

fn lock_file(path: &Path) -> Result<File> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    file.with_context(|| format!("open {}", path.display()))
}

fn rotate_log(dir: &Path) -> io::Result<()> {
    let log = dir.join("log");
    if log.exists() {
        fs::rename(&log, dir.join("log.1"))?;
    }
    File::create_new(log).map(drop)
}

fn log_tail(dir: &Path) -> String {
    let text = fs::read(dir.join("log")).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(20)..).unwrap_or_default().join("\n")
}

fn url(socket: &Path, role: &str, database: &str) -> String {
    let [role, host, database] = [role.as_bytes(), socket.as_os_str().as_bytes(), database.as_bytes()].map(|part| {
        part.iter().fold(String::new(), |mut text, byte| {
            if byte.is_ascii_alphanumeric() || b"-_.".contains(byte) {
                text.push(char::from(*byte));
            } else {
                write!(text, "%{byte:02X}").ok(); // a String takes everything
            }
            text
        })
    });
    format!("postgres://{role}@{host}/{database}")
}

/// Asks every 10 ms, at most for `patience`; says whether the answer became yes.
fn wait_until(patience: Duration, mut done: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + patience;
    loop {
        if done() {
            return true;
        }
        if Instant::now() > end {
            return false;
        }
        sleep(Duration::from_millis(10));
    }
}
