//! Bytes multiplied by the vector instructions of x86-64.
//!
//! - AVX-512 VNNI: `vpdpbusd` multiplies 64 bytes and adds four neighbours at a time to 16 sums. Eight rows by three
//!   vectors of sums stay in registers.
//! - AVX-VNNI: the same on 32 bytes; six rows by two vectors.
//! - AVX2: `vpmaddubsw` would saturate (2·255·127 > 32767), so the even and the odd bytes are widened to 16 bits and go
//!   through `vpmaddwd`; four rows by two vectors.
//!
//! A load of a vector is a copy of an array, which the compiler turns into one instruction: no pointers.

use std::arch::x86_64::{
    __m256i, __m512i, _mm256_add_epi32, _mm256_and_si256, _mm256_dpbusd_avx_epi32, _mm256_madd_epi16,
    _mm256_set1_epi32, _mm256_slli_epi16, _mm256_srai_epi16, _mm256_srli_epi16, _mm512_dpbusd_epi32, _mm512_set1_epi32,
};

use pulp::bytemuck::cast;

use super::layout::{Line, Product, WIDTH};

/// Whether this processor has AVX2.
pub fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2")
}

/// Whether this processor has AVX-VNNI.
pub fn has_avx_vnni() -> bool {
    is_x86_feature_detected!("avxvnni") && has_avx2()
}

/// Whether this processor has AVX-512 VNNI.
pub fn has_avx512_vnni() -> bool {
    is_x86_feature_detected!("avx512vnni") && is_x86_feature_detected!("avx512f")
}

/// Calls a tile function for groups of at most `$most` rows, as equal as possible.
macro_rules! tiles {
    ($tile:ident, $product:expr, $sums:expr, [$($rows:literal),*]) => {{
        let Product { rows, panel, start } = $product;
        let most = [$($rows),*].len();
        let n_tiles = $sums.len().div_ceil(most).max(1);
        let size = $sums.len().div_ceil(n_tiles).max(1);
        for (sums, rows) in $sums.chunks_mut(size).zip(rows.chunks(size * panel.len().max(1))) {
            match sums.len() {
                $($rows => $tile::<$rows>(rows, panel, start, sums),)*
                _ => {}
            }
        }
    }};
}

/// Writes the sums of each row.
#[target_feature(enable = "avx512f,avx512vnni")]
pub fn multiply_avx512_vnni(product: Product<'_>, sums: &mut [[i32; WIDTH]]) {
    tiles!(tile_avx512_vnni, product, sums, [1, 2, 3, 4, 5, 6, 7, 8]);
}

#[target_feature(enable = "avx512f,avx512vnni")]
fn tile_avx512_vnni<const M: usize>(rows: &[u32], panel: &[Line], start: &[i32; WIDTH], out: &mut [[i32; WIDTH]]) {
    let n = panel.len();
    let mut each = [&rows[..n]; M];
    for at in 1..M {
        each[at] = &rows[at * n..][..n];
    }
    let start: [__m512i; 3] = cast(*start);
    let mut sums = [start; M];
    for (k, line) in panel.iter().enumerate() {
        let weights: [__m512i; 3] = [cast(line[0]), cast(line[1]), cast(line[2])];
        for at in 0..M {
            let four = _mm512_set1_epi32(each[at][k].cast_signed());
            for v in 0..3 {
                sums[at][v] = _mm512_dpbusd_epi32(sums[at][v], four, weights[v]);
            }
        }
    }
    // By index: an iterator over the sums would keep them in memory all the time.
    for at in 0..M {
        out[at] = cast(sums[at]);
    }
}

/// Writes the sums of each row.
#[target_feature(enable = "avx2,avxvnni")]
pub fn multiply_avx_vnni(product: Product<'_>, sums: &mut [[i32; WIDTH]]) {
    tiles!(tile_avx_vnni, product, sums, [1, 2, 3, 4, 5, 6]);
}

#[target_feature(enable = "avx2,avxvnni")]
fn tile_avx_vnni<const M: usize>(rows: &[u32], panel: &[Line], start: &[i32; WIDTH], out: &mut [[i32; WIDTH]]) {
    let n = panel.len();
    let mut each = [&rows[..n]; M];
    for at in 1..M {
        each[at] = &rows[at * n..][..n];
    }
    for part in 0..3 {
        let start: [[__m256i; 2]; 3] = cast(*start);
        let mut sums = [start[part]; M];
        for (k, line) in panel.iter().enumerate() {
            let weights: [__m256i; 2] = cast(line[part]);
            for at in 0..M {
                let four = _mm256_set1_epi32(each[at][k].cast_signed());
                for v in 0..2 {
                    sums[at][v] = _mm256_dpbusd_avx_epi32(sums[at][v], four, weights[v]);
                }
            }
        }
        store(out, sums, part);
    }
}

/// Writes the sums of each row.
#[target_feature(enable = "avx2")]
pub fn multiply_avx2(product: Product<'_>, sums: &mut [[i32; WIDTH]]) {
    tiles!(tile_avx2, product, sums, [1, 2, 3, 4]);
}

#[target_feature(enable = "avx2")]
fn tile_avx2<const M: usize>(rows: &[u32], panel: &[Line], start: &[i32; WIDTH], out: &mut [[i32; WIDTH]]) {
    let n = panel.len();
    let mut each = [&rows[..n]; M];
    for at in 1..M {
        each[at] = &rows[at * n..][..n];
    }
    let low_bytes = _mm256_set1_epi32(0x00ff_00ff);
    for part in 0..3 {
        let start: [[__m256i; 2]; 3] = cast(*start);
        let mut sums = [start[part]; M];
        for (k, line) in panel.iter().enumerate() {
            let weights: [__m256i; 2] = cast(line[part]);
            for v in 0..2 {
                let even = _mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(weights[v]));
                let odd = _mm256_srai_epi16::<8>(weights[v]);
                for at in 0..M {
                    let four = _mm256_set1_epi32(each[at][k].cast_signed());
                    let first = _mm256_madd_epi16(_mm256_and_si256(four, low_bytes), even);
                    let second = _mm256_madd_epi16(_mm256_srli_epi16::<8>(four), odd);
                    sums[at][v] = _mm256_add_epi32(sums[at][v], _mm256_add_epi32(first, second));
                }
            }
        }
        store(out, sums, part);
    }
}

/// Writes 16 of the 48 columns.
#[target_feature(enable = "avx2")]
fn store<const M: usize>(out: &mut [[i32; WIDTH]], sums: [[__m256i; 2]; M], part: usize) {
    for at in 0..M {
        let sums: [i32; 16] = cast(sums[at]);
        out[at][part * 16..][..16].copy_from_slice(&sums);
    }
}
