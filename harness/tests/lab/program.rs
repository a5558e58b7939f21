//! What runs in the nodes: small servers and clients that print what they saw.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How long a client tries.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs one of them.
pub(crate) fn run(words: &[&str]) -> ExitCode {
    let number = |word: &str| word.parse::<u64>().unwrap();
    match words {
        ["echo", port] => echo(port),
        ["ping", address, count, gap_ms] => ping(address, number(count), number(gap_ms)),
        ["connect", address, wait_ms] => connect(address, number(wait_ms)),
        ["sit", address] => sit(address),
        ["collect", port] => collect(port),
        ["order", port] => order(port),
        ["datagrams", address, count] => datagrams(address, number(count)),
        ["blast", address, bytes] => blast(address, number(bytes)),
        ["broker", port] => broker(port),
        ["produce", address, count] => produce(address, i32::try_from(number(count)).unwrap()),
        ["facts"] => facts(),
        _ => panic!("no node program {words:?}"),
    }
}

fn announce(word: &str) {
    println!("{word}");
    std::io::stdout().flush().unwrap();
}

/// Sends back what comes in, for ever. A connection that is reset is announced.
fn echo(port: &str) -> ExitCode {
    let listener = TcpListener::bind(format!("0.0.0.0:{port}")).unwrap();
    announce("ready");
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        stream.set_nodelay(true).unwrap();
        std::thread::spawn(move || {
            let mut buffer = vec![0; 256 * 1024];
            loop {
                // A reset is told by whichever call comes next after it, which may be the write.
                let echoed =
                    stream.read(&mut buffer).and_then(|n| stream.write_all(&buffer[..n]).map(|()| n));
                match echoed {
                    Ok(0) => return,
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::ConnectionReset => return announce("reset"),
                    Err(_) => return,
                }
            }
        });
    }
    ExitCode::SUCCESS
}

