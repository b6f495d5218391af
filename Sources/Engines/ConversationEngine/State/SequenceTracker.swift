import SottoProtocol
import WireFormat

/// Which of one device's messages have been seen: what finds gaps, and knows a message that comes twice.
struct SequenceTracker: Hashable, Sendable, WireCodable {
  /// Ranges kept before the lowest gap is given up, so that a peer's numbering cannot fill this device's memory.
  static let rangeCount = 128

  private struct Span: Hashable, Sendable, WireCodable {
    var first: UInt64
    var last: UInt64

    init(first: UInt64, last: UInt64) {
      self.first = first
      self.last = last
    }

    init(from reader: inout ByteReader) throws(WireError) {
      first = try reader.readUInt64()
      last = try reader.readUInt64()
      guard first <= last, first > 0 else { throw .invalidValue(first) }
    }

    func encode(into writer: inout ByteWriter) {
      writer.write(first)
      writer.write(last)
    }
  }

  /// Whose device it is.
  let author: IdentityID
  /// The epoch in which the device came, and began to count: what it sent in an earlier one belongs to an earlier membership.
  let since: UInt64
  /// How often what is missing now was asked for.
  var requestCount: UInt32 = 0
  /// Disjoint, ascending, with at least one missing number between two.
  private var spans: [Span] = []
  /// The highest number that others said they had seen.
  private var expected: UInt64 = 0

  /// - Parameter fromStart: the device's first message is number 1 for us too; else the first that comes says where we begin.
  init(author: IdentityID, since: UInt64 = 0, fromStart: Bool) {
    self.author = author
    self.since = since
    // Number 0 is never sent, so the span 0...0 says "nothing before 1 is missing".
    if fromStart { spans = [Span(first: 0, last: 0)] }
  }

  init(from reader: inout ByteReader) throws(WireError) {
    author = try reader.read()
    since = try reader.readUInt64()
    requestCount = try reader.readUInt32()
    let fromStart = try reader.readUInt8()
    let end = try reader.readUInt64()
    expected = try reader.readUInt64()
    spans = try reader.readList(maxCount: Self.rangeCount)
    if fromStart == 1 { spans.insert(Span(first: 0, last: end), at: 0) }
  }

  func encode(into writer: inout ByteWriter) {
    writer.write(author)
    writer.write(since)
    writer.write(requestCount)
    if let first = spans.first, first.first == 0 {
      writer.write(UInt8(1))
      writer.write(first.last)
      writer.write(expected)
      writer.writeList(spans.dropFirst())
    } else {
      writer.write(UInt8(0))
      writer.write(UInt64(0))
      writer.write(expected)
      writer.writeList(spans)
    }
  }

  /// Nothing of this device was ever seen or expected.
  var isUnstarted: Bool { spans.isEmpty }

  /// What follows this number is for us.
  mutating func begin(after sequence: UInt64) {
    if spans.isEmpty { spans = [Span(first: 0, last: sequence)] }
  }

  func contains(_ sequence: UInt64) -> Bool {
    spans.contains { $0.first <= sequence && sequence <= $0.last }
  }

  /// Notes a number.
  ///
  /// - Returns: false when it was noted before.
  mutating func insert(_ sequence: UInt64) -> Bool {
    guard sequence > 0, !contains(sequence) else { return false }
    let index = spans.firstIndex { $0.first > sequence } ?? spans.count
    spans.insert(Span(first: sequence, last: sequence), at: index)
    join(at: index)
    if index > 0 { join(at: index - 1) }
    if spans.count > Self.rangeCount { giveUpLowestGap() }
    return true
  }

  /// Somebody has seen this number, so it exists.
  mutating func expect(_ sequence: UInt64) {
    // A peer's word moves it a little ahead at most: a lie costs a few requests and no more.
    guard let last = spans.last?.last, sequence > last, sequence - last <= UInt64(Limits.resendCount) else { return }
    expected = max(expected, sequence)
  }

  /// The highest number seen without a gap below it.
  var head: UInt64 { spans.first?.last ?? 0 }

  /// Missing numbers, the lowest first, at most `limit`.
  func missing(limit: Int) -> [UInt64] {
    var numbers: [UInt64] = []
    for (span, next) in zip(spans, spans.dropFirst()) {
      var number = span.last + 1
      while number < next.first {
        guard numbers.count < limit else { return numbers }
        numbers.append(number)
        number += 1
      }
    }
    if let last = spans.last?.last, expected > last {
      var number = last + 1
      while number <= expected, numbers.count < limit {
        numbers.append(number)
        number += 1
      }
    }
    return numbers
  }

  /// Stops waiting for everything that is missing now.
  ///
  /// - Returns: how many numbers were given up.
  mutating func giveUpGaps() -> UInt64 {
    var count: UInt64 = 0
    while spans.count > 1 { count = count &+ giveUpLowestGap() }
    if let last = spans.last?.last, expected > last {
      count = count &+ (expected - last)
      spans[spans.count - 1].last = expected
    }
    return count
  }

  @discardableResult
  private mutating func giveUpLowestGap() -> UInt64 {
    guard spans.count > 1 else { return 0 }
    let lost = spans[1].first - spans[0].last - 1
    spans[0].last = spans[1].last
    spans.remove(at: 1)
    return lost
  }

  private mutating func join(at index: Int) {
    guard index >= 0, index + 1 < spans.count, spans[index].last == spans[index + 1].first - 1 else { return }
    spans[index].last = spans[index + 1].last
    spans.remove(at: index + 1)
  }
}
