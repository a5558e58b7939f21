//! What the Rust binding does not offer and the C library does. All unsafe code of the workers is here.

#![expect(unsafe_code, reason = "calls librdkafka functions that the binding does not wrap")]

use std::ffi::{CStr, c_char, c_void};

use nix::libc;
use rdkafka::TopicPartitionList;
use rdkafka::bindings;
use rdkafka::client::{Client, ClientContext};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::BorrowedMessage;

use crate::outcome::Persisted;

/// Whether an attempt to store this record may have reached a log. Only for records of a delivery report.
pub(crate) fn persisted(message: &BorrowedMessage<'_>) -> Persisted {
    // SAFETY: the pointer belongs to the borrowed message, which outlives this call; the library reads a field.
    let status = unsafe { bindings::rd_kafka_message_status(message.ptr()) };
    match status {
        bindings::rd_kafka_msg_status_t::RD_KAFKA_MSG_STATUS_NOT_PERSISTED => Persisted::No,
        bindings::rd_kafka_msg_status_t::RD_KAFKA_MSG_STATUS_POSSIBLY_PERSISTED
        | bindings::rd_kafka_msg_status_t::RD_KAFKA_MSG_STATUS_PERSISTED => Persisted::Possibly,
    }
}

/// Generation or member epoch of a group member, once it has joined.
pub(crate) fn generation<C: ClientContext>(client: &Client<C>) -> Option<i64> {
    // SAFETY: the client outlives the call; the metadata is a copy of ours, freed below; null is not dereferenced.
    unsafe {
        let metadata = bindings::rd_kafka_consumer_group_metadata(client.native_ptr());
        if metadata.is_null() {
            return None;
        }
        let generation = bindings::rd_kafka_consumer_group_metadata_generation_id(metadata);
        bindings::rd_kafka_consumer_group_metadata_destroy(metadata);
        (generation >= 0).then_some(generation.into())
    }
}

/// Begins to commit positions; the answer comes as a call of the context's `commit_callback` from a later poll.
/// The binding's own asynchronous commit gives no answer at all: it names no queue, and without a C callback the
/// library then drops the result (`rd_kafka_commit`, `rd_kafka_cgrp_propagate_commit_result` of 2.12).
///
/// # Errors
/// When the library does not even begin.
pub(crate) fn commit_without_waiting<C: ClientContext>(
    client: &Client<C>,
    positions: &TopicPartitionList,
) -> Result<(), RDKafkaErrorCode> {
    // SAFETY: the client and the list outlive the call, which copies the list; the queue is reference-counted, and
    // our reference is given back; without a callback the opaque pointer is not used.
    let error = unsafe {
        let queue = bindings::rd_kafka_queue_get_consumer(client.native_ptr());
        if queue.is_null() {
            return Err(RDKafkaErrorCode::UnknownGroup);
        }
        let nothing = std::ptr::null_mut();
        let error =
            bindings::rd_kafka_commit_queue(client.native_ptr(), positions.ptr(), queue, None, nothing);
        bindings::rd_kafka_queue_destroy(queue);
        error
    };
    let code = RDKafkaErrorCode::from(error);
    if code == RDKafkaErrorCode::NoError { Ok(()) } else { Err(code) }
}

/// The library's own documentation of its properties, as it prints it: one line of columns for each.
pub(crate) fn properties() -> String {
    let mut text: *mut c_char = std::ptr::null_mut();
    let mut size: libc::size_t = 0;
    // SAFETY: both pointers stay valid until the stream is closed, which is when they are filled in; the buffer is
    // zero-terminated by open_memstream and freed once.
    unsafe {
        let stream = libc::open_memstream(&raw mut text, &raw mut size);
        assert!(!stream.is_null(), "open_memstream fails only without memory");
        bindings::rd_kafka_conf_properties_show(stream.cast());
        libc::fclose(stream);
        let owned = CStr::from_ptr(text).to_string_lossy().into_owned();
        libc::free(text.cast::<c_void>());
        owned
    }
}
