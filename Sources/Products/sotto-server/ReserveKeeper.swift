import ServerStorage
import Synchronization

/// Keeps the reserve of the disk, and gives it up where something finds no room.
final class ReserveKeeper: Sendable {
  /// Minutes in which it is not made again where the disk's own numbers show room for it and something found none, since a quota is used
  /// up: it would take the room in which people are to delete.
  static let restMinutes = 60

  private let directory: ServerDirectory
  /// Tells the operator that it is given up.
  private let note: @Sendable () -> Void
  private let rest = Mutex(0)

  init(_ directory: ServerDirectory, note: @escaping @Sendable () -> Void) {
    self.directory = directory
    self.note = note
  }

  /// Sees to it at the start, and then every minute.
  func tend() {
    let rests = rest.withLock { rest in
      guard rest > 0 else { return false }
      rest -= 1
      return true
    }
    if !rests, directory.tendReserve() { note() }
  }

  /// Something found no room.
  ///
  /// - Returns: whether the reserve was there to be given up.
  func giveUp() -> Bool {
    guard directory.giveUpReserve() else { return false }
    if directory.showsRoomForReserve { rest.withLock { $0 = Self.restMinutes } }
    note()
    return true
  }

  /// Does what a start needs; where that finds no room, once more without the reserve.
  func givingUp<Value>(_ body: () throws(ServerStorageError) -> Value) throws(ServerStorageError) -> Value {
    do { return try body() } catch {
      guard error == .diskFull, giveUp() else { throw error }
      return try body()
    }
  }
}
