//! Medians and how sure they are.

/// What several rounds say about one figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Estimate {
    pub(crate) median: f64,
    /// The interval that holds the true median with at least 95 % probability, or all that was seen if
    /// there are fewer than six rounds.
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Estimate {
    /// Of no values, there is none.
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let count = sorted.len();
        let median = match count % 2 {
            0 => f64::midpoint(
                *sorted.get((count / 2).checked_sub(1)?)?,
                *sorted.get(count / 2)?,
            ),
            _ => *sorted.get(count / 2)?,
        };
        let cut = outside(count);
        Some(Self {
            median,
            low: *sorted.get(cut)?,
            high: *sorted.get(count - 1 - cut)?,
        })
    }
}

/// How many of the sorted values can be left out on each side.
///
/// The true median is below the smallest `k` of `n` values as often as a fair coin shows heads fewer than
/// `k` times in `n` throws.
fn outside(count: usize) -> usize {
    let mut probability = 0.5_f64.powi(i32::try_from(count).unwrap_or(i32::MAX));
    let mut below = 0.0;
    for cut in 0..count / 2 {
        below += probability;
        let (left, taken) = (count - cut, cut + 1);
        probability *= float(left) / float(taken);
        // Leaving out one more makes both sides larger by the next probability.
        if 2.0 * (below + probability) > 0.05 {
            return cut;
        }
    }
    0
}

fn float(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seven_rounds_use_all_for_the_interval_and_nine_all_but_two() {
        assert_eq!([1, 5, 7, 8, 9, 12].map(outside), [0, 0, 0, 0, 1, 2]);
        let values = [9.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
        let estimate = Estimate::of(&values).unwrap();
        let expected = Estimate {
            median: 5.0,
            low: 2.0,
            high: 8.0,
        };
        assert_eq!(estimate, expected);
    }

    #[test]
    fn an_even_number_has_its_median_in_the_middle() {
        let estimate = Estimate::of(&[4.0, 1.0]).unwrap();
        assert_eq!(
            (estimate.median, estimate.low, estimate.high),
            (2.5, 1.0, 4.0)
        );
        assert_eq!(Estimate::of(&[]), None);
    }
}
