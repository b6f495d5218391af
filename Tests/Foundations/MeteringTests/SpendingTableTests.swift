import Metering
import TestSupport
import Testing

struct SpendingTableTests {
  private let minute: UInt64 = 60_000_000
  private let start: UInt64 = 1_000_000_000_000

  @Test func `a burst is there at once, and comes back over time`() {
    var table = SpendingTable(placeCount: 64)
    let allowance = Allowance(burst: 3, perMinute: 6)
    for _ in 0..<3 { #expect(table.take(from: allowance, of: 7, at: start) == .allowed) }
    #expect(table.take(from: allowance, of: 7, at: start) == .refused(wait: minute / 6))
    #expect(table.take(from: allowance, of: 8, at: start) == .allowed)
    #expect(table.take(from: allowance, of: 7, at: start + minute / 6) == .allowed)
    #expect(table.take(from: allowance, of: 7, at: start + minute / 6) == .refused(wait: minute / 6))
    for _ in 0..<3 { #expect(table.take(from: allowance, of: 7, at: start + 2 * minute) == .allowed) }
    #expect(!table.take(from: allowance, of: 7, at: start + 2 * minute).isAllowed)
  }

  @Test func `what costs more than a burst can be had once in the time of a burst`() {
    var table = SpendingTable(placeCount: 64)
    let allowance = Allowance(burst: 10, perMinute: 10)
    #expect(table.take(.max, from: allowance, of: 1, at: start) == .allowed)
    #expect(table.take(1, from: allowance, of: 1, at: start) == .refused(wait: minute / 10))
    #expect(table.take(.max, from: allowance, of: 1, at: start) == .refused(wait: minute))
  }

  @Test func `a charge is taken without asking, and at most two bursts are owed`() {
    var table = SpendingTable(placeCount: 64)
    let allowance = Allowance(burst: 2, perMinute: 2)
    #expect(table.look(in: allowance, of: 1, at: start) == .allowed)
    for _ in 0..<100 { table.charge(5, to: allowance, of: 1, at: start) }
    // Two bursts are owed, and one must be there less one unit.
    #expect(table.look(in: allowance, of: 1, at: start) == .refused(wait: minute + minute / 2))
    #expect(table.look(in: allowance, of: 1, at: start + minute + minute / 2) == .allowed)
  }

  @Test func `who is charged nothing takes nobody's place`() {
    var table = SpendingTable(placeCount: 8)
    let allowance = Allowance(burst: 3, perMinute: 1)
    for party in UInt64(1)...8 { table.charge(1, to: allowance, of: party, at: start) }
    for party in UInt64(9)...99 { table.charge(0, to: allowance, of: party, at: start) }
    for party in UInt64(1)...8 { #expect(!table.take(3, from: allowance, of: party, at: start).isAllowed) }
  }

  @Test func `what is given back can be taken again, and never more than was taken`() {
    var table = SpendingTable(placeCount: 64)
    let allowance = Allowance(burst: 3, perMinute: 6)
    for _ in 0..<20 {
      #expect(table.take(2, from: allowance, of: 7, at: start).isAllowed)
      table.giveBack(2, to: allowance, of: 7, at: start)
    }
    for _ in 0..<10 { table.giveBack(5, to: allowance, of: 7, at: start) }
    for party: UInt64 in [7, 8] {
      // Also to who has taken nothing.
      table.giveBack(3, to: allowance, of: party, at: start)
      for _ in 0..<3 { #expect(table.take(from: allowance, of: party, at: start).isAllowed) }
      #expect(!table.take(from: allowance, of: party, at: start).isAllowed)
    }
    table.giveBack(.max, to: .unlimited, of: 7, at: start)
    table.giveBack(1, to: allowance, of: 7, at: start + 100 * minute)
    #expect(table.look(for: 3, in: allowance, of: 7, at: start + 100 * minute).isAllowed)
  }

  @Test func `without a bound everything is allowed`() {
    var table = SpendingTable(placeCount: 8)
    for _ in 0..<1_000 { #expect(table.take(.max, from: .unlimited, of: 1, at: start) == .allowed) }
  }

  @Test func `a clock that jumps back forgives instead of refusing for ever`() {
    var table = SpendingTable(placeCount: 8)
    let allowance = Allowance(burst: 1, perMinute: 1)
    #expect(table.take(from: allowance, of: 1, at: start) == .allowed)
    #expect(!table.take(from: allowance, of: 1, at: start - minute / 2).isAllowed)
    #expect(table.take(from: allowance, of: 1, at: start - 1_000 * minute) == .allowed)
    #expect(!table.take(from: allowance, of: 1, at: start - 1_000 * minute).isAllowed)
  }

  @Test func `extreme values do not trap`() {
    var table = SpendingTable(placeCount: .min)
    for allowance in [
      Allowance(burst: .max, perMinute: .max), Allowance(burst: .max, perMinute: .min), Allowance(burst: .min, perMinute: 1),
    ] {
      for now in [0, 1, UInt64.max / 4] {
        _ = table.take(.max, from: allowance, of: .max, at: now)
        _ = table.take(.min, from: allowance, of: .max, at: now)
        table.charge(.max, to: allowance, of: .max, at: now)
        _ = table.look(for: .max, in: allowance, of: 0, at: now)
      }
    }
  }

  @Test func `many parties who use little do not push out the one who has used much`() {
    var generator = SeededGenerator(for: "parties")
    var table = SpendingTable(placeCount: 64)
    let allowance = Allowance(burst: 10, perMinute: 1)
    for _ in 0..<10 { #expect(table.take(from: allowance, of: 5, at: start) == .allowed) }
    for _ in 0..<10_000 { _ = table.take(from: allowance, of: generator.next(), at: start) }
    #expect(!table.take(from: allowance, of: 5, at: start).isAllowed)
  }

  /// The slow obvious twin: units in a bucket, for a table in which nobody is pushed out.
  @Test func `it agrees with a bucket that is filled drop by drop`() {
    var generator = SeededGenerator(for: "buckets")
    var table = SpendingTable(placeCount: 1 << 12)
    let allowance = Allowance(burst: 5, perMinute: 60)
    let parties: [UInt64] = [1, 2, 3]
    var levels: [UInt64: Double] = [1: 5, 2: 5, 3: 5]
    var last = start
    var allowedCount = 0
    for _ in 0..<10_000 {
      let now = last + generator.next() % 1_500_000
      for (party, level) in levels { levels[party] = min(5, level + Double(now - last) / 1_000_000) }
      last = now
      let party = parties[Int(generator.next() % 3)]
      let units = Int(generator.next() % 4)
      let level = levels[party] ?? 0
      // Where rounding decides either is right.
      guard abs(level - Double(units)) > 1e-4 else { continue }
      let isAllowed = table.take(units, from: allowance, of: party, at: now).isAllowed
      #expect(isAllowed == (level >= Double(units)))
      if isAllowed {
        levels[party] = level - Double(units)
        allowedCount += 1
      }
    }
    #expect(allowedCount > 1_000)
  }
}
