public import SottoProtocol

/// An object to be made.
public struct NewObject: Hashable, Sendable {
  public var name: StoredName
  /// Bytes that it is to get.
  public var byteCount: UInt64
  /// Days that it is kept once it has them, 1 to 30.
  public var days: UInt8

  public init(name: StoredName, byteCount: UInt64, days: UInt8) {
    self.name = name
    self.byteCount = byteCount
    self.days = days
  }
}

/// What became of an object that was to be made.
public enum ObjectCreation: Hashable, Sendable {
  /// It is there, without bytes, by this call.
  case made
  /// It was there before; this is how far it is.
  case stands(ObjectState)
  /// The store is full.
  case overQuota
}

/// What became of a change to an object.
public enum ObjectOutcome: Hashable, Sendable {
  /// This is how far the object is now.
  case stands(ObjectState)
  /// There is no such object, or it does not take this.
  case refused
  /// The store is full.
  case overQuota
}

/// The storage for objects that the engine needs: sealed files, up to 64 GiB each. Every store passes the same conformance suite.
///
/// What an operation has answered with survives a crash. Operations on different objects run concurrently. An object that is
/// not finished is hidden a day after it last grew, and at the latest `ServerLimits.unfinishedObjectLifeDays` after it was made; a
/// finished one after its days. Both are deleted by `expire`. From its making on an object takes the room of all bytes that were announced.
public protocol ObjectStore: Sendable {
  /// Whether so many bytes more would be taken at this moment.
  func hasRoom(for byteCount: UInt64) async throws(StoreFailure) -> Bool

  /// How far an object is; nil when there is none.
  func state(of name: StoredName, today: Day) async throws(StoreFailure) -> ObjectState?

  /// Makes an object without bytes; one that stands stays as it is.
  func create(_ object: NewObject, today: Day) async throws(StoreFailure) -> ObjectCreation

  /// Writes bytes at an offset, over what is there and beyond. An offset behind the end changes nothing, and the answer says where the end is.
  ///
  /// - Returns: `.refused` for bytes beyond the announced size, and for a finished object.
  func write(
    _ bytes: [UInt8], to name: StoredName, at offset: UInt64, today: Day
  ) async throws(StoreFailure) -> ObjectOutcome

  /// Ends the writing. An object that has not all its bytes stays as it is.
  func finish(_ name: StoredName, today: Day) async throws(StoreFailure) -> ObjectOutcome

  /// Bytes of a finished object, as many of those asked for as there are; nil when there is no such object.
  func read(_ name: StoredName, at offset: UInt64, count: Int, today: Day) async throws(StoreFailure) -> [UInt8]?

  /// Deletes an object, finished or not.
  ///
  /// - Returns: false when there is none.
  func delete(_ name: StoredName, today: Day) async throws(StoreFailure) -> Bool

  /// Deletes what has expired.
  func expire(today: Day) async throws(StoreFailure)
}
