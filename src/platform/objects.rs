//! Files that belong to rows: in a directory, or in a bucket that speaks S3. Each has an opaque id for a name, and is encrypted
//! and bound to that id: neither a disk nor a bucket is trusted with what is in them.
use super::app::aside;
use super::config::ObjectPlace;
use super::crypto::{Keys, same, sha256};
use super::error::{ApiError, ApiResult, UNAVAILABLE};
use actix_web::web::Bytes;
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ClientOptions, Error, ObjectStore, ObjectStoreExt, RetryConfig};
use secrecy::ExposeSecret;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use uuid::Uuid;
use zeroize::Zeroizing;

/// An operation of the store has so long; who waits for it gets 503 then.
const DEADLINE: Duration = Duration::from_secs(30);

/// Where files are. Cheap to clone.
#[derive(Clone)]
pub struct Objects {
    store: Arc<dyn ObjectStore>,
    /// Of a store that is one.
    dir: Option<PathBuf>,
    keys: Arc<Keys>,
}

impl Objects {
    /// Opens the place that is configured. A bucket is not asked yet: it may be away for a while, like the database.
    pub fn open(place: &ObjectPlace, keys: Arc<Keys>) -> anyhow::Result<Self> {
        let store: Arc<dyn ObjectStore> = match place {
            ObjectPlace::Directory(dir) => Arc::new(LocalFileSystem::new_with_prefix(dir)?.with_fsync(true)),
            ObjectPlace::Bucket(bucket) => {
                let retry = RetryConfig { max_retries: 2, retry_timeout: DEADLINE / 2, ..RetryConfig::default() };
                let options = ClientOptions::new()
                    .with_allow_http(bucket.endpoint.as_deref().is_some_and(|url| url.starts_with("http://")))
                    .with_connect_timeout(Duration::from_secs(3))
                    .with_timeout(DEADLINE / 2);
                let mut builder = AmazonS3Builder::new()
                    .with_bucket_name(&bucket.name)
                    .with_region(&bucket.region)
                    .with_access_key_id(&bucket.access_key_id)
                    .with_secret_access_key(bucket.secret_access_key.expose_secret())
                    // One by one: not everything that speaks S3 removes several at once.
                    .with_disable_bulk_delete(true)
                    .with_retry(retry)
                    .with_client_options(options);
                if let Some(endpoint) = &bucket.endpoint {
                    builder = builder.with_endpoint(endpoint);
                }
                Arc::new(builder.build()?)
            }
        };
        let dir = if let ObjectPlace::Directory(dir) = place { Some(dir.clone()) } else { None };
        Ok(Self { store, dir, keys })
    }

    /// Writes a file, whole or not at all.
    pub async fn put(&self, id: Uuid, content: Arc<Zeroizing<Vec<u8>>>) -> ApiResult<()> {
        let keys = self.keys.clone();
        let sealed = aside(move || keys.encrypt_bytes(&context(id), &content).map_err(ApiError::internal)).await?;
        within(self.store.put(&path(id), sealed.into())).await?.map_err(failed).map(drop)
    }

    /// A file as it is stored; none if it is not there.
    async fn read(&self, id: Uuid) -> ApiResult<Option<Bytes>> {
        let read = async {
            match self.store.get(&path(id)).await {
                Ok(found) => found.bytes().await.map(Some),
                Err(Error::NotFound { .. }) => Ok(None),
                Err(error) => Err(error),
            }
        };
        within(read).await?.map_err(failed)
    }

    /// Reads a file of this digest; none if it is not there.
    pub async fn get(&self, id: Uuid, digest: Vec<u8>) -> ApiResult<Option<Zeroizing<Vec<u8>>>> {
        let Some(sealed) = self.read(id).await? else { return Ok(None) };
        let keys = self.keys.clone();
        let open = move || {
            let content = keys.decrypt_bytes(&context(id), &sealed);
            let content = content.map_err(|_| ApiError::internal("a file does not open"))?;
            let whole = same(&sha256(&content), &digest);
            if whole { Ok(content) } else { Err(ApiError::internal("the content of a file is another one")) }
        };
        aside(open).await.map(Some)
    }

    /// Writes a file anew under the key that seals now; false if that sealed it already, or there is no file. Whoever calls
    /// keeps others from removing it meanwhile.
    pub async fn reseal(&self, id: Uuid) -> ApiResult<bool> {
        let Some(sealed) = self.read(id).await?.filter(|sealed| !self.keys.is_current(sealed)) else {
            return Ok(false);
        };
        let keys = self.keys.clone();
        let anew = move || {
            let plain = keys.decrypt_bytes(&context(id), &sealed)?;
            keys.encrypt_bytes(&context(id), &plain)
        };
        let fresh = aside(move || anew().map_err(|_| ApiError::internal("a file does not open"))).await?;
        within(self.store.put(&path(id), fresh.into())).await?.map_err(failed)?;
        Ok(true)
    }

    /// Removes a file, with what is left of those that were to become it; it is no error if there is none.
    pub async fn delete(&self, id: Uuid) -> ApiResult<()> {
        match within(self.store.delete(&path(id))).await? {
            Ok(()) | Err(Error::NotFound { .. }) => {}
            Err(error) => return Err(failed(error)),
        }
        let Some(dir) = self.dir.clone() else { return Ok(()) };
        aside(move || remove_unfinished(&dir, id).map_err(|_| unavailable("failed"))).await
    }
}

fn path(id: Uuid) -> Path {
    // The end of an id is random, its beginning the time: files spread evenly over the folders.
    let name = id.simple().to_string();
    let folder = name.get(30..).unwrap_or_default();
    Path::from(format!("{folder}/{name}"))
}

/// A directory's file is written beside its place, as `name#1`, and then moved there: a process that is killed leaves that.
fn remove_unfinished(dir: &std::path::Path, id: Uuid) -> std::io::Result<()> {
    let path = path(id);
    let folder = path.as_ref().split('/').next().map_or_else(|| dir.to_owned(), |folder| dir.join(folder));
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    let begin = format!("{}#", id.simple());
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(&begin)) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// What binds a file to its name.
fn context(id: Uuid) -> String {
    format!("object:{id}")
}

/// The message of the store may hold an address with a signature in it: what kind of failure it is must do.
fn failed(error: Error) -> ApiError {
    let why = match error {
        Error::NotFound { .. } => "not found",
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => "refused",
        Error::NotSupported { .. } | Error::NotImplemented { .. } => "not supported",
        _ => "failed",
    };
    unavailable(why)
}

fn unavailable(why: &str) -> ApiError {
    tracing::error!(why, "the store of documents did not do what it was asked");
    ApiError::from(&UNAVAILABLE).header("retry-after", 2)
}

async fn within<T>(work: impl Future<Output = T>) -> ApiResult<T> {
    timeout(DEADLINE, work).await.map_err(|_| unavailable("too slow"))
}
