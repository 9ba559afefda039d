//! Files that belong to rows: in a directory, or in a bucket that speaks S3. Each has an opaque id for a name, and is encrypted
//! and bound to that id: neither a disk nor a bucket is trusted with what is in them.
use super::config::ObjectPlace;
use super::crypto::Keys;
use super::error::{ApiError, ApiResult, UNAVAILABLE};
use actix_web::web::Bytes;
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ClientOptions, Error, ObjectStore, ObjectStoreExt, RetryConfig};
use secrecy::ExposeSecret;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use uuid::Uuid;
use zeroize::Zeroizing;

/// An operation of the store has so long; who waits for it gets 503 then.
const DEADLINE: Duration = Duration::from_secs(30);

/// Where files are. Cheap to clone.
#[derive(Clone)]
pub struct Objects {
    store: Arc<dyn ObjectStore>,
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
        Ok(Self { store, keys })
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

    /// Reads a file; none if it is not there.
    pub async fn get(&self, id: Uuid) -> ApiResult<Option<Zeroizing<Vec<u8>>>> {
        let Some(sealed) = self.read(id).await? else { return Ok(None) };
        let keys = self.keys.clone();
        let open =
            move || keys.decrypt_bytes(&context(id), &sealed).map_err(|_| ApiError::internal("a file does not open"));
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

    /// Removes a file; it is no error if there is none.
    pub async fn delete(&self, id: Uuid) -> ApiResult<()> {
        match within(self.store.delete(&path(id))).await? {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed(error)),
        }
    }
}

fn path(id: Uuid) -> Path {
    // The end of an id is random, its beginning the time: files spread evenly over the folders.
    let name = id.simple().to_string();
    let folder = name.get(30..).unwrap_or_default();
    Path::from(format!("{folder}/{name}"))
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

/// Encrypting ten megabytes is no work for a thread on which others wait.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> ApiResult<T> + Send + 'static) -> ApiResult<T> {
    spawn_blocking(work).await.unwrap_or_else(|_| Err(ApiError::internal("the work on a file was given up")))
}
