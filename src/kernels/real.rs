//! The two number types of the kernels: f32 to compute with, f64 for networks that are checked against a reference.
//!
//! Each brings its vectors (`pulp`), so that the kernels are written once.

use std::fmt::Debug;
use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub};

use pulp::Simd;

/// f32 or f64.
pub trait Real:
    Copy
    + Debug
    + Default
    + PartialOrd
    + Send
    + Sync
    + 'static
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + MulAssign
{
    /// As many numbers as the processor works on at once.
    type Vector<S: Simd>: Copy;
    /// 0.
    const ZERO: Self;
    /// The numbers of a vector.
    fn lanes<S: Simd>() -> usize;
    /// The nearest number of this type.
    fn of(value: f64) -> Self;
    /// The same number as f64.
    fn wide(self) -> f64;
    /// √x.
    #[must_use]
    fn sqrt(self) -> Self;
    /// The full vectors of a slice.
    fn vectors<S: Simd>(values: &[Self]) -> &[Self::Vector<S>];
    /// The full vectors of a slice, to be written, and what is left.
    fn vectors_mut<S: Simd>(values: &mut [Self]) -> (&mut [Self::Vector<S>], &mut [Self]);
    /// The numbers of a slice that is shorter than a vector, filled up with zeros.
    fn load_part<S: Simd>(simd: S, values: &[Self]) -> Self::Vector<S>;
    /// Writes the first numbers of a vector into a slice that is shorter.
    fn store_part<S: Simd>(simd: S, values: &mut [Self], vector: Self::Vector<S>);
    /// The same number in all lanes.
    fn splat<S: Simd>(simd: S, value: Self) -> Self::Vector<S>;
    /// a·b + c.
    fn mul_add<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>, c: Self::Vector<S>) -> Self::Vector<S>;
    /// a + b.
    fn plus<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    /// max(x, 0), NaN for NaN.
    fn positive<S: Simd>(simd: S, x: Self::Vector<S>) -> Self::Vector<S>;
    /// `value` where `gate` > 0, else 0.
    fn gated<S: Simd>(simd: S, gate: Self::Vector<S>, value: Self::Vector<S>) -> Self::Vector<S>;
}

macro_rules! real {
    ($float:ty, $vector:ident, $lanes:ident, $as:ident, $as_mut:ident, $load:ident, $store:ident, $splat:ident, $fma:ident, $add:ident, $max:ident,
     $less:ident, $select:ident) => {
        impl Real for $float {
            type Vector<S: Simd> = S::$vector;
            const ZERO: Self = 0.0;

            #[inline(always)]
            fn lanes<S: Simd>() -> usize {
                S::$lanes
            }

            #[inline(always)]
            fn of(value: f64) -> Self {
                value as $float
            }

            #[inline(always)]
            fn wide(self) -> f64 {
                f64::from(self)
            }

            #[inline(always)]
            fn sqrt(self) -> Self {
                <$float>::sqrt(self)
            }

            #[inline(always)]
            fn vectors<S: Simd>(values: &[Self]) -> &[Self::Vector<S>] {
                S::$as(values).0
            }

            #[inline(always)]
            fn vectors_mut<S: Simd>(values: &mut [Self]) -> (&mut [Self::Vector<S>], &mut [Self]) {
                S::$as_mut(values)
            }

            #[inline(always)]
            fn load_part<S: Simd>(simd: S, values: &[Self]) -> Self::Vector<S> {
                simd.$load(values)
            }

            #[inline(always)]
            fn store_part<S: Simd>(simd: S, values: &mut [Self], vector: Self::Vector<S>) {
                simd.$store(values, vector);
            }

            #[inline(always)]
            fn splat<S: Simd>(simd: S, value: Self) -> Self::Vector<S> {
                simd.$splat(value)
            }

            #[inline(always)]
            fn mul_add<S: Simd>(
                simd: S,
                a: Self::Vector<S>,
                b: Self::Vector<S>,
                c: Self::Vector<S>,
            ) -> Self::Vector<S> {
                simd.$fma(a, b, c)
            }

            #[inline(always)]
            fn plus<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S> {
                simd.$add(a, b)
            }

            #[inline(always)]
            fn positive<S: Simd>(simd: S, x: Self::Vector<S>) -> Self::Vector<S> {
                // The constant comes first: the processor's maximum of a number and NaN is the second operand.
                simd.$max(simd.$splat(0.0), x)
            }

            #[inline(always)]
            fn gated<S: Simd>(simd: S, gate: Self::Vector<S>, value: Self::Vector<S>) -> Self::Vector<S> {
                let zero = simd.$splat(0.0);
                simd.$select(simd.$less(zero, gate), value, zero)
            }
        }
    };
}

real!(
    f32,
    f32s,
    F32_LANES,
    as_simd_f32s,
    as_mut_simd_f32s,
    partial_load_f32s,
    partial_store_f32s,
    splat_f32s,
    mul_add_e_f32s,
    add_f32s,
    max_f32s,
    less_than_f32s,
    select_f32s
);
real!(
    f64,
    f64s,
    F64_LANES,
    as_simd_f64s,
    as_mut_simd_f64s,
    partial_load_f64s,
    partial_store_f64s,
    splat_f64s,
    mul_add_e_f64s,
    add_f64s,
    max_f64s,
    less_than_f64s,
    select_f64s
);
