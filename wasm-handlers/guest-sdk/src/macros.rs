//! From plain functions to a component.

/// Makes a handler of functions. Name those of the stages it takes part in:
///
/// | key | function |
/// |---|---|
/// | `configure` | `fn(Config) -> Result<(State, Manifest), ConfigError>`, or `Vec<ConfigError>`; `Config` any `Deserialize` |
/// | `request` | `fn(&State, &Call) -> RequestVerdict` |
/// | `request_with_body` | `fn(&State, &Call, Vec<u8>) -> RequestVerdict` |
/// | `response` | `fn(&State, &Call, &Response) -> ResponseVerdict` |
/// | `response_with_body` | `fn(&State, &Call, &Response, Vec<u8>) -> ResponseVerdict` |
/// | `log` | `fn(&State, &Call, &Outcome)` |
/// | `schema` | a file beside the source with the JSON Schema of the config |
/// | `probes` | a file beside the source with cases that a release must pass |
///
/// `state` is the type that `configure` makes and all others are given.
#[macro_export]
macro_rules! handler {
    (state: $state:ty, $($key:ident: $value:expr),+ $(,)?) => {
        // Outside of wasm32 nothing is exported, so that tests link: only the types are checked.
        #[doc(hidden)]
        pub struct __PaifangHandler;

        impl __PaifangHandler {
            fn state() -> &'static ::std::sync::OnceLock<$state> {
                static STATE: ::std::sync::OnceLock<$state> = ::std::sync::OnceLock::new();
                &STATE
            }

            fn configured() -> &'static $state {
                // The host configures each instance before its first call.
                Self::state().get().expect("configured before the first call")
            }
        }

        $($crate::__handler_part!($key, $value);)+
    };
}

/// One line of [`handler!`].
#[doc(hidden)]
#[macro_export]
macro_rules! __handler_part {
    (configure, $function:expr) => {
        impl $crate::bindings::configure::exports::paifang::handler::configure::Guest
            for __PaifangHandler
        {
            fn handle(config: String) -> Result<$crate::Manifest, Vec<$crate::ConfigError>> {
                let (state, manifest) = $crate::configured(&config, $function)?;
                let again = Self::state().set(state).is_err();
                assert!(!again, "an instance is configured once");
                Ok(manifest)
            }
        }
        #[cfg(target_arch = "wasm32")]
        $crate::bindings::configure::export_configure!(
            __PaifangHandler with_types_in $crate::bindings::configure
        );
    };
    (request, $function:expr) => {
        impl $crate::bindings::request::exports::paifang::handler::request::Guest
            for __PaifangHandler
        {
            fn handle(call: $crate::Call) -> $crate::RequestVerdict {
                $function(Self::configured(), &call)
            }
        }
        #[cfg(target_arch = "wasm32")]
        $crate::bindings::request::export_request!(
            __PaifangHandler with_types_in $crate::bindings::request
        );
    };
    (request_with_body, $function:expr) => {
        impl $crate::bindings::request_with_body::exports::paifang::handler::request_with_body::Guest
            for __PaifangHandler
        {
            fn handle(call: $crate::Call, body: Vec<u8>) -> $crate::RequestVerdict {
                $function(Self::configured(), &call, body)
            }
        }
        #[cfg(target_arch = "wasm32")]
        $crate::bindings::request_with_body::export_request_with_body!(
            __PaifangHandler with_types_in $crate::bindings::request_with_body
        );
    };
    (response, $function:expr) => {
        impl $crate::bindings::response::exports::paifang::handler::response::Guest
            for __PaifangHandler
        {
            fn handle(call: $crate::Call, head: $crate::Response) -> $crate::ResponseVerdict {
                $function(Self::configured(), &call, &head)
            }
        }
        #[cfg(target_arch = "wasm32")]
        $crate::bindings::response::export_response!(
            __PaifangHandler with_types_in $crate::bindings::response
        );
    };
    (response_with_body, $function:expr) => {
        impl $crate::bindings::response_with_body::exports::paifang::handler::response_with_body::Guest
            for __PaifangHandler
        {
            fn handle(
                call: $crate::Call,
                head: $crate::Response,
                body: Vec<u8>,
            ) -> $crate::ResponseVerdict {
                $function(Self::configured(), &call, &head, body)
            }
        }
        #[cfg(target_arch = "wasm32")]
        $crate::bindings::response_with_body::export_response_with_body!(
            __PaifangHandler with_types_in $crate::bindings::response_with_body
        );
    };
    (log, $function:expr) => {
        impl $crate::bindings::log::exports::paifang::handler::log::Guest for __PaifangHandler {
            fn handle(call: $crate::Call, outcome: $crate::Outcome) {
                $function(Self::configured(), &call, &outcome)
            }
        }
        #[cfg(target_arch = "wasm32")]
        $crate::bindings::log::export_log!(
            __PaifangHandler with_types_in $crate::bindings::log
        );
    };
    (schema, $file:expr) => {
        const _: () = {
            #[cfg(target_arch = "wasm32")]
            #[unsafe(link_section = "paifang:schema")]
            static SCHEMA: [u8; include_bytes!($file).len()] = *include_bytes!($file);
        };
    };
    (probes, $file:expr) => {
        const _: () = {
            #[cfg(target_arch = "wasm32")]
            #[unsafe(link_section = "paifang:probes")]
            static PROBES: [u8; include_bytes!($file).len()] = *include_bytes!($file);
        };
    };
}
