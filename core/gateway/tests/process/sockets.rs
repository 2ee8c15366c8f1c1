//! What a service manager hands over and is told: sockets that it has opened, and states.

use crate::{
    process::{Folder, Gateway, HANG, ask, paifang, rest, saying},
    upgrade::{alone, stop, upgrade},
};
use std::{
    net::{TcpListener, TcpStream},
    os::{fd::OwnedFd, unix::net::UnixDatagram},
    process::Command,
};

/// Runs a gateway with this socket as descriptor 3, as systemd does.
fn activated(folder: &Folder, socket: &TcpListener) -> Gateway {
    let mut command = Command::new("sh");
    let script = "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" run 3<&0 </dev/null";
    command.args(["-c", script, env!("CARGO_BIN_EXE_paifang")]).current_dir(folder.path("."));
    for (name, _) in paifang().get_envs() {
        command.env_remove(name);
    }
    command.stdin(OwnedFd::from(socket.try_clone().unwrap()));
    Gateway::begin(&mut command)
}

/// The config, with a fixed address.
fn at(socket: &TcpListener, text: &str) -> String {
    let fixed = format!("name: public, address: \"{}\"", socket.local_addr().unwrap());
    saying(text).replace("name: public, address: \"127.0.0.1:0\"", &fixed)
}

#[test]
fn restarts_lose_no_connection_where_the_sockets_are_the_managers() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = Folder::new(&at(&socket, "one"));
    let mut before = TcpStream::connect(socket.local_addr().unwrap()).unwrap();
    ask(&mut before, "/", "connection: close\r\n");
    let gateway = activated(&folder, &socket);
    assert!(rest(&mut before).ends_with("one"), "{}", gateway.log());
    // A release that leaves the address, and one that comes back to it.
    folder.write("paifang.yaml", &saying("elsewhere"));
    assert_eq!(gateway.ask(&["reload"]).code, 0);
    folder.write("paifang.yaml", &at(&socket, "two"));
    let back = gateway.ask(&["reload"]);
    assert_eq!(back.code, 0, "{back:?}");
    assert!(gateway.get("/").1.ends_with("two"));
    // The process that follows has it, too.
    let pid = upgrade(&gateway);
    alone(&gateway);
    folder.write("paifang.yaml", &saying("elsewhere"));
    assert_eq!(gateway.ask(&["reload"]).code, 0);
    folder.write("paifang.yaml", &at(&socket, "three"));
    assert_eq!(gateway.ask(&["reload"]).code, 0);
    assert!(gateway.get("/").1.ends_with("three"));
    stop(gateway, pid);
    // Between two runs clients wait instead of being refused.
    let mut between = TcpStream::connect(socket.local_addr().unwrap()).unwrap();
    ask(&mut between, "/", "connection: close\r\n");
    let gateway = activated(&folder, &socket);
    assert!(rest(&mut between).ends_with("three"), "{}", gateway.log());
    assert!(!gateway.stop().contains("no listener has"));
}

#[test]
fn a_socket_that_no_listener_has_is_told() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = Folder::new(&saying("one"));
    let gateway = activated(&folder, &socket);
    let log = gateway.logged("a socket that no listener has");
    assert!(log.contains(&format!("address={}", socket.local_addr().unwrap())), "{log}");
    gateway.stop();
}

#[test]
fn the_manager_is_told_of_every_state() {
    let folder = Folder::new(&saying("one"));
    let manager = UnixDatagram::bind(folder.path("notify")).unwrap();
    manager.set_read_timeout(Some(HANG)).unwrap();
    let told = || {
        let mut text = [0; 256];
        let read = manager.recv(&mut text).unwrap();
        String::from_utf8(text[..read].to_vec()).unwrap()
    };
    let mut command = folder.command(&["run"]);
    let gateway = Gateway::start(command.env("NOTIFY_SOCKET", folder.path("notify")));
    assert_eq!(told(), "READY=1\n");
    gateway.signal("HUP");
    let reloading = told();
    assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
    assert_eq!(told(), "READY=1\n");
    let pid = upgrade(&gateway);
    assert_eq!(told(), format!("MAINPID={pid}\nREADY=1\n"));
    alone(&gateway);
    stop(gateway, pid);
    assert_eq!(told(), "STOPPING=1\n");
}
