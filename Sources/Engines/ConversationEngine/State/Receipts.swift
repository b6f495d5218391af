import SottoProtocol
import WireFormat

/// What this device and one other have told each other of what they have (docs/protocol.md §11).
struct Receipts: Hashable, Sendable, WireCodable {
  /// The highest of our numbers that it said it has, without a gap below it; or where we were when it came.
  var heard: UInt64
  /// The highest of its numbers that it was told we have.
  private(set) var told: UInt64 = 0
  /// When it is told of what came since, if nothing else has told it by then; milliseconds since 1970, 0 for nothing to tell.
  private(set) var tellAt: UInt64 = 0
  /// Our person knows that it has not fetched what it was to have; until it is heard of again they are not told a second time.
  var isMissed = false
  /// When it was last sent anything that tells it what we have; milliseconds since 1970, by our clock then.
  private(set) var toldAt: UInt64 = 0
  /// Of our numbers up to this one, some wait for its room no more: it gets them when it says that it lacks them.
  private(set) var givenUpThrough: UInt64 = 0

  init(heard: UInt64) { self.heard = heard }

  /// It has said what it has of ours.
  ///
  /// - Parameter bound: the highest number of ours that there is: nobody has more.
  mutating func hear(_ sequence: UInt64, bound: UInt64) {
    guard min(sequence, bound) > heard else { return }
    heard = min(sequence, bound)
    isMissed = false
  }

  /// Something of its has come.
  ///
  /// - Parameters:
  ///   - head: what we have of it by now.
  ///   - time: when it is told at the latest.
  mutating func owe(_ head: UInt64, by time: UInt64) {
    if head > told { tellAt = tellAt == 0 ? time : min(tellAt, time) }
  }

  /// It is told at this time, whether or not anything came: it may have sent what did not.
  mutating func planTelling(at time: UInt64) { tellAt = time }

  /// It was told what we have of it.
  mutating func noteTold(_ head: UInt64, now: UInt64) {
    told = max(told, head)
    tellAt = 0
    toldAt = now
  }

  /// Whether it was told anything within so many milliseconds. A time to come was a wrong clock's.
  func wasTold(within time: UInt64, of now: UInt64) -> Bool { toldAt <= now && now - toldAt < time }

  /// What waited for its room up to this number waits no more.
  mutating func giveUp(through sequence: UInt64) { givenUpThrough = max(givenUpThrough, sequence) }

  init(from reader: inout ByteReader) throws(WireError) {
    try self.init(ofVersionTwo: &reader)
    toldAt = try reader.readUInt64()
    givenUpThrough = try reader.readUInt64()
  }

  /// Reads what a conversation's record of version 2 has of it.
  init(ofVersionTwo reader: inout ByteReader) throws(WireError) {
    heard = try reader.readUInt64()
    told = try reader.readUInt64()
    tellAt = try reader.readUInt64()
    isMissed = try reader.readBool()
  }

  func encode(into writer: inout ByteWriter) {
    writer.write(heard)
    writer.write(told)
    writer.write(tellAt)
    writer.writeBool(isMissed)
    writer.write(toldAt)
    writer.write(givenUpThrough)
  }
}

/// Up to which number a device had sent on each of its last days: what tells which of its messages a server keeps no more.
struct SentDays: Hashable, Sendable, WireCodable {
  /// A server deletes an envelope on the thirtieth day after it came; one day is for clocks that differ.
  static let patience = UInt64(SottoProtocol.Limits.expiryDays) + 1

  private struct Entry: Hashable, Sendable, WireCodable {
    /// Since 1970.
    var day: UInt64
    var last: UInt64

    init(day: UInt64, last: UInt64) {
      self.day = day
      self.last = last
    }

    init(from reader: inout ByteReader) throws(WireError) {
      day = try reader.readUInt64()
      last = try reader.readUInt64()
    }

    func encode(into writer: inout ByteWriter) {
      writer.write(day)
      writer.write(last)
    }
  }

  /// A day each, and some more than the patience has for days on which nobody looked.
  private static let entryCount = 64
  /// A clock that is behind by no more than so many days is taken for one that is wrong now.
  static let clockFaultDays: UInt64 = 400
  /// Ascending.
  private var entries: [Entry] = []
  /// No server has anything up to this number any more.
  private(set) var expiredSequence: UInt64 = 0

  init() {}

  /// Notes that a message is on its way on some day. When the clock was set back by a little, it counts for the newest day there is.
  mutating func note(_ sequence: UInt64, day: UInt64) {
    correct(day)
    if let last = entries.last, last.day >= day {
      entries[entries.count - 1].last = max(last.last, sequence)
    } else {
      // Each entry counts from the beginning, so one can go into the next.
      if entries.count == Self.entryCount { entries.removeFirst() }
      entries.append(Entry(day: day, last: sequence))
    }
  }

  /// Moves what has become too old to what no server has.
  ///
  /// - Returns: whether there was any.
  mutating func expire(today: UInt64) -> Bool {
    correct(today)
    let count = entries.prefix { $0.day + Self.patience <= today }.count
    guard count > 0 else { return false }
    expiredSequence = max(expiredSequence, entries[count - 1].last)
    entries.removeFirst(count)
    return true
  }

  /// A day that is far ahead was a wrong clock's. If it is ahead by less, today's clock may be the wrong one, and nothing is called old for it.
  private mutating func correct(_ today: UInt64) {
    guard let newest = entries.last?.day, newest > today, newest - today > Self.clockFaultDays else { return }
    let count = entries.prefix { $0.day <= today }.count
    guard count < entries.count else { return }
    let last = entries.reduce(0) { max($0, $1.last) }
    entries.removeLast(entries.count - count)
    if entries.last?.day != today { entries.append(Entry(day: today, last: last)) }
    entries[entries.count - 1].last = last
  }

  init(from reader: inout ByteReader) throws(WireError) {
    entries = try reader.readList(maxCount: Self.entryCount)
    expiredSequence = try reader.readUInt64()
  }

  func encode(into writer: inout ByteWriter) {
    writer.writeList(entries)
    writer.write(expiredSequence)
  }
}
