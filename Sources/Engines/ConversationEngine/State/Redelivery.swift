import SottoProtocol
import WireFormat

/// Messages of ours that one device's full mailbox has yet to take (docs/protocol.md §11).
///
/// They are named by their numbers and sent as a resend, which is encrypted when it is sent: so what waits for weeks takes no room, and
/// opens under the keys of its day.
struct Redelivery: Sendable, WireCodable {
  /// As many as a device asks for at once. What comes on top is left to its asking.
  static let sequenceCount = SottoProtocol.Limits.resendCount
  /// How long it is tried, milliseconds: as long as a mailbox's owner may be away without losing what waits.
  static let patience = UInt64(SottoProtocol.Limits.expiryDays) * 86_400_000
  /// Between two attempts that found the mailbox full, milliseconds: first and longest.
  private static let pauses: (first: UInt64, longest: UInt64) = (60_000, 43_200_000)

  let conversation: ConversationID
  let device: PublicKey32
  /// Whose device it is; known also when it has gone.
  let identity: IdentityID
  /// Ascending; the first is the next to be sent.
  private(set) var sequences: [UInt64]
  /// Messages that were too many.
  private(set) var leftOutCount: UInt64 = 0
  /// When the first one was not taken; milliseconds since 1970.
  let since: UInt64
  /// Attempts in a row that found the mailbox full, and when the last one was.
  private(set) var fullCount: UInt32 = 1
  private(set) var triedAt: UInt64
  /// The first one, encrypted: sent again as it is while the answer is lost.
  var sealed: OutgoingMessage.Sealed?

  init(conversation: ConversationID, device: PublicKey32, identity: IdentityID, sequence: UInt64, now: UInt64) {
    self.conversation = conversation
    self.device = device
    self.identity = identity
    sequences = [sequence]
    since = now
    triedAt = now
  }

  /// Those that would be given up.
  var messageCount: UInt64 { UInt64(sequences.count) + leftOutCount }

  func isOver(at now: UInt64) -> Bool { now >= since + Self.patience }

  /// Takes one more message that must not overtake the others.
  mutating func add(_ sequence: UInt64) {
    guard !sequences.contains(sequence) else { return }
    guard sequences.count < Self.sequenceCount else { return leftOutCount += 1 }
    sequences.insert(sequence, at: sequences.firstIndex { $0 > sequence } ?? sequences.count)
    if sequences.first == sequence { sealed = nil }
  }

  /// The first one is done with.
  mutating func removeFirst() {
    sequences.removeFirst()
    sealed = nil
    fullCount = 0
  }

  /// Its device has these by other ways.
  mutating func remove(through sequence: UInt64) {
    guard let first = sequences.first, first <= sequence else { return }
    sequences.removeAll { $0 <= sequence }
    sealed = nil
  }

  /// The mailbox was full once more.
  mutating func noteFull(now: UInt64) {
    fullCount += 1
    triedAt = now
  }

  /// Bounds of the pause before the next attempt: doubled each time, half of it by chance.
  var pause: ClosedRange<UInt64> {
    let whole = min(Self.pauses.longest, Self.pauses.first << UInt64(min(max(1, fullCount), 16) - 1))
    return whole / 2...whole
  }

  /// When it may be tried at the earliest, whatever speaks for trying.
  var earliest: UInt64 { triedAt + Self.pauses.first }

  init(from reader: inout ByteReader) throws(WireError) {
    conversation = try reader.read()
    device = try reader.read()
    identity = try reader.read()
    sequences = try reader.readList(maxCount: Self.sequenceCount)
    leftOutCount = try reader.readUInt64()
    since = try reader.readUInt64()
    fullCount = try reader.readUInt32()
    triedAt = try reader.readUInt64()
    sealed = try reader.readOptional()
  }

  func encode(into writer: inout ByteWriter) {
    writer.write(conversation)
    writer.write(device)
    writer.write(identity)
    writer.writeList(sequences)
    writer.write(leftOutCount)
    writer.write(since)
    writer.write(fullCount)
    writer.write(triedAt)
    writer.writeOptional(sealed)
  }
}
