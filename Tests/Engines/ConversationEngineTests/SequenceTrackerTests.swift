import CryptoSuite
import SottoProtocol
import TestSupport
import Testing
import WireFormat

@testable import ConversationEngine

@Suite struct SequenceTrackerTests {
  @Test func `numbers in order leave nothing missing`() {
    var tracker = SequenceTracker(fromStart: true)
    let results = tracker.inserting([1, 2, 3, 4, 5])
    #expect(results.allSatisfy { $0 })
    #expect(tracker.head == 5)
    #expect(tracker.missing(limit: 10).isEmpty)
  }

  @Test func `a number counts once`() {
    var tracker = SequenceTracker(fromStart: true)
    let results = tracker.inserting([2, 2, 0, 1, 1])
    #expect(results == [true, false, false, true, false])
  }

  @Test func `who came later misses nothing that was before, and may still get it`() {
    var tracker = SequenceTracker(fromStart: false)
    _ = tracker.insert(57)
    #expect(tracker.missing(limit: 10).isEmpty)
    let results = tracker.inserting([56, 59])
    #expect(results == [true, true])
    #expect(tracker.missing(limit: 10) == [58])
  }

  @Test func `a gap is seen, asked for in order and up to the limit, and closed`() {
    var tracker = SequenceTracker(fromStart: true)
    _ = tracker.insert(6)
    #expect(tracker.missing(limit: 3) == [1, 2, 3])
    #expect(tracker.head == 0)
    let results = tracker.inserting([3, 1, 5, 2, 4])
    #expect(results.allSatisfy { $0 })
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
    let lost = tracker.giveUpGaps()
    #expect(lost == 2)
    #expect(tracker.missing(limit: 10).isEmpty)
    #expect(tracker.head == 3)
  }

  @Test func `a peer's numbering cannot fill the memory`() {
    var tracker = SequenceTracker(fromStart: true)
    for number in stride(from: UInt64(2), through: 20_000, by: 2) { _ = tracker.insert(number) }
    #expect(tracker.encoded.count < 4_096)
    let results = tracker.inserting([UInt64.max, UInt64.max])
    #expect(results == [true, false])
    #expect(tracker.missing(limit: 5).count == 5)
  }

  @Test func `it does what a plain set would do, whatever comes`() {
    var generator = SeededGenerator(for: "sequence tracker")
    for fromStart in [true, false] {
      var tracker = SequenceTracker(fromStart: fromStart)
      var seen: Set<UInt64> = []
      for _ in 0..<400 {
        let number = UInt64.random(in: 1...120, using: &generator)
        let isNew = tracker.insert(number)
        let wasNew = seen.insert(number).inserted
        #expect(isNew == wasNew)
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

extension SequenceTracker {
  /// What `insert` says of each.
  fileprivate mutating func inserting(_ numbers: [UInt64]) -> [Bool] { numbers.map { insert($0) } }
}
