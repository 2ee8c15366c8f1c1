//! Handlers that were cut short or changed on their way: an error, or a handler that works as far as
//! its limits let it; never a panic, a hang, or something that stays.

use crate::{
    made::{Parts, core, encoded, refused},
    world::{World, file, limited},
};
use paifang_pipeline::testkit::TestCall;
use serde_json::json;
use std::time::Duration;

/// A generator of its own, so that a failure can be seen again.
struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % most as u64).unwrap()
    }
}

/// Loads what may be whole or not, and if it is a handler, asks it.
async fn tried(world: &World, file: &[u8]) {
    let spec = limited(|limits| {
        limits.cpu = Duration::from_millis(5);
        limits.memory_bytes = 1 << 20;
    });
    let Ok(module) = world.host.load(spec, file) else { return };
    if let Ok(built) = world.build(&module, &json!({})) {
        let step = world.step_from(&module, built);
        let reply = step.run(TestCall::post("/a?b", "a body").header("x-a", "1")).await.0;
        assert!(matches!(reply.status(), 200..600));
    }
}

#[tokio::test]
async fn a_handler_that_is_cut_short() {
    let world = World::new();
    let core = core("handler", &Parts::default());
    // Where a component is cut between two exports it is a whole one, with fewer stages.
    let component = encoded(&core);
    for length in 0..component.len() {
        tried(&world, &component[..length]).await;
    }
    for length in 0..core.len() {
        refused(&world, &format!("{length} of {} bytes", core.len()), &core[..length]);
    }
    let real = file("testbed-sync");
    for length in (0..real.len()).step_by(real.len() / 97) {
        refused(&world, &format!("{length} of {} bytes", real.len()), &real[..length]);
    }
    assert!(world.host.modules().is_empty());
}

#[tokio::test]
async fn a_handler_with_wrong_bytes() {
    let world = World::new();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let core = core("handler", &Parts { does: "(loop br 0)", ..Parts::default() });
    let plain = crate::made::core("handler", &Parts::default());
    for whole in [encoded(&plain), plain, core] {
        for _ in 0..400 {
            let mut bytes = whole.clone();
            for _ in 0..=random.below(3) {
                let at = random.below(bytes.len());
                bytes[at] ^= 1 << random.below(8);
            }
            tried(&world, &bytes).await;
        }
    }
    let real = file("testbed-bare");
    for _ in 0..12 {
        let mut bytes = real.clone();
        let at = random.below(bytes.len());
        bytes[at] ^= 1 << random.below(8);
        tried(&world, &bytes).await;
    }
    assert!(world.host.modules().is_empty());
}
