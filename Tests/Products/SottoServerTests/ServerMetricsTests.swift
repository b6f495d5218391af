import ServerStorage
import SottoProtocol
import Synchronization
import Testing
import WireFormat

@testable import SottoServer

@Suite struct ServerMetricsTests {
  /// A first byte that starts some value is one that has a name; found by what the decoder says of an unknown one.
  private func isKnown<Value: WireDecodable>(_ first: UInt8, of _: Value.Type) -> Bool {
    do {
      _ = try Value(decoding: [first])
      return true
    } catch .invalidValue(let value) {
      return value != UInt64(first)
    } catch { return true }
  }

  @Test func `every kind of request and of answer has a name in the figures`() {
    let requests = (UInt8.min...UInt8.max).filter { isKnown($0, of: Request.self) }
    let answers = (UInt8.min...UInt8.max).filter { isKnown($0, of: Answer.self) }
    #expect(requests.count >= 15 && answers.count >= 20)
    for first in requests { #expect(ServerMetrics.kind(of: [first]) != "other", "request \(first)") }
    for first in answers { #expect(ServerMetrics.outcome([first]) != "other", "answer \(first)") }
    #expect(Set(requests.map { ServerMetrics.kind(of: [$0]) }).count == requests.count)
    #expect(Set(answers.map { ServerMetrics.outcome([$0]) }).count == answers.count)
    #expect(ServerMetrics.kind(of: [255]) == "other" && ServerMetrics.kind(of: []) == "other")
  }

  @Test func `rows are counted at once where that is quick, and seldom where it takes long`() async {
    let clock = Mutex(ContinuousClock.now)
    let rounds = Mutex(0)
    let slowness = Mutex(Duration.zero)
    let counter = RowCounter(now: { clock.withLock { $0 } }) {
      clock.withLock { $0 += slowness.withLock { $0 } }
      return rounds.withLock {
        $0 += 1
        return StoreCounts(rows: ["envelopes": $0])
      }
    }
    #expect(await counter.counts()?.rows == ["envelopes": 1])
    #expect(await counter.counts()?.rows == ["envelopes": 1])
    clock.withLock { $0 += .seconds(1) }
    slowness.withLock { $0 = .seconds(3) }
    #expect(await counter.counts()?.rows == ["envelopes": 2])
    clock.withLock { $0 += .seconds(299) }
    #expect(await counter.counts()?.rows == ["envelopes": 2])
    clock.withLock { $0 += .seconds(1) }
    #expect(await counter.counts()?.rows == ["envelopes": 3])
  }
}
