//! The switch's thread: an epoll loop over devices, a timer and a control queue.
//!
//! Each turn takes a bounded number of frames from each device that has any, so that one busy link cannot
//! starve the others or the control queue. The thread asks for real-time priority, because a delay is a
//! promise about time; without the privilege it runs as it is.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use history::ids::Nanos;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use nix::time::clock_gettime;

use super::counters::Counters;
use super::fabric::{Fabric, Member, Output};
use super::frame::Frame;
use super::port::{BUFFER_LEN, Receiver, Sender};
use super::rule::Rule;
use super::{Layout, RuleId, SwitchError, Totals};

/// Frames taken from one device before the others have their turn.
const BATCH: usize = 64;
/// How long a caller waits for the thread's answer before it calls it dead.
const ANSWER_MAX: Duration = Duration::from_secs(10);
const TIMER: u64 = u64::MAX;
const CONTROL: u64 = u64::MAX - 1;

type Reply<T> = mpsc::SyncSender<T>;

enum Command {
    Install(Rule, Reply<Result<RuleId, SwitchError>>),
    Counters(RuleId, Reply<Counters>),
    Remove(RuleId, Reply<Counters>),
    Totals(Reply<Totals>),
    Stop,
}

/// The other threads' side.
#[derive(Debug)]
pub(crate) struct Control {
    commands: mpsc::Sender<Command>,
    bell: EventFd,
    thread: Option<JoinHandle<()>>,
}

impl Control {
    fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, SwitchError> {
        let (reply, answer) = mpsc::sync_channel(1);
        self.commands.send(command(reply)).map_err(|_| SwitchError::Gone)?;
        self.bell.write(1).map_err(io::Error::from)?;
        answer.recv_timeout(ANSWER_MAX).map_err(|_| SwitchError::Gone)
    }

    pub(crate) fn install(&self, rule: Rule) -> Result<RuleId, SwitchError> {
        self.ask(|reply| Command::Install(rule, reply))?
    }

    pub(crate) fn counters(&self, id: RuleId) -> Result<Counters, SwitchError> {
        self.ask(|reply| Command::Counters(id, reply))
    }

    pub(crate) fn remove(&self, id: RuleId) -> Result<Counters, SwitchError> {
        self.ask(|reply| Command::Remove(id, reply))
    }

