//! Profiles and their names.

use super::ms;
use crate::simnet::{Profile, presets};

#[test]
fn every_preset_is_found_by_its_name() {
    for preset in presets() {
        assert_eq!(preset.name.parse::<Profile>(), Ok(preset));
    }
    let unknown = "5g".parse::<Profile>().unwrap_err().to_string();
    assert_eq!(
        unknown,
        "no network profile is called \"5g\"; there are clear, wifi, 4g, satellite, 3g, lossy, subway, edge"
    );
}

#[test]
fn presets_have_their_documented_figures() {
    let edge: Profile = "edge".parse().unwrap();
    assert_eq!(edge.round_trip(), ms(840));
    assert_eq!((edge.down.bandwidth, edge.up.bandwidth), (Some(30_000), Some(25_000)));
    // 840 ms, half of the jitter both ways, and four times a quarter of each way's jitter is less than
    // twice their sum.
    assert_eq!(edge.retransmission_timeout(), ms(840 + 120 + 480));
    let wifi: Profile = "wifi".parse().unwrap();
    assert_eq!(wifi.retransmission_timeout(), ms(20 + 5 + 200));
    let subway = "subway".parse::<Profile>().unwrap().outages.unwrap();
    assert_eq!(subway.end_of(ms(30_500)), Some(ms(34_000)));
}

#[test]
fn presets_are_probable() {
    for Profile { name, up, down, outages, .. } in presets() {
        for lane in [up, down] {
            assert!((0.0..0.2).contains(&lane.loss), "{name}");
            assert!(lane.jitter <= lane.latency, "{name}");
        }
        if let Some(outages) = outages {
            assert!(outages.every.is_some_and(|every| every > outages.length), "{name}");
        }
    }
}