fn dial(address: &str, patience: Duration) -> std::io::Result<TcpStream> {
    let address = address.to_socket_addrs()?.next().unwrap();
    let stream = TcpStream::connect_timeout(&address, patience)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Round trips, in microseconds.
fn ping(address: &str, count: u64, gap_ms: u64) -> ExitCode {
    let mut stream = dial(address, PATIENCE).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    for _ in 0..count {
        let start = Instant::now();
        stream.write_all(b"p").unwrap();
        stream.read_exact(&mut [0]).unwrap();
        announce(&start.elapsed().as_micros().to_string());
        std::thread::sleep(Duration::from_millis(gap_ms));
    }
    ExitCode::SUCCESS
}

/// Says whether a connection can be made.
fn connect(address: &str, wait_ms: u64) -> ExitCode {
    announce(&match dial(address, Duration::from_millis(wait_ms)) {
        Ok(_) => "connected".to_owned(),
        Err(error) => format!("{:?}", error.kind()),
    });
    ExitCode::SUCCESS
}

/// Exchanges a byte every 20 ms until something breaks, and says what.
fn sit(address: &str) -> ExitCode {
    let mut stream = dial(address, PATIENCE).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    announce("connected");
    loop {
        let done = stream.write_all(b"p").and_then(|()| stream.read_exact(&mut [0]));
        if let Err(error) = done {
            announce(&format!("{:?}", error.kind()));
            return ExitCode::SUCCESS;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Counts datagrams until one says `end`, then prints the count.
fn collect(port: &str) -> ExitCode {
    let socket = UdpSocket::bind(format!("0.0.0.0:{port}")).unwrap();
    announce("ready");
    let (mut count, mut buffer) = (0_u64, [0; 2048]);
    loop {
        let len = socket.recv(&mut buffer).unwrap();
        if &buffer[..len] == b"end" {
            announce(&count.to_string());
            count = 0;
        } else {
            count += 1;
        }
    }
}

/// Watches numbered datagrams, and after half a second of silence prints how many came and how many of them
/// came after a later one.
fn order(port: &str) -> ExitCode {
    let socket = UdpSocket::bind(format!("0.0.0.0:{port}")).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    announce("ready");
    let (mut count, mut overtaken, mut latest, mut buffer) = (0, 0, 0, [0; 8]);
    loop {
        if socket.recv(&mut buffer).is_ok() {
            let number = u64::from_be_bytes(buffer);
            count += 1;
            overtaken += u64::from(number < latest);
            latest = latest.max(number);
        } else if count > 0 {
            announce(&format!("{count} arrived, {overtaken} overtaken"));
            (count, overtaken, latest) = (0, 0, 0);
        }
    }
}

/// Sends numbered datagrams, 25 a millisecond.
fn datagrams(address: &str, count: u64) -> ExitCode {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    for n in 0..count {
        socket.send_to(&n.to_be_bytes(), address).unwrap();
        // A ring holds 128 frames: a switch that the machine keeps waiting for 20 ms still finds them all.
        if n % 10 == 9 {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    ExitCode::SUCCESS
}

/// Sends bytes through an echo and compares every one of them.
fn blast(address: &str, bytes: u64) -> ExitCode {
    let mut stream = dial(address, PATIENCE).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut sender = stream.try_clone().unwrap();
    let pattern = |at: u64| u8::try_from((at ^ (at >> 8) ^ (at >> 16)) & 0xff).unwrap();
    let sending = std::thread::spawn(move || {
        let mut at = 0;
        while at < bytes {
            let chunk: Vec<u8> = (at..(at + 65_536).min(bytes)).map(pattern).collect();
            sender.write_all(&chunk).unwrap();
            at += 65_536;
        }
    });
    let (mut at, mut buffer) = (0, vec![0; 65_536]);
    while at < bytes {
        let n = stream.read(&mut buffer).unwrap();
        assert!(n > 0, "connection closed after {at} bytes");
        for byte in &buffer[..n] {
            assert_eq!(*byte, pattern(at), "byte {at} is wrong");
            at += 1;
        }
    }
    sending.join().unwrap();
    announce("intact");
    ExitCode::SUCCESS
}

/// Executes Produce requests, one after the other on each connection, as a broker does.
fn broker(port: &str) -> ExitCode {
    let listener = TcpListener::bind(format!("0.0.0.0:{port}")).unwrap();
    announce("ready");
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        std::thread::spawn(move || {
            let mut size = [0; 4];
            while stream.read_exact(&mut size).is_ok() {
                let mut request = vec![0; usize::try_from(u32::from_be_bytes(size)).unwrap()];
                if stream.read_exact(&mut request).is_err() {
                    return;
                }
                let correlation = &request[4..8];
                announce(&format!("executed {}", i32::from_be_bytes(correlation.try_into().unwrap())));
                // One topic `t`, one partition, no error, an offset, a time; no throttling.
                let topics = [0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
                let answer = [correlation, &topics, &[0; 16], &[0; 4]].concat();
                let framed =
                    [&u32::try_from(answer.len()).unwrap().to_be_bytes(), answer.as_slice()].concat();
                if stream.write_all(&framed).is_err() {
                    return;
                }
            }
        });
    }
    ExitCode::SUCCESS
}

/// A Produce request (version 3) with ten records for one log.
fn produce_request(correlation: i32) -> Vec<u8> {
    let mut batch = vec![0; 5000];
    batch[8..12].copy_from_slice(&4988_u32.to_be_bytes());
    batch[57..61].copy_from_slice(&10_u32.to_be_bytes());
    let header = [&[0, 0, 0, 3], correlation.to_be_bytes().as_slice(), &[0, 4], b"shop"].concat();
    let body = [255, 255, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1, 0, 0, 0, 0];
    let request = [&header, body.as_slice(), &5000_u32.to_be_bytes(), &batch].concat();
    [&u32::try_from(request.len()).unwrap().to_be_bytes(), request.as_slice()].concat()
}

/// Sends Produce requests without waiting for answers, a hundred a second, and prints the answers; at last
/// how the connection ended.
fn produce(address: &str, count: i32) -> ExitCode {
    let mut stream = dial(address, PATIENCE).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut sender = stream.try_clone().unwrap();
    let sending = std::thread::spawn(move || {
        (1..=count).find_map(|correlation| {
            std::thread::sleep(Duration::from_millis(10));
            sender.write_all(&produce_request(correlation)).err().map(|error| error.kind())
        })
    });
    for _ in 0..count {
        let mut answer = [0; 45];
        if let Err(error) = stream.read_exact(&mut answer) {
            // The kernel tells of a reset once: if the sender heard it, the reader finds an end.
            let sent = if error.kind() == ErrorKind::UnexpectedEof { sending.join().unwrap() } else { None };
            announce(&format!("{:?}", sent.unwrap_or(error.kind())));
            return ExitCode::SUCCESS;
        }
        announce(&format!("answered {}", i32::from_be_bytes(answer[4..8].try_into().unwrap())));
    }
    sending.join().unwrap();
    announce("all answered");
    ExitCode::SUCCESS
}

/// What a program in a node sees of itself.
fn facts() -> ExitCode {
    let mut interfaces: Vec<_> = std::fs::read_dir("/sys/class/net")
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    interfaces.sort();
    announce(&format!("host {}", nix::unistd::gethostname().unwrap().into_string().unwrap()));
    announce(&format!("interfaces {}", interfaces.join(" ")));
    announce(&format!("ipv6 {}", std::fs::read_to_string("/proc/net/if_inet6").unwrap_or_default().len()));
    announce(&format!("folder {}", std::env::current_dir().unwrap().display()));
    announce(&format!("uid {}", nix::unistd::geteuid()));
    ExitCode::SUCCESS
}
