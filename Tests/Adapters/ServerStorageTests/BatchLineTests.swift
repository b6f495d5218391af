import Testing

@testable import ServerStorage

struct BatchLineTests {
  @Test func `what waits is taken in its order, by as many as there are lanes, until nothing waits`() {
    var line = BatchLine<Int>(batchCount: 2, laneCount: 2)
    let calls = (1...5).map { line.add($0) }
    #expect(calls == [true, true, false, false, false])
    let batches = [line.takeBatch(), line.takeBatch()]
    #expect(batches == [[1, 2], [3, 4]])
    // The second comes back for what is left, too, and finds nothing.
    let comeBack = [line.endBatch(), line.endBatch()]
    #expect(comeBack == [true, true])
    let rest = [line.takeBatch(), line.takeBatch()]
    #expect(rest == [[5], []])
    let goOn = [line.endBatch(), line.endBatch(), line.add(6)]
    #expect(goOn == [false, false, true])
  }
}
