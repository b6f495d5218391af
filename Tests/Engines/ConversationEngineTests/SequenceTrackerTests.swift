import CryptoSuite
import SottoProtocol
import TestSupport
import Testing
import WireFormat

@testable import ConversationEngine

@Suite struct SequenceTrackerTests {
  @Test func `numbers in order leave nothing missing`() {
    var tracker = SequenceTracker(fromStart: true)
    for number: UInt64 in 1...5 { #expect(tracker.insert(number)) }
    #expect(tracker.head == 5)
    #expect(tracker.missing(limit: 10).isEmpty)
  }

  @Test func `a number counts once`() {
    var tracker = SequenceTracker(fromStart: true)
    #expect(tracker.insert(2))
    #expect(!tracker.insert(2))
    #expect(!tracker.insert(0))
    #expect(tracker.insert(1))
    #expect(!tracker.insert(1))
  }

  @Test func `who came later misses nothing that was before, and may still get it`() {
    var tracker = SequenceTracker(fromStart: false)
    #expect(tracker.insert(57))
    #expect(tracker.missing(limit: 10).isEmpty)
    #expect(tracker.insert(56))
    #expect(tracker.insert(59))
    #expect(tracker.missing(limit: 10) == [58])
  }

  @Test func `a gap is seen, asked for in order and up to the limit, and closed`() {
    var tracker = SequenceTracker(fromStart: true)
    _ = tracker.insert(6)
    #expect(tracker.missing(limit: 3) == [1, 2, 3])
    #expect(tracker.head == 0)
    for number: UInt64 in [3, 1, 5, 2, 4] { #expect(tracker.insert(number)) }
    #expect(tracker.missing(limit: 3).isEmpty)
    #expect(tracker.head == 6)
  }

  @Test func `what others have seen is missed, within reason`() {
    var tracker = SequenceTracker(fromStart: true)
    _ = tracker.insert(1)
    tracker.expect(3)
    #expect(tracker.missing(limit: 10) == [2, 3])
    tracker.expect(UInt64.max)
    #expect(tracker.missing(limit: 10) == [2, 3])
    #expect(tracker.giveUpGaps() == 2)
    #expect(tracker.missing(limit: 10).isEmpty)
    #expect(tracker.head == 3)
  }

  @Test func `a peer's numbering cannot fill the memory`() {
    var tracker = SequenceTracker(fromStart: true)
    for number in stride(from: UInt64(2), through: 20_000, by: 2) { _ = tracker.insert(number) }
    #expect(tracker.encoded.count < 4_096)
    #expect(tracker.insert(UInt64.max))
    #expect(!tracker.insert(UInt64.max))
    #expect(tracker.missing(limit: 5).count == 5)
  }

  @Test func `it does what a plain set would do, whatever comes`() {
    var generator = SeededGenerator(for: "sequence tracker")
    for fromStart in [true, false] {
      var tracker = SequenceTracker(fromStart: fromStart)
      var seen: Set<UInt64> = []
      for _ in 0..<400 {
        let number = UInt64.random(in: 1...120, using: &generator)
        #expect(tracker.insert(number) == seen.insert(number).inserted)
        let lowest = fromStart ? 1 : seen.min() ?? 1
        let expected = (lowest...(seen.max() ?? lowest)).filter { !seen.contains($0) }
        #expect(tracker.missing(limit: 1_000) == Array(expected))
        let copy = try? SequenceTracker(decoding: tracker.encoded)
        #expect(copy == tracker)
      }
    }
  }
}

extension SequenceTracker {
  init(fromStart: Bool) {
    self.init(author: IdentityID(trusted: [UInt8](repeating: 7, count: IdentityID.byteCount)), fromStart: fromStart)
  }
}
