//! The same cloud on loopback.

use devcloud::{DevCloud, Effect, Fault, Service, Settings, When};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
};

async fn get(stream: &mut TcpStream, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn http_and_dns_are_served_and_a_drop_is_a_closed_connection() {
    let cloud = DevCloud::new(Settings::default());
    cloud.set_record("a.front.example.test", ["10.0.0.1".parse().unwrap()]);
    let http = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (udp, tcp) =
        (UdpSocket::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let (http_at, udp_at, tcp_at) =
        (http.local_addr().unwrap(), udp.local_addr().unwrap(), tcp.local_addr().unwrap());
    let serving = cloud.clone();
    tokio::spawn(async move { serving.serve(http, Some((udp, tcp))).await });

    let mut stream = TcpStream::connect(http_at).await.unwrap();
    assert!(get(&mut stream, "/compute/v2.1").await.starts_with("HTTP/1.1 200 OK\r\n"));

    cloud.fault(Fault::new(Effect::Drop { when: When::Before }).on(Service::Nova, "")).unwrap();
    let mut stream = TcpStream::connect(http_at).await.unwrap();
    assert_eq!(get(&mut stream, "/compute/v2.1").await, "");

    let question = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x05front\x07example\x04test\x00\x00\x01\x00\x01";
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.send_to(question, udp_at).await.unwrap();
    let mut answer = [0; 512];
    let length = socket.recv(&mut answer).await.unwrap();
    assert!(answer[..length].ends_with(&[10, 0, 0, 1]));

    let mut stream = TcpStream::connect(tcp_at).await.unwrap();
    stream.write_u16(u16::try_from(question.len()).unwrap()).await.unwrap();
    stream.write_all(question).await.unwrap();
    let mut over_tcp = vec![0; usize::from(stream.read_u16().await.unwrap())];
    stream.read_exact(&mut over_tcp).await.unwrap();
    assert_eq!(over_tcp, answer[..length]);
}
