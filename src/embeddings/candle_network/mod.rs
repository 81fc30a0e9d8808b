//! The network of `encoder` once more, on candle's tensors: what runs on an NVIDIA GPU.
//!
//! `network` is the door and has the API of `encoder::Network`. `batching` sorts sequences by length and pads them into
//! batches of about as many tokens as keep the device busy; `encoder` holds the weights on the device and takes a batch
//! through them; `pooling` makes one vector of each sequence there, so that only these come back. Dense layers and the
//! normalisation behind the pooling are those of `encoder`, on the CPU. `device` opens the device.
//!
//! A build without the feature `cuda` has all of this too, on the CPU alone: there it serves the tests.

mod batching;
mod device;
mod encoder;
mod network;
mod pooling;

pub use network::CandleNetwork;
