//! The device that a network runs on.

use candle_core as candle;

use crate::embeddings::Device;
use crate::error::{Error, Result};

/// Opens a device.
///
/// # Errors
/// `Invalid` for a GPU in a build without the feature `cuda`; `Failed` when the GPU cannot be used.
pub fn open(device: Device) -> Result<candle::Device> {
    let Device::Cuda(number) = device else {
        return Ok(candle::Device::Cpu);
    };
    if !candle::utils::cuda_is_available() {
        let message = format!("GPU {number} is asked for, this build lacks the feature `cuda`");
        return Err(Error::invalid(message).hint("build with `cargo build --release --features cuda`, or use the CPU"));
    }
    candle::Device::new_cuda(number).map_err(|cause| {
        let error = Error::failed(format!("GPU {number} cannot be used")).caused_by(cause);
        error.hint("`nvidia-smi` lists the GPUs and the version of CUDA that the driver supports")
    })
}

/// What went wrong on a device while something was done there.
pub fn failed(doing: &str, cause: candle::Error) -> Error {
    let error = Error::failed(format!("the device failed while {doing}"));
    let short_of_memory = cause.to_string().contains("OUT_OF_MEMORY");
    let error = error.caused_by(cause);
    if short_of_memory { error.hint("the GPU's memory is full: `nvidia-smi` shows what else uses it") } else { error }
}

#[cfg(test)]
mod tests {
    use super::{failed, open};
    use crate::embeddings::Device;

    #[test]
    fn the_processor_is_always_there() {
        assert!(open(Device::Cpu).unwrap().is_cpu());
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn a_gpu_needs_the_feature() {
        let error = open(Device::Cuda(1)).unwrap_err();
        assert_eq!(error.kind, crate::error::ErrorKind::Invalid);
        assert_eq!(error.message, "GPU 1 is asked for, this build lacks the feature `cuda`");
    }

    #[test]
    fn the_devices_error_is_the_cause() {
        let error = failed("encoding", candle_core::Error::Msg("CUDA_ERROR_OUT_OF_MEMORY".into()));
        assert_eq!(error.message, "the device failed while encoding");
        assert_eq!(error.causes(), ["CUDA_ERROR_OUT_OF_MEMORY"]);
        assert!(error.hint.is_some());
    }
}
