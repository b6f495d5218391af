public import MailboxEngine
public import SottoProtocol
import Synchronization

/// Objects in memory, as a slow obvious twin of the ones on disk.
public final class InMemoryObjectStore: ObjectStore {
  private struct Object {
    var announcedByteCount: UInt64
    var days: UInt8
    var bytes: [UInt8] = []
    var isFinished = false
    var made: Day
    /// The day on which it is hidden and deleted.
    var expires: Day

    var state: ObjectState { ObjectState(byteCount: UInt64(bytes.count), isFinished: isFinished) }
  }

  private let quota: UInt64
  private let objects = Mutex<[StoredName: Object]>([:])

  public init(quota: UInt64 = 1 << 30) { self.quota = quota }

  private func used(_ objects: [StoredName: Object]) -> UInt64 { objects.values.reduce(0) { $0 + $1.announcedByteCount } }

  /// How many objects there are.
  public var count: Int { objects.withLock { $0.count } }

  public func hasRoom(for byteCount: UInt64) async throws(StoreFailure) -> Bool {
    objects.withLock { used($0) + byteCount <= quota }
  }

  public func state(of name: StoredName, today: Day) async throws(StoreFailure) -> ObjectState? {
    objects.withLock { objects in objects[name].flatMap { $0.expires > today ? $0.state : nil } }
  }

  public func create(_ object: NewObject, today: Day) async throws(StoreFailure) -> ObjectCreation {
    objects.withLock { objects in
      if let standing = objects[object.name], standing.expires > today { return .stands(standing.state) }
      guard used(objects) + object.byteCount <= quota else { return .overQuota }
      let made = Object(
        announcedByteCount: object.byteCount, days: object.days, made: today, expires: today.adding(ServerLimits.unfinishedObjectDays))
      objects[object.name] = made
      return .made
    }
  }

  public func write(
    _ bytes: [UInt8], to name: StoredName, at offset: UInt64, today: Day
  ) async throws(StoreFailure) -> ObjectOutcome {
    objects.withLock { objects in
      guard var object = objects[name], object.expires > today, !object.isFinished else { return .refused }
      guard offset <= object.bytes.count else { return .stands(object.state) }
      let before = object.bytes.count
      let end = Int(offset) + bytes.count
      guard UInt64(end) <= object.announcedByteCount else { return .refused }
      object.bytes.replaceSubrange(Int(offset)..<min(end, object.bytes.count), with: bytes)
      if end > before {
        object.expires = min(
          today.adding(ServerLimits.unfinishedObjectDays), object.made.adding(ServerLimits.unfinishedObjectLifeDays))
      }
      objects[name] = object
      return .stands(object.state)
    }
  }

  public func finish(_ name: StoredName, today: Day) async throws(StoreFailure) -> ObjectOutcome {
    objects.withLock { objects in
      guard var object = objects[name], object.expires > today else { return .refused }
      if !object.isFinished, UInt64(object.bytes.count) == object.announcedByteCount {
        object.isFinished = true
        object.expires = today.adding(UInt32(object.days))
        objects[name] = object
      }
      return .stands(object.state)
    }
  }

  public func read(
    _ name: StoredName, at offset: UInt64, count: Int, today: Day
  ) async throws(StoreFailure) -> [UInt8]? {
    objects.withLock { objects in
      guard let object = objects[name], object.expires > today, object.isFinished else { return nil }
      guard offset < object.bytes.count else { return [] }
      return Array(object.bytes[Int(offset)...].prefix(count))
    }
  }

  public func delete(_ name: StoredName, today: Day) async throws(StoreFailure) -> Bool {
    objects.withLock { objects in
      guard let object = objects[name], object.expires > today else { return false }
      objects[name] = nil
      return true
    }
  }

  public func expire(today: Day) async throws(StoreFailure) {
    objects.withLock { objects in objects = objects.filter { $0.value.expires > today } }
  }
}