    pub(crate) fn totals(&self) -> Result<Totals, SwitchError> {
        self.ask(Command::Totals)
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // Either call fails only if the thread is gone already.
        let _ = self.commands.send(Command::Stop);
        let _ = self.bell.write(1);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Starts the thread.
pub(crate) fn start(layout: Layout) -> Result<Control, SwitchError> {
    let (commands, orders) = mpsc::channel();
    let bell = EventFd::from_value_and_flags(0, EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)
        .map_err(io::Error::from)?;
    let bell_of_thread = bell.as_fd().try_clone_to_owned()?;
    let mut members = Vec::new();
    let mut receivers = Vec::new();
    let mut senders = Vec::new();
    for port in layout.ports {
        let (receiver, sender) = port.device.split()?;
        members.push(Member { name: port.name, ip: port.ip, exempt: port.exempt });
        receivers.push(receiver);
        senders.push(sender);
    }
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(io::Error::from)?;
    for (index, receiver) in (0_u64..).zip(&receivers) {
        epoll.add(receiver, EpollEvent::new(EpollFlags::EPOLLIN, index)).map_err(io::Error::from)?;
    }
    let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK)
        .map_err(io::Error::from)?;
    epoll.add(&timer, EpollEvent::new(EpollFlags::EPOLLIN, TIMER)).map_err(io::Error::from)?;
    epoll.add(&bell_of_thread, EpollEvent::new(EpollFlags::EPOLLIN, CONTROL)).map_err(io::Error::from)?;
    let fabric = Fabric::new(members, layout.kafka_ports, layout.seed);
    let looped = Loop { fabric, receivers, senders: Senders(senders), epoll, timer, armed: None };
    let thread = std::thread::Builder::new()
        .name("switch".to_owned())
        .spawn(move || looped.run(&orders, &bell_of_thread))?;
    Ok(Control { commands, bell, thread: Some(thread) })
}

struct Senders(Vec<Sender>);

impl Output for Senders {
    fn send(&mut self, to: usize, frame: Frame<'_>) -> bool {
        self.0[to].send(frame)
    }
}

struct Loop {
    fabric: Fabric,
    receivers: Vec<Receiver>,
    senders: Senders,
    epoll: Epoll,
    timer: TimerFd,
    armed: Option<Nanos>,
}

impl Loop {
    fn run(mut self, orders: &mpsc::Receiver<Command>, bell: &OwnedFd) {
        self.fabric.set_realtime(super::priority::realtime());
        let mut buffer = Box::new([0; BUFFER_LEN]);
        let mut events = [EpollEvent::empty(); 64];
        loop {
            let ready = match self.epoll.wait(&mut events, EpollTimeout::NONE) {
                Ok(ready) => ready,
                Err(nix::Error::EINTR) => continue,
                Err(error) => panic!("epoll of the packet switch: {error}"),
            };
            for event in &events[..ready] {
                match event.data() {
                    TIMER => self.armed = None,
                    CONTROL => {
                        // The count does not matter: every waiting command is taken.
                        let _ = nix::unistd::read(bell, &mut [0; 8]);
                        if !self.obey(orders) {
                            return;
                        }
                    }
                    port => self.take(usize::try_from(port).unwrap_or(0), &mut buffer),
                }
            }
            self.fabric.tick(now(), &mut self.senders);
            self.arm();
        }
    }

    /// Takes up to a batch of frames from one device.
    fn take(&mut self, from: usize, buffer: &mut [u8; BUFFER_LEN]) {
        let receiver = &mut self.receivers[from];
        for _ in 0..BATCH {
            match receiver.receive(buffer) {
                Ok(Some(frame)) => self.fabric.frame(from, frame, now(), &mut self.senders),
                // An interface that is down reports EIO or ENETDOWN; it has no frames either.
                Ok(None) | Err(_) => break,
            }
        }
        receiver.release();
    }

    /// Does what was asked for; false when the switch is to end.
    fn obey(&mut self, orders: &mpsc::Receiver<Command>) -> bool {
        // An answer nobody waits for any more is no error.
        while let Ok(command) = orders.try_recv() {
            match command {
                Command::Install(rule, reply) => drop(reply.send(self.fabric.install(rule))),
                Command::Counters(id, reply) => drop(reply.send(self.fabric.counters(id))),
                Command::Remove(id, reply) => {
                    drop(reply.send(self.fabric.remove(id, now(), &mut self.senders)));
                }
                Command::Totals(reply) => drop(reply.send(self.fabric.totals())),
                Command::Stop => return false,
            }
        }
        true
    }

    /// Sets the timer to the next deadline.
    fn arm(&mut self) {
        let Some(deadline) = self.fabric.deadline() else { return };
        if self.armed.is_some_and(|armed| armed <= deadline) {
            return;
        }
        let time = TimeSpec::from_duration(Duration::from_nanos(deadline.0.max(1)));
        let expiration = Expiration::OneShot(time);
        if self.timer.set(expiration, TimerSetTimeFlags::TFD_TIMER_ABSTIME).is_ok() {
            self.armed = Some(deadline);
        }
    }
}

fn now() -> Nanos {
    let time = clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC)
        .unwrap_or_else(|error| panic!("CLOCK_MONOTONIC cannot be read: {error}"));
    let whole = |n: i64| u64::try_from(n).unwrap_or(0);
    Nanos(whole(time.tv_sec()) * 1_000_000_000 + whole(time.tv_nsec()))
}
