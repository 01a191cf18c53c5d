//! Two words that stand one behind the other, read and compared at once.
//!
//! Callers: `proven`.

use std::ptr::NonNull;

/// Two words, the first one low.
#[cfg(target_arch = "x86_64")]
pub(super) type Two = std::arch::x86_64::__m128i;
/// Two words.
#[cfg(not(target_arch = "x86_64"))]
pub(super) type Two = [u64; 2];

/// Reads two words. Processors read each of them whole; if one didn't, the second reading would find
/// another value.
///
/// # Safety
///
/// `start` must be aligned to 8, `at` a multiple of 8, and `at + 16` not past what is attached there.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(super) unsafe fn load_two(start: NonNull<u8>, at: usize) -> Two {
    let two;
    // SAFETY: the caller proves the bounds; the instruction asks for no alignment and writes to nothing
    // but its register. It is assembly since Rust has no read of 16 bytes that others may be writing to.
    unsafe {
        std::arch::asm!(
            "movdqu {two}, xmmword ptr [{start} + {at}]",
            two = out(xmm_reg) two,
            start = in(reg) start.as_ptr(),
            at = in(reg) at,
            options(nostack, preserves_flags, readonly),
        );
    }
    two
}

/// Reads two words.
///
/// # Safety
///
/// As for [`super::load`], with `at + 16`.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
pub(super) unsafe fn load_two(start: NonNull<u8>, at: usize) -> Two {
    // SAFETY: the caller proves both.
    unsafe { [super::load(start, at), super::load(start, at + 8)] }
}

/// The bits in which pairs of words differed.
#[derive(Clone, Copy)]
pub(super) struct Differences(Two);

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64 as sse2;

// SSE2, whose instructions these are, is part of every x86-64
#[cfg(target_arch = "x86_64")]
impl Differences {
    #[inline(always)]
    pub(super) fn none() -> Differences {
        // SAFETY: SSE2 is there; no memory is touched.
        Differences(unsafe { sse2::_mm_setzero_si128() })
    }

    #[inline(always)]
    pub(super) fn with(self, a: Two, b: Two) -> Differences {
        // SAFETY: as above.
        Differences(unsafe { sse2::_mm_or_si128(self.0, sse2::_mm_xor_si128(a, b)) })
    }

    #[inline(always)]
    pub(super) fn is_none(self) -> bool {
        let none = Differences::none().0;
        // SAFETY: as above.
        unsafe { sse2::_mm_movemask_epi8(sse2::_mm_cmpeq_epi8(self.0, none)) == 0xFFFF }
    }
}

#[cfg(not(target_arch = "x86_64"))]
impl Differences {
    pub(super) fn none() -> Differences {
        Differences([0; 2])
    }

    pub(super) fn with(self, a: Two, b: Two) -> Differences {
        Differences([self.0[0] | (a[0] ^ b[0]), self.0[1] | (a[1] ^ b[1])])
    }

    pub(super) fn is_none(self) -> bool {
        self.0 == [0; 2]
    }
}
