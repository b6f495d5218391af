/// How bad a simulated world's network is. Shares are of 1; times are in milliseconds.
package struct Faults: Sendable {
  /// A call that the server never sees.
  package var lossBefore = 0.0
  /// A call that the server answers, and the answer is lost.
  package var lossAfter = 0.0
  /// A call that comes to the server twice.
  package var duplicate = 0.0
  /// A stream that is cut after a message.
  package var cut = 0.0
  /// A mailbox that is full for one copy.
  package var full = 0.0
  /// Of those, one that is said to have been taken: nobody tries it again.
  package var swallowed = 0.5
  package var longestDelay: UInt64 = 20

  package static let none = Faults()
  package static let bad = Faults(lossBefore: 0.08, lossAfter: 0.08, duplicate: 0.1, cut: 0.05, full: 0.02, longestDelay: 400)

  package init(
    lossBefore: Double = 0, lossAfter: Double = 0, duplicate: Double = 0, cut: Double = 0, full: Double = 0, longestDelay: UInt64 = 20
  ) {
    self.lossBefore = lossBefore
    self.lossAfter = lossAfter
    self.duplicate = duplicate
    self.cut = cut
    self.full = full
    self.longestDelay = longestDelay
  }
}
