//! What an embedder may use besides its own files: where to look, what to remember, whom to tell. It is plain data that
//! threads can share; what comes of the texts of a call is returned as a `TextReport`.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;

use super::cache::Cache;

/// Whether models may be fetched over the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Network {
    /// What the local Hugging Face cache lacks is downloaded.
    Allowed,
    /// Only what is here is used.
    #[default]
    Offline,
}

/// What the network runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Device {
    /// The processor, with the kernels of this crate.
    #[default]
    Cpu,
    /// An NVIDIA GPU, by its number; needs a build with the feature `cuda`.
    Cuda(usize),
}

/// An embedder's surroundings.
pub struct EmbedContext<'a> {
    /// Where relative paths of model folders start.
    pub root: &'a Path,
    /// The local Hugging Face cache: the folder that holds `models--…`.
    pub hub: Option<&'a Path>,
    /// Whether models may be fetched.
    pub network: Network,
    /// Another hub than Hugging Face's.
    pub endpoint: Option<&'a str>,
    /// Where the sentence encoder of a trained model lies, when it has moved.
    pub embedder: Option<&'a Path>,
    /// Vectors made before; opened when it is first asked for.
    pub cache: LazyCache,
    /// What the network runs on.
    pub device: Device,
    /// The time, in milliseconds since 1970.
    pub now_ms: i64,
    /// Told what is done before texts are: `downloading model.safetensors, 40 %`.
    pub stage: &'a (dyn Fn(&str) + Sync),
    /// Told how many of how many texts are done.
    pub progress: &'a (dyn Fn(usize, usize) + Sync),
    /// Set when the user interrupts.
    pub interrupted: &'a AtomicBool,
}

// Several requests of one process may embed at the same time: this does not compile when the context cannot be shared.
const _: () = {
    const fn shared_between_threads<T: Send + Sync>() {}
    shared_between_threads::<EmbedContext<'static>>();
};

/// The cache of vectors, opened when it is first asked for.
#[derive(Default)]
pub struct LazyCache {
    path: Option<PathBuf>,
    opened: OnceLock<Option<Cache>>,
}

impl LazyCache {
    /// A cache at this path.
    #[must_use]
    pub fn at(path: PathBuf) -> Self {
        Self { path: Some(path), opened: OnceLock::new() }
    }

    /// No cache.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// The cache; none where there is none, or where it cannot be used: `note` is told why, once.
    pub fn get(&self, now_ms: i64, note: impl FnOnce(String)) -> Option<&Cache> {
        let open = || match Cache::open(self.path.as_deref()?, now_ms) {
            Ok((cache, None)) => Some(cache),
            Ok((cache, Some(told))) => {
                note(told);
                Some(cache)
            }
            Err(error) => {
                note(format!("vectors are not cached: {}", error.message));
                None
            }
        };
        self.opened.get_or_init(open).as_ref()
    }
}

/// Tells nobody.
const NOBODY: &(dyn Fn(usize, usize) + Sync) = &|_, _| {};
static NEVER: AtomicBool = AtomicBool::new(false);

impl<'a> EmbedContext<'a> {
    /// The same without the cache: whatever is asked for is computed.
    #[must_use]
    pub fn uncached(&self) -> Self {
        Self { cache: LazyCache::none(), ..*self }
    }

    /// The current folder, no cache, no network, nobody to tell.
    #[must_use]
    pub fn bare(root: &'a Path) -> Self {
        Self {
            root,
            hub: None,
            network: Network::Offline,
            endpoint: None,
            embedder: None,
            cache: LazyCache::none(),
            device: Device::Cpu,
            now_ms: 0,
            stage: &|_| {},
            progress: NOBODY,
            interrupted: &NEVER,
        }
    }
}
