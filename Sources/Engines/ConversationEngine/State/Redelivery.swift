import SottoProtocol
import WireFormat

/// Messages of ours that one device's full mailbox has yet to take (docs/protocol.md §11).
///
/// They are named by their numbers and sent as a resend, which is encrypted when it is sent: so what waits for weeks takes no room, and
/// opens under the keys of its day.
struct Redelivery: Sendable, WireCodable {
  /// As many as a device asks for at once. What comes on top waits as a range.
  static let sequenceCount = SottoProtocol.Limits.resendCount
  /// How long it is tried without anything being taken, milliseconds: as long as a mailbox's owner may be away without losing what waits.
  static let patience = UInt64(SottoProtocol.Limits.expiryDays) * 86_400_000
  /// Between two attempts that found the mailbox full, milliseconds: first and longest.
  private static let pauses: (first: UInt64, longest: UInt64) = (60_000, 43_200_000)

  let conversation: ConversationID
  let device: PublicKey32
  /// Whose device it is; known also when it has gone.
  let identity: IdentityID
  /// Ascending; the first is the next to be sent.
  private(set) var sequences: [UInt64]
  /// So many numbers after the last of these wait as well, as far as they are for the device.
  private(set) var furtherCount: UInt64 = 0
  /// When the first one was not taken, or one before it was; milliseconds since 1970.
  private(set) var since: UInt64
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

  /// The last number that waits.
  var highest: UInt64 { (sequences.last ?? 0) + furtherCount }

  /// Whether a number waits here.
  func holds(_ sequence: UInt64) -> Bool {
    guard let last = sequences.last, sequence > last else { return sequences.contains(sequence) }
    return sequence <= highest
  }

  func isOver(at now: UInt64) -> Bool { now >= since + Self.patience }

  /// Takes one more message that must not overtake the others.
  mutating func add(_ sequence: UInt64) {
    guard !holds(sequence) else { return }
    let highest = max(highest, sequence)
    if let last = sequences.last, sequence > last, furtherCount > 0 || sequences.count >= Self.sequenceCount {
      furtherCount = highest - last
      return
    }
    if sequences.count >= Self.sequenceCount { sequences.removeLast() }
    sequences.insert(sequence, at: sequences.firstIndex { $0 > sequence } ?? sequences.count)
    furtherCount = highest - (sequences.last ?? highest)
    if sequences.first == sequence { sealed = nil }
  }

  /// The first one is done with.
  mutating func removeFirst() {
    guard let first = sequences.first else { return }
    remove(through: first)
    fullCount = 0
  }

  /// The first one was taken: the mailbox is one that takes something.
  mutating func noteTaken(now: UInt64) {
    removeFirst()
    since = now
  }

  /// Its device has these, or is not to have them.
  mutating func remove(through sequence: UInt64) {
    guard let first = sequences.first, first <= sequence, let last = sequences.last else { return }
    let highest = highest
    sequences.removeAll { $0 <= sequence }
    sealed = nil
    guard sequences.isEmpty else { return }
    // The next of those that were too many to be listed.
    furtherCount = 0
    let done = max(last, sequence)
    guard done < highest else { return }
    sequences = Array((done + 1...highest).prefix(Self.sequenceCount))
    furtherCount = highest - (sequences.last ?? highest)
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
    furtherCount = try reader.readUInt64()
    guard furtherCount <= UInt64.max - (sequences.last ?? 0) else { throw .invalidValue(furtherCount) }
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
    writer.write(furtherCount)
    writer.write(since)
    writer.write(fullCount)
    writer.write(triedAt)
    writer.writeOptional(sealed)
  }
}
