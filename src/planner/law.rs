//! What a test costs that nobody has seen, from those that were seen: of its class, its file and the suite.

/// Of tests whose costs are known.
///
/// Durations differ by factors, so that few long ones make a mean say little of the others. Their
/// fourth roots are nearly normal, as their logarithms are, and unlike those the same on every machine.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sample {
    count: u64,
    /// In microseconds.
    pub(super) cost: u64,
    /// The sum of the squares, in square seconds.
    squares: f64,
    /// The sums of the fourth roots of the seconds, and of their squares.
    roots: f64,
    root_squares: f64,
}

impl Sample {
    pub(super) fn of(cost: u64) -> Self {
        let seconds = in_float_seconds(cost);
        Self {
            count: 1,
            cost,
            squares: seconds * seconds,
            roots: seconds.sqrt().sqrt(),
            root_squares: seconds.sqrt(),
        }
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self {
            count: self.count.saturating_add(other.count),
            cost: self.cost.saturating_add(other.cost),
            squares: self.squares + other.squares,
            roots: self.roots + other.roots,
            root_squares: self.root_squares + other.root_squares,
        }
    }

    pub(super) fn sum<'a>(samples: impl IntoIterator<Item = &'a Self>) -> Self {
        samples
            .into_iter()
            .copied()
            .fold(Self::default(), Self::and)
    }

    /// The mean of the roots, not 0 where there are any.
    fn root(&self) -> f64 {
        self.roots / float(self.count)
    }

    /// The mean of the roots, leaning on what holds above.
    fn leaning_on(&self, above: f64, differ: Differ) -> f64 {
        if differ.between <= 0.0 || self.count == 0 {
            return above;
        }
        let prior = differ.within / differ.between;
        (self.roots + prior * above) / (float(self.count) + prior)
    }
}

/// How much tests of one group differ, and how much groups do: variances of fourth roots, found as
/// Bühlmann and Straub do (<https://en.wikipedia.org/wiki/B%C3%BChlmann_model>).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Differ {
    within: f64,
    between: f64,
}

impl Differ {
    /// By groups, each with its parts.
    fn learn(groups: impl Iterator<Item = Vec<Sample>>) -> Self {
        let (mut within, mut between, mut room) = (0.0, 0.0, 0.0);
        let (mut tests, mut parts, mut wholes) = (0, 0, 0);
        for group in groups {
            let all = Sample::sum(&group);
            if all.count == 0 {
                continue;
            }
            let mut squares = 0.0;
            for part in group.iter().filter(|part| part.count > 0) {
                let (size, mean) = (float(part.count), part.root());
                within += (part.root_squares - size * mean * mean).max(0.0);
                between += size * (mean - all.root()).powi(2);
                squares += size * size;
                parts += 1;
            }
            room += float(all.count) - squares / float(all.count);
            tests += all.count;
            wholes += 1;
        }
        if tests <= parts || room <= 0.0 {
            // Nobody knows how much tests of a group differ, or there is but one group.
            return Self::default();
        }
        let within = within / float(tests - parts);
        let between = (between - float(parts - wholes) * within) / room;
        Self {
            within,
            between: between.max(0.0),
        }
    }

    /// What so many tests of a group leave open of its mean.
    fn open(self, known: u64) -> f64 {
        if self.between <= 0.0 {
            return 0.0;
        }
        self.within * self.between / (self.within + float(known) * self.between)
    }
}

/// How the cost of an unknown test follows from those that are known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Law {
    /// Of the suite.
    root: f64,
    files: Differ,
    classes: Differ,
    /// Seconds, where the fourth power of the root is 1: so that the sum is right.
    seconds: f64,
    /// The variance of what a test costs, as a part of the square of what it is thought to cost.
    pub(super) spread: f64,
}

impl Law {
    /// From the known tests of each file and of all together, and by file those of each class; `None` where
    /// none is known.
    pub(super) fn learn(
        files: &[Sample],
        all: &Sample,
        classes: impl Iterator<Item = Vec<Sample>>,
    ) -> Option<Self> {
        if all.count == 0 {
            return None;
        }
        let mut law = Self {
            root: all.root(),
            files: Differ::learn(std::iter::once(files.to_vec())),
            classes: Differ::learn(classes),
            seconds: 1.0,
            spread: 0.0,
        };
        let guesses: Vec<f64> = files.iter().map(|file| law.of_file(file).0).collect();
        let thought = files.iter().zip(guesses);
        let sums = thought
            .clone()
            .map(|(file, guess)| float(file.count) * guess);
        let ratio = in_float_seconds(all.cost) / sums.sum::<f64>();
        let (mut error, mut squares) = (0.0, 0.0);
        for (file, guess) in thought {
            let (count, guess) = (float(file.count), ratio * guess);
            error +=
                file.squares - 2.0 * guess * in_float_seconds(file.cost) + count * guess * guess;
            squares += count * guess * guess;
        }
        law.seconds = ratio;
        law.spread = (error / squares).max(0.0);
        (ratio.is_finite() && law.spread.is_finite()).then_some(law)
    }

    /// Seconds of an unknown test of a file, and the root they come from.
    pub(super) fn of_file(&self, file: &Sample) -> (f64, f64) {
        let root = file.leaning_on(self.root, self.files);
        (self.at(root, self.files.open(file.count)), root)
    }

    pub(super) fn of_class(&self, class: &Sample, file: &Sample, root: f64) -> f64 {
        let root = class.leaning_on(root, self.classes);
        let open = self.files.open(file.count) + self.classes.open(class.count);
        self.at(root, open)
    }

    /// The mean of the fourth power of what is normal around `root`, in seconds.
    fn at(&self, root: f64, variance: f64) -> f64 {
        let part = variance / (self.root * self.root);
        self.seconds * root.powi(4) * (1.0 + 6.0 * part + 3.0 * part * part)
    }
}

pub(super) fn in_float_seconds(cost: u64) -> f64 {
    std::time::Duration::from_micros(cost).as_secs_f64()
}

pub(super) fn float(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}
