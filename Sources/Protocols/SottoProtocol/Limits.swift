/// The protocol's bounds (docs/protocol.md §1), each with its reason.
public enum Limits {
  /// Largest frame, bytes. Larger content belongs into blobs; a server can hold a thousand frames of slow readers in 256 MiB.
  public static let frameByteCount = 262_144
  /// Smallest frame, bytes: a short text with its MLS and content headers fits.
  public static let smallestFrameByteCount = 512
  /// Largest body of `POST /v1/call`, bytes: an append with an entry and a GroupInfo frame, and 1,024 recipients.
  public static let callByteCount = 1_048_576
  /// Largest message of a stream, bytes: one sealed frame with its headers.
  public static let streamMessageByteCount = 327_680
  /// Recipients of one send or append.
  public static let recipientCount = 1_024
  /// Devices in one conversation: the tree of so many X-Wing leaves still fits a frame.
  public static let conversationDeviceCount = 64
  /// Envelopes that one mailbox holds.
  public static let mailboxEnvelopeCount = 10_000
  /// Bytes of sealed envelopes that one mailbox holds.
  public static let mailboxByteCount = 64 << 20
  /// Days that an envelope or a log entry waits.
  public static let expiryDays = 30
  /// Seconds by which two clocks that are thought right may differ: a key package begins so long before it is made, and is offered until so
  /// long before its end.
  public static let clockSlackSeconds: UInt64 = 86_400
  /// Seconds that a key package may be good for (RFC 9420 §7.2): as long as a bundle waits, and the slack for wrong clocks before and
  /// after.
  public static let keyPackageSeconds = UInt64(expiryDays) * 86_400 + 2 * clockSlackSeconds
  /// Seconds after which who found no room may ask again: what makes room is done about once a minute. A call's answer says so; on a stream
  /// it is not said.
  public static let noRoomRetrySeconds: UInt32 = 120
  /// Envelopes on their way to a device that it has not acknowledged.
  public static let unacknowledgedEnvelopeCount = 64
  /// Delivery-key hashes of one mailbox, padding included.
  public static let deliveryKeyCount = 4_096
  /// The set of delivery-key hashes is padded to a multiple of this.
  public static let deliveryKeyPadding = 16
  /// Administrators' keys of one log.
  public static let administratorKeyCount = 16
  /// Key-package blobs in one `publish`.
  public static let publishedBlobCount = 32
  /// Bytes of one key-package blob: an X-Wing key package is about 3 KiB.
  public static let blobByteCount = 16_384
  /// Vouchers asked for at once.
  public static let voucherCount = 16
  /// Tokens that one voucher has signed: for a mailbox, and for the first conversations before the stream brings more.
  public static let tokensPerVoucher = 4
  /// Tokens that an owner has signed at once: 4 KiB, and 8 ms of the server's time.
  public static let issueCount = 16
  /// Quarters whose issuer keys one identity statement names: this one and the one before.
  public static let statementQuarterCount = 2
  /// Bytes of a stream cursor.
  public static let cursorByteCount = 64
  /// TLS keys that one identity statement names.
  public static let statementKeyCount = 8
  /// Entries of one device log.
  public static let deviceLogEntryCount = 64
  /// Bytes of one text message.
  public static let textByteCount = 60_000
  /// Bytes of a name or a title, UTF-8.
  public static let nameByteCount = 128
  /// Heads in one content.
  public static let headCount = 16
  /// Missing sequences asked for in one resend request.
  public static let resendCount = 256
  /// Wrap keys that a receiver keeps of one conversation.
  public static let wrapKeyCount = 4
  /// Slots, sequences and generations are below this, so that whoever counts on from one never overflows.
  public static let counterBound: UInt64 = 1 << 62
  /// Bytes of one leaf: 64 of them, with the nodes above them, fit a frame. A person with four devices needs about this much.
  public static let leafByteCount = 2_560
  /// Bytes of a file that goes with a message: 64 GiB. Its tokens still fit one call.
  public static let attachmentByteCount: UInt64 = 1 << 36
  /// Bytes of an object on a server: the largest file, and a tag for each of its segments.
  public static let objectByteCount: UInt64 = (1 << 36) + (1 << 24)
  /// Bytes written to or read from an object in one call: eight sealed segments, half of what a call may hold. It is what one
  /// connection costs in memory on either side.
  public static let objectPieceByteCount = 8 * 65_552
  /// Bytes of an object that one token pays for.
  public static let objectBytesPerToken: UInt64 = 256 << 20
  /// Tokens shown at once: what the largest object costs.
  public static let objectTokenCount = 257
  /// Bytes of a file's name; what file systems take.
  public static let fileNameByteCount = 255
  /// Bytes of a media type (RFC 6838 §4.2).
  public static let mediaTypeByteCount = 255
  /// Bytes of what is shown in place of content that is not understood.
  public static let fallbackByteCount = 1_024
  /// Bytes of a host name (RFC 1035 §2.3.4).
  public static let hostByteCount = 253
}
