//! What the targets of the WebAssembly host share: the host, a contract, modules that are written for
//! it, and a call through every stage of whatever was loaded.

// Each target uses a part of it.
#![allow(dead_code)]

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::HeaderMap;
use paifang_pipeline::ports::{Clock, HttpOut, NoHttpOut};
use paifang_pipeline::testkit::{TestCall, TestClock, TestOrigin};
use paifang_pipeline::{Apps, BuildContext, DynPlugin, OnFailure, Secret, SecretRef, Secrets};
use paifang_state::LocalStore;
use paifang_wasm::{Grants, Host, Limits, Spec};
use rustix::time::{ClockId, clock_gettime};
use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::abi::{AbiVariant, WasmType};
use wit_parser::{
    Function, Int, LiftLowerAbi, ManglingAndAbi, Resolve, SizeAlign, Type, TypeDefKind, WasmExport,
    WasmExportKind, WasmImport, WorldId, WorldItem,
};

/// The contract as it is shipped, so that no target knows how its records are laid out.
const WIT: &str = include_str!("../../wasm-handlers/wit/handler.wit");
/// All stages but `configure`, so that what nobody has configured is asked everything.
const STAGES: &str = "world stages { include imports; export request; export request-with-body;
    export response; export response-with-body; export log; }";
/// Where `configure` writes its manifest.
const MANIFEST: usize = 32 << 10;
const MANGLING: ManglingAndAbi = ManglingAndAbi::Legacy(LiftLowerAbi::Sync);
/// The largest body that a handler may say, in bytes.
const BODY: usize = 4 << 10;
/// Who computes for longer has not ended when it must. What waits instead is libFuzzer's to find, for
/// on a busy machine everything waits.
const HANG: Duration = Duration::from_secs(8);

/// One function of the world.
pub struct Signature {
    /// Where it stands: `paifang:handler/kv@0.1.0`, and `get`; or the one name of an export.
    pub name: (String, String),
    /// Its parameters, as WAT.
    pub params: Vec<&'static str>,
    /// Its result, as WAT.
    pub result: Option<&'static str>,
}

/// What a module of a world may import and must export.
pub struct Shape {
    resolve: Resolve,
    world: WorldId,
    pub imports: Vec<Signature>,
    pub exports: Vec<Signature>,
    /// Code that writes and gives a manifest which asks for every stage.
    pub manifest: String,
}

/// The shape of the whole contract.
pub fn whole() -> &'static Shape {
    static SHAPE: OnceLock<Shape> = OnceLock::new();
    SHAPE.get_or_init(|| Shape::of("handler"))
}

/// That of a handler which is not configured.
pub fn stages() -> &'static Shape {
    static SHAPE: OnceLock<Shape> = OnceLock::new();
    SHAPE.get_or_init(|| Shape::of("stages"))
}

impl Shape {
    fn of(world: &str) -> Self {
        let mut resolve = Resolve::default();
        let package = resolve.push_str("handler.wit", &format!("{WIT}\n{STAGES}")).unwrap();
        let world = resolve.select_world(&[package], Some(world)).unwrap();
        let mut imports = Vec::new();
        let mut manifest = String::new();
        let mut exports = Vec::new();
        for (key, item) in &resolve.worlds[world].imports {
            let WorldItem::Interface { id, .. } = item else { continue };
            for func in resolve.interfaces[*id].functions.values() {
                let import = WasmImport::Func { interface: Some(key), func };
                let name = resolve.wasm_import_name(MANGLING, import);
                imports.push(signature(&resolve, AbiVariant::GuestImport, func, name));
            }
        }
        for (key, item) in &resolve.worlds[world].exports {
            let WorldItem::Interface { id, .. } = item else { continue };
            for func in resolve.interfaces[*id].functions.values() {
                let kind = WasmExportKind::Normal;
                let export = WasmExport::Func { interface: Some(key), func, kind };
                let name = (resolve.wasm_export_name(MANGLING, export), String::new());
                if name.0.contains("/configure@") {
                    manifest = asking(&resolve, func);
                }
                exports.push(signature(&resolve, AbiVariant::GuestExport, func, name));
            }
        }
        Self { resolve, world, imports, exports, manifest }
    }

    /// A core module with the metadata of this world.
    pub fn with_metadata(&self, mut module: Vec<u8>) -> Vec<u8> {
        embed_component_metadata(&mut module, &self.resolve, self.world, StringEncoding::UTF8)
            .unwrap();
        module
    }
}

/// Each option of a manifest is there, and nothing else.
fn asking(resolve: &Resolve, configure: &Function) -> String {
    let mut sizes = SizeAlign::default();
    sizes.fill(resolve);
    let kind = |ty: &Type| {
        let Type::Id(mut id) = *ty else { return TypeDefKind::Unknown };
        while let TypeDefKind::Type(Type::Id(of)) = &resolve.types[id].kind {
            id = *of;
        }
        resolve.types[id].kind.clone()
    };
    let TypeDefKind::Result(result) = kind(configure.result.as_ref().unwrap()) else { panic!() };
    let at = sizes.payload_offset(Int::U8, [result.ok.as_ref(), result.err.as_ref()]);
    let TypeDefKind::Record(manifest) = kind(&result.ok.unwrap()) else { panic!() };
    let mut text = String::new();
    for (offset, ty) in sizes.field_offsets(manifest.fields.iter().map(|field| &field.ty)) {
        if let TypeDefKind::Option(_) = kind(ty) {
            let at = MANIFEST + at.size_wasm32() + offset.size_wasm32();
            write!(text, "(i32.store8 (i32.const {at}) (i32.const 1))").unwrap();
        }
    }
    text + &format!("i32.const {MANIFEST}")
}

