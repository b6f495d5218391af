import SottoProtocol

/// The server's own bounds, beside those of the protocol (docs/protocol.md §1), each with its reason.
public enum ServerLimits {
  /// Bytes of envelopes on their way to a device that it has not acknowledged: eight of the largest frames, so that a
  /// slow reader costs little memory and a fast one is never idle.
  public static let unacknowledgedByteCount = 2 << 20
  /// Bytes of envelopes, or one envelope, that a session hands to its stream at a time.
  public static let deliveryByteCount = 256 << 10
  /// Vouchers that one mailbox may hand out in one quota period.
  public static let vouchersPerPeriod = 128
  /// Tokens that one mailbox may have signed in one quota period.
  public static let tokensPerPeriod = 2_048
  /// Key-package blobs that one mailbox may publish in one quota period: 16 MiB of the largest.
  public static let blobsPerPeriod = 1_024
  /// Blobs that wait under one capability.
  public static let blobsPerCapability = 32
  /// Bytes of files that a server keeps unless it is told otherwise: what a small machine's disk can miss.
  public static let objectQuotaByteCount: UInt64 = 32 << 30
  /// Days after which an upload that nobody goes on with is deleted: the day on which it was last written to ends, and one whole day more.
  public static let unfinishedObjectDays: UInt32 = 2
  /// Days after which an upload is deleted however often it is gone on with: the largest file at 100 KiB a second.
  public static let unfinishedObjectLifeDays: UInt32 = 8
  /// Seconds after which who found no room may ask again: what makes room is done about once a minute.
  public static let noRoomRetrySeconds: UInt32 = SottoProtocol.Limits.noRoomRetrySeconds
  /// Days of a quota period. It is the same for all mailboxes, so that no mailbox's row carries a day.
  public static let quotaPeriodDays: UInt32 = 30
  /// Days that a voucher can be used.
  public static let voucherDays: UInt32 = 30
  /// Most days that a published blob may wait.
  public static let blobDays: UInt32 = 365
  /// Bytes of sealed copies that one transaction of a send may carry; a larger send becomes several.
  public static let sendBatchByteCount = 8 << 20
  /// Bytes of sealed copies that one append may carry, which are one transaction: twice a conversation's devices with the largest entry.
  public static let appendByteCount = 32 << 20
  /// Bytes of sealed copies that all sends and appends together hold in memory: two of the largest appends. Others wait meanwhile.
  public static let copiesByteCount = 64 << 20
  /// Recipients that one transaction of a send may carry: the writer is free again after a few milliseconds.
  public static let sendBatchCount = 128
  /// Entries of one log that wait to expire: a commit every four minutes for a month.
  public static let logEntryCount = 10_000
  /// Bytes of entries of one log that wait to expire: as much as a mailbox holds.
  public static let logByteCount = 64 << 20
  /// Bytes of entries in one answer to `read_log`; the rest of a call's 1 MiB is for the headers.
  public static let logPageByteCount = (1 << 20) - 8_192
  /// Entries in one answer to `read_log`: as many as there are of 4 KiB, so that small ones make no answer dearer.
  public static let logPageEntryCount = 256
  /// Rotations without an append that one slot of a log can see.
  public static let rotationsPerSlot = 64
  /// Seconds that a statement of the server's identity is valid.
  public static let statementValidity: UInt64 = 7 * 86_400
}
