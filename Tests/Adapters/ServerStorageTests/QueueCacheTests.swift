import MailboxEngine
import MailboxEngineTesting
import SottoProtocol
import Testing

@testable import ServerStorage

struct QueueCacheTests {
  private let cache = QueueCache()
  private let name = StoredName(trusted: [UInt8](repeating: 1, count: 32))
  private let page = PageLimit(count: 10, byteCount: 1 << 20)
  private let today = Day(number: 100)

  private func queue(_ sequences: ClosedRange<UInt64>) -> Queue {
    var queue = Queue()
    for sequence in sequences {
      queue.add(Queue.Item(sequence: sequence, expires: 130, slot: UInt32(clamping: sequence), byteCount: 10))
    }
    return queue
  }

  private func acknowledgeAll() {
    _ = cache.acknowledge(name, through: 9, dueCount: 3) { [QueueCache.Deletion(number: Int64($0.slot), isMarked: false)] }
  }

  private func sequences() -> [UInt64]? { cache.page(name, after: 0, page, today: today)?.map(\.sequence) }

  @Test func `what a transaction has deleted is not deleted again when another write of it was taken back`() {
    cache.put(queue(1...3), name)
    acknowledgeAll()
    #expect(cache.beginDeletion(atMost: 9).count == 3)
    cache.undo()
    cache.end(isCommitted: true)
    // The slots are free by now, and may hold other envelopes.
    #expect(!cache.hasDeletions && !cache.isDeleted(1))
  }

  @Test func `what was not deleted after all is deleted the next time`() {
    cache.put(queue(1...3), name)
    acknowledgeAll()
    _ = cache.beginDeletion(atMost: 9)
    cache.end(isCommitted: false)
    #expect(cache.isDeleted(1))
    let again = cache.beginDeletion(atMost: 9)
    #expect(again.count == 3)
    // The deletion itself failed, and its transaction stands.
    cache.abandonDeletion(again)
    cache.undo()
    cache.end(isCommitted: true)
    #expect(cache.isDeleted(1))
  }

  @Test func `a part is deleted at a time, none of it twice, and a transaction that fails takes back its own`() {
    cache.put(queue(1...9), name)
    acknowledgeAll()
    let parts = [cache.beginDeletion(atMost: 4), cache.beginDeletion(atMost: 4)]
    #expect(parts.map(\.count) == [4, 4] && Set(parts.joined()).count == 8)
    cache.abandonDeletion(parts[1])
    cache.end(isCommitted: true)
    let rest = cache.beginDeletion(atMost: 9)
    #expect(rest.count == 5 && Set(rest).isSuperset(of: parts[1]))
    cache.end(isCommitted: true)
    #expect(!cache.hasDeletions)
  }

  @Test func `after a deletion that failed none is due until one succeeded`() {
    cache.put(queue(1...9), name)
    func acknowledge(_ sequence: UInt64) -> Bool? {
      cache.acknowledge(name, through: sequence, dueCount: 3) { [QueueCache.Deletion(number: Int64($0.slot), isMarked: false)] }
    }
    #expect(acknowledge(2) == false)
    #expect(acknowledge(3) == true)
    _ = cache.beginDeletion(atMost: 9)
    cache.end(isCommitted: false)
    cache.put(queue(4...9), name)
    #expect(acknowledge(4) == false)
    _ = cache.beginDeletion(atMost: 1)
    cache.end(isCommitted: true)
    #expect(acknowledge(5) == true)
  }

  @Test func `a reader leaves its queue only where the writer has not been, and no write was taken back`() {
    let load = cache.beginLoad(name)
    cache.endLoad(load, name, queue(1...1))
    #expect(sequences() == [1])
    // The writer was there between the reader's look and its beginning.
    let late = cache.beginLoad(name)
    cache.endLoad(late, name, Queue())
    #expect(sequences() == [1])
    let overtaken = cache.beginLoad(name)
    cache.put(queue(1...2), name)
    cache.endLoad(overtaken, name, queue(1...1))
    #expect(sequences() == [1, 2])
    // A transaction with writes that stand, of which one was taken back: the reader does not see them.
    cache.undo()
    let meanwhile = cache.beginLoad(name)
    cache.endLoad(meanwhile, name, queue(1...1))
    #expect(sequences() == nil)
    cache.end(isCommitted: true)
    cache.endLoad(cache.beginLoad(name), name, queue(1...2))
    #expect(sequences() == [1, 2])
  }
}