fn signature(
    resolve: &Resolve,
    variant: AbiVariant,
    function: &Function,
    name: (String, String),
) -> Signature {
    let wat = |of: &WasmType| match of {
        WasmType::I64 | WasmType::PointerOrI64 => "i64",
        WasmType::F32 => "f32",
        WasmType::F64 => "f64",
        WasmType::I32 | WasmType::Pointer | WasmType::Length => "i32",
    };
    let signature = resolve.wasm_signature(variant, function);
    Signature {
        name,
        params: signature.params.iter().map(wat).collect(),
        result: signature.results.first().map(wat),
    }
}

impl Signature {
    /// Whether it is that of `configure`.
    pub fn is_configure(&self) -> bool {
        self.name.0.contains("/configure@")
    }

    /// `(param i32 i32) (result i32)`.
    pub fn wat(&self) -> String {
        let mut text = format!("(param {})", self.params.join(" "));
        if let Some(result) = self.result {
            write!(text, " (result {result})").unwrap();
        }
        text
    }
}

/// A module whose stages do nothing: what is mutated.
pub fn plain() -> &'static [u8] {
    static PLAIN: OnceLock<Vec<u8>> = OnceLock::new();
    PLAIN.get_or_init(|| {
        let mut text = r#"(module (memory (export "memory") 1) (func (export "cabi_realloc")
            (param i32 i32 i32 i32) (result i32) i32.const 1024)"#
            .to_owned();
        for export in &whole().exports {
            let answer = match export.result {
                _ if export.is_configure() => &whole().manifest,
                Some(_) => "i32.const 64",
                None => "",
            };
            write!(text, "(func (export {:?}) {} {answer})", export.name.0, export.wat()).unwrap();
        }
        whole().with_metadata(wat::parse_str(text + ")").unwrap())
    })
}

/// Tiny limits, so that what goes wrong does so soon.
fn spec() -> Spec {
    let limits = Limits {
        cpu: Duration::from_millis(5),
        memory_bytes: 1 << 20,
        body_bytes: BODY,
        wall: Duration::from_millis(50),
        kv_entries: 16,
        kv_bytes: 1 << 16,
        kv_value_bytes: 1 << 10,
        ..Limits::default()
    };
    let grants = Grants { http: vec!["up".into()], ..Grants::all() };
    Spec { name: "fuzz".into(), grants, store: None, limits, reuse: 0, breaker: None }
}

/// Loads a file, and where it is a handler, configures it and asks each of its stages.
pub fn tried(file: &[u8]) {
    static HOST: OnceLock<Host> = OnceLock::new();
    let host = HOST.get_or_init(|| Host::new(None).unwrap());
    let began = computed();
    let module = match host.load(spec(), file) {
        Ok(module) => module,
        Err(error) => {
            assert!(error.pointer.starts_with('/') && !error.message.is_empty(), "{error:?}");
            assert!(computed() - began < HANG, "refused after {:?}", computed() - began);
            return;
        }
    };
    let clock = Arc::new(TestClock::new());
    let ticks: Arc<dyn Clock> = clock.clone();
    let http: Arc<dyn HttpOut> = Arc::new(NoHttpOut);
    let (apps, store) = (Arc::new(Apps::default()), LocalStore::new());
    let context = BuildContext {
        api: "test",
        step: "fuzz",
        upstream: None,
        routes: &[],
        apps: &apps,
        store: &store,
        stores: &paifang_pipeline::ports::Stores::none(),
        clock: &ticks,
        http: &http,
        secrets: &NoSecrets,
    };
    let Ok(built) = module.build(&serde_json::json!({ "a": "b" }), &context) else {
        assert!(computed() - began < HANG, "not built after {:?}", computed() - began);
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    for failure in [OnFailure::Closed, OnFailure::Open] {
        let origin = TestOrigin::answering(200, "up");
        let call = TestCall::post("/a/b?c=d", "a body")
            .header("x-a", "1")
            .header("cookie", "a=b")
            .param("id", "b")
            .clock(&clock)
            .full_step("fuzz", built.handler.clone(), None, failure);
        let reply = runtime.block_on(call.run(&origin));
        assert!((200..600).contains(&reply.status()), "{}", reply.status());
        said(&reply.head().headers);
        assert!(reply.body().len() <= BODY.max(16 << 10));
        for index in 0..origin.requests() {
            let request = origin.request(index);
            said(&request.head.headers);
            assert!(request.body().len() <= BODY);
            let target = request.head.uri.path_and_query().unwrap().to_string();
            assert!(target.starts_with('/'), "{target}");
            assert!(!target.contains(['#', ' ', '\\']), "{target}");
        }
    }
    drop(built);
    let left = Arc::downgrade(&module);
    drop(module);
    // Another target in this process may be looking at it.
    while left.strong_count() > 0 {
        assert!(computed() - began < HANG, "a module stays");
        std::thread::yield_now();
    }
    assert!(computed() - began < HANG, "it took {:?}", computed() - began);
}

/// CPU time of this thread.
fn computed() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

/// Header fields that went on or out: none that is the gateway's own.
fn said(headers: &HeaderMap) {
    let mut sizes: HashMap<&str, usize> = HashMap::new();
    for (name, value) in headers {
        *sizes.entry(name.as_str()).or_default() += value.len();
        assert!(!value.as_bytes().iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)), "{name}");
    }
    for name in ["connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"] {
        assert!(!sizes.contains_key(name), "`{name}` was said");
    }
    assert!(sizes.values().sum::<usize>() <= 80 << 10, "{sizes:?}");
}

struct NoSecrets;

impl Secrets for NoSecrets {
    fn resolve(&self, _: &SecretRef) -> Result<Secret, String> {
        Err("there are none".to_owned())
    }
}
