//! The number formats in which linear layers may be computed.

/// How the weights of linear layers are stored and multiplied. Everything else is always f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dtype {
    /// 32-bit floats: exact, the default.
    #[default]
    F32,
    /// Weights and activations rounded to 16-bit brain floats, sums in f32.
    Bf16,
    /// Weights rounded to 8 bits by output channel, activations by row as they come; sums in whole numbers.
    Int8,
}

impl Dtype {
    /// All of them, in the order in which help texts list them.
    pub const ALL: [Self; 3] = [Self::F32, Self::Bf16, Self::Int8];

    /// The name in configs, options and manifests.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::Int8 => "int8",
        }
    }

    /// The format with this name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dtype| dtype.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::Dtype;

    #[test]
    fn every_format_is_found_by_its_name() {
        for dtype in Dtype::ALL {
            assert_eq!(Dtype::find(dtype.name()), Some(dtype));
        }
        assert_eq!(Dtype::find("f16"), None);
    }
}
