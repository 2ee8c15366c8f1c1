//! What a config may say.

use super::{
    codec::{CODECS, Codec},
    config::Config,
};
use paifang_pipeline::{ConfigError, units::ByteSize};

/// Where a limit of decoded bodies may lie.
const LIMITS: [ByteSize; 2] = [ByteSize::new(1 << 10), ByteSize::new(1 << 30)];
/// Where their ratio may lie.
const RATIOS: [u32; 2] = [2, 10_000];

/// Looks at everything but the media types.
///
/// # Errors
/// What is wrong, and where.
pub(super) fn all(config: &Config) -> Result<(), ConfigError> {
    once(&config.codecs, "/codecs")?;
    if config.codecs.is_empty() && config.request.is_none() {
        return Err(ConfigError::at("/codecs", "a step that neither compresses nor decodes")
            .help("name codecs for responses, or add `request: {}` to decode requests"));
    }
    for codec in CODECS {
        let (level, name, most) = (config.levels.of(codec), codec.name(), codec.most());
        if !(1..=most).contains(&level) {
            let message = format!("the level {level} of {name} is outside 1 to {most}");
            return Err(ConfigError::at(format!("/levels/{name}"), message)
                .help("higher levels would hold up other calls"));
        }
    }
    let Some(request) = &config.request else { return Ok(()) };
    if request.codecs.is_empty() {
        return Err(ConfigError::at("/request/codecs", "an empty list decodes nothing")
            .help("leave it away for all codecs, or leave `request` away"));
    }
    once(&request.codecs, "/request/codecs")?;
    let [least, most] = LIMITS;
    if !(least..=most).contains(&request.limit) {
        let message = format!("{} is outside {least} to {most}", request.limit);
        return Err(ConfigError::at("/request/limit", message));
    }
    let [least, most] = RATIOS;
    if !(least..=most).contains(&request.ratio) {
        let message = format!("{} is outside {least} to {most}", request.ratio);
        return Err(ConfigError::at("/request/ratio", message));
    }
    Ok(())
}

fn once(codecs: &[Codec], at: &str) -> Result<(), ConfigError> {
    match codecs.iter().enumerate().find(|(index, codec)| codecs[..*index].contains(codec)) {
        None => Ok(()),
        Some((index, codec)) => {
            let message = format!("`{}` stands here twice", codec.name());
            Err(ConfigError::at(format!("{at}/{index}"), message))
        }
    }
}
