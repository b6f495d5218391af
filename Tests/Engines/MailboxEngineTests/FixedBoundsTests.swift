import Foundation
import MailboxEngine
import SottoProtocol
import Testing

/// The table of docs/operating.md that lists what an operator cannot set.
@Suite struct FixedBoundsTests {
  private static let bounds: [String: String] = [
    "quota period, days": count(ServerLimits.quotaPeriodDays),
    "invitations that one mailbox hands out in a period": count(ServerLimits.vouchersPerPeriod),
    "days in which a link can be used to register": count(ServerLimits.voucherDays),
    "tokens that one mailbox has signed in a period": count(ServerLimits.tokensPerPeriod),
    "days of a quarter; a key for tokens signs and is accepted for two": count(QuarterKeys.quarterDays),
    "envelopes that wait in one mailbox": count(Limits.mailboxEnvelopeCount),
    "bytes of envelopes that wait in one mailbox": bytes(Limits.mailboxByteCount),
    "days that an envelope or an entry of a log waits": count(Limits.expiryDays),
    "recipients of one send": count(Limits.recipientCount),
    "bytes of the copies of one append": bytes(ServerLimits.appendByteCount),
    "bytes of copies that are in memory, of all sends together": bytes(ServerLimits.copiesByteCount),
    "delivery keys of one mailbox": count(Limits.deliveryKeyCount),
    "entries that wait in one log": count(ServerLimits.logEntryCount),
    "bytes of entries that wait in one log": bytes(ServerLimits.logByteCount),
    "rotations of one slot of a log": count(ServerLimits.rotationsPerSlot),
    "key packages that one mailbox lays out in a period": count(ServerLimits.blobsPerPeriod),
    "key packages that wait under one invitation": count(ServerLimits.blobsPerCapability),
    "days that a key package may wait, at most": count(ServerLimits.blobDays),
    "bytes of one file": bytes(Limits.attachmentByteCount),
    "days that a file is kept, at most": count(Limits.expiryDays),
    "days after which an upload is gone that nobody goes on with": count(ServerLimits.unfinishedObjectDays),
    "days after which an upload is gone in any case": count(ServerLimits.unfinishedObjectLifeDays),
    "seconds after which who found no room may ask again": count(ServerLimits.noRoomRetrySeconds),
  ]

  @Test func `docs/operating.md lists every fixed bound with its value, and no others`() throws {
    let page = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../../docs/operating.md")
    let lines = try String(contentsOf: page, encoding: .utf8).split(separator: "\n", omittingEmptySubsequences: false)
    let section = lines.drop { !$0.hasPrefix("**What is fixed.**") }.dropFirst().prefix { !$0.hasPrefix("#") }
    let rows = section.filter { $0.hasPrefix("| ") }.dropFirst().map { line in
      line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
    }
    #expect(rows.count == Self.bounds.count)
    for row in rows { #expect(row.count == 2 && Self.bounds[row[0]] == row[1], "\(row)") }
  }

  private static func count(_ value: some BinaryInteger) -> String {
    let digits = Array(String(value))
    return digits.enumerated().map { index, digit in
      index > 0 && (digits.count - index).isMultiple(of: 3) ? ",\(digit)" : "\(digit)"
    }.joined()
  }

  private static func bytes(_ value: some BinaryInteger) -> String {
    for (unit, bits) in [("GiB", 30), ("MiB", 20), ("KiB", 10)] where value >= 1 << bits && value % (1 << bits) == 0 {
      return "\(count(value >> bits)) \(unit)"
    }
    return count(value)
  }
}
