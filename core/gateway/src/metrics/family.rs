//! Writing one metric family: its head, and a line for each set of labels.

use paifang_pipeline::stats::{Histogram, HistogramReading};
use prometheus_client::{
    encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Unit,
};
use std::fmt::Error;

/// Labels, name and value.
pub(super) type Labels<'a> = &'a [(&'static str, &'a str)];

/// A counter's values under their labels.
pub(super) fn counters<'a>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    values: impl IntoIterator<Item = (Vec<(&'static str, &'a str)>, u64)>,
) -> Result<(), Error> {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (labels, value) in values {
        let labels: Labels<'_> = &labels;
        ConstCounter::new(value).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

/// A gauge's values under their labels.
pub(super) fn gauges<'a>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    values: impl IntoIterator<Item = (Vec<(&'static str, &'a str)>, i64)>,
) -> Result<(), Error> {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, value) in values {
        let labels: Labels<'_> = &labels;
        ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

/// Times under their labels, in seconds. `name` has no unit; `_seconds` is added.
pub(super) fn times<'a>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    values: impl IntoIterator<Item = (Vec<(&'static str, &'a str)>, HistogramReading)>,
) -> Result<(), Error> {
    let mut family =
        encoder.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
    for (labels, reading) in values {
        let labels: Labels<'_> = &labels;
        histogram(family.encode_family(&labels)?, &reading)?;
    }
    Ok(())
}

fn histogram(mut encoder: MetricEncoder<'_>, reading: &HistogramReading) -> Result<(), Error> {
    let buckets: Vec<(f64, u64)> = reading
        .buckets
        .iter()
        .enumerate()
        .map(|(index, count)| {
            let bound = Histogram::bound_nanos(index);
            (bound.map_or(f64::INFINITY, seconds), *count)
        })
        .collect();
    let count = reading.buckets.iter().sum();
    encoder.encode_histogram::<NoLabelSet>(seconds(reading.sum_nanos), count, &buckets, None)
}

fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}
