//! Exact money: amounts are whole numbers of the last digit, so that sums and shares lose nothing.
//!
//! For: what a quantity costs ([`charge`]), and parts that add up to the whole ([`shares`], by
//! largest remainder). No floating-point number touches an amount. Callers: the rest of `finops`.

use rust_decimal::Decimal;

use super::FinopsError;

/// Ten to this power.
pub fn ten_to(digits: u32) -> i128 {
    10i128.saturating_pow(digits)
}

/// An amount of last digits as a decimal number.
///
/// # Errors
/// It has more digits than a decimal number (28).
pub fn decimal(amount: i128, decimals: u32) -> Result<Decimal, FinopsError> {
    Decimal::try_from_i128_with_scale(amount, decimals)
        .map_err(|_| FinopsError::TooLarge("an amount of money"))
}

/// A decimal number in last digits, rounded half away from zero.
///
/// # Errors
/// It is too large.
pub fn last_digits(number: Decimal, decimals: u32) -> Result<i128, FinopsError> {
    let scaled = number
        .round_dp_with_strategy(
            decimals,
            rust_decimal::RoundingStrategy::MidpointAwayFromZero,
        )
        .normalize();
    let missing = decimals.saturating_sub(scaled.scale());
    scaled
        .mantissa()
        .checked_mul(ten_to(missing))
        .ok_or(FinopsError::TooLarge("an amount of money"))
}

/// What a quantity costs in last digits, rounded once: `price` is for `units` base units.
///
/// # Errors
/// It is too large to be counted exactly.
pub fn charge(
    quantity: u128,
    price: Decimal,
    units: u128,
    decimals: u32,
) -> Result<i128, FinopsError> {
    let too_large = || FinopsError::TooLarge("a quantity or price");
    let price = price.normalize();
    let negative = price.is_sign_negative();
    let mantissa = price.mantissa().unsigned_abs();
    // quantity × mantissa × 10^decimals / (units × 10^scale)
    let mut above = mantissa;
    let mut below = units.max(1);
    let ten = |digits: u32| 10u128.checked_pow(digits);
    match decimals.checked_sub(price.scale()) {
        Some(more) => {
            above = ten(more)
                .and_then(|t| above.checked_mul(t))
                .ok_or_else(too_large)?
        }
        None => {
            let less = price.scale() - decimals;
            below = ten(less)
                .and_then(|t| below.checked_mul(t))
                .ok_or_else(too_large)?;
        }
    }
    let common = gcd(above, below);
    (above, below) = (above / common, below / common);
    let whole = (quantity / below).checked_mul(above);
    let rest = (quantity % below)
        .checked_mul(above)
        .and_then(|rest| rest.checked_add(below / 2))
        .map(|rest| rest / below);
    let amount = whole
        .zip(rest)
        .and_then(|(whole, rest)| whole.checked_add(rest))
        .and_then(|amount| i128::try_from(amount).ok())
        .ok_or_else(too_large)?;
    Ok(if negative { -amount } else { amount })
}

fn gcd(a: u128, b: u128) -> u128 {
    if b == 0 { a.max(1) } else { gcd(b, a % b) }
}

/// Parts of a whole in the proportion of weights, which add up to it to the last digit: each gets
/// its share rounded down, and those with the largest remainders one more (among equal ones the
/// first). Without any weight the first gets all.
pub fn shares(whole: i128, weights: &[u128]) -> Vec<i128> {
    let mut parts = vec![0i128; weights.len()];
    let mut weights = weights.to_vec();
    let size = whole.unsigned_abs();
    // the product of both has to fit; the last bits of huge weights don't change a last digit
    let bits = |n: u128| 128 - n.leading_zeros();
    let widest = weights.iter().copied().max().map_or(0, bits);
    let count = bits(weights.len() as u128);
    let shift = (widest + bits(size) + count).saturating_sub(127);
    weights.iter_mut().for_each(|w| *w >>= shift);
    let sum: u128 = weights.iter().sum();
    if sum == 0 {
        if let Some(first) = parts.first_mut() {
            *first = whole;
        }
        return parts;
    }
    let mut remainders: Vec<(u128, usize)> = Vec::with_capacity(parts.len());
    let mut given = 0u128;
    for (at, weight) in weights.iter().enumerate() {
        let product = size * weight;
        parts[at] = (product / sum) as i128;
        given += product / sum;
        remainders.push((product % sum, at));
    }
    remainders.sort_by_key(|(rest, at)| (std::cmp::Reverse(*rest), *at));
    for (_, at) in remainders.iter().take((size - given) as usize) {
        parts[*at] += 1;
    }
    if whole < 0 {
        parts.iter_mut().for_each(|part| *part = -*part);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn price(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn the_published_weights() {
        let of = |quantity, text: &str, units| charge(quantity, price(text), units, 6).unwrap();
        assert_eq!(
            of(3_600_000_000, "0.002", 1_000_000),
            7_200_000,
            "an hour of CPU: 7.2"
        );
        assert_eq!(
            of(123_456_789, "0.0005", 10_000),
            6_172_839,
            "6.17283945 rounded"
        );
        assert_eq!(of(1_500, "0.005", 1_000), 7_500);
        assert_eq!(of(3 << 29, "0.01", 1 << 30), 15_000);
        assert_eq!(of(0, "1", 1), 0);
        assert_eq!(of(5, "-1", 10), -500_000);
        // 10^24 byte-microseconds at nine digits
        assert!(
            charge(
                10u128.pow(24),
                price("0.123456789"),
                (1 << 30) * 1_000_000,
                9
            )
            .is_ok()
        );
        assert!(charge(u128::MAX, price("9999"), 1, 6).is_err());
    }

    #[test]
    fn largest_remainder() {
        assert_eq!(shares(100, &[1, 1, 1]), [34, 33, 33]);
        assert_eq!(
            shares(10, &[15, 35, 50]),
            [2, 3, 5],
            "1.5 and 3.5: the first of equal ones"
        );
        assert_eq!(shares(-7, &[1, 1]), [-4, -3]);
        assert_eq!(shares(5, &[0, 0]), [5, 0]);
        assert_eq!(shares(5, &[]), [0i128; 0]);
        assert_eq!(shares(9, &[u128::MAX, u128::MAX]), [5, 4]);
    }

    #[test]
    fn last_digits_and_back() {
        assert_eq!(last_digits(price("12.5"), 6).unwrap(), 12_500_000);
        assert_eq!(last_digits(price("0.0000005"), 6).unwrap(), 1);
        assert_eq!(decimal(12_500_000, 6).unwrap().to_string(), "12.500000");
    }

    proptest! {
        #[test]
        fn parts_add_up(whole in -1_000_000_000_000i128..1_000_000_000_000, weights in proptest::collection::vec(0u128..1 << 90, 1..40)) {
            let parts = shares(whole, &weights);
            prop_assert_eq!(parts.iter().sum::<i128>(), whole);
            let sum: u128 = weights.iter().sum();
            if sum > 0 {
                for (part, weight) in parts.iter().zip(&weights) {
                    let exact = whole as f64 * (*weight as f64 / sum as f64);
                    prop_assert!((*part as f64 - exact).abs() < 1.01, "{} for {}", part, exact);
                }
            }
        }
    }
}
