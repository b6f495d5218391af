import GRDB
import SystemFiles

/// Why a server's data directory cannot be used. Carries system codes, never paths or content.
public enum ServerStorageError: Error, Equatable, Sendable {
  /// There is no server's data in the directory.
  case missing
  /// Another server uses the directory.
  case inUse
  /// The file of keys is gone while the database is there: without it nothing in the database can be found again.
  case keysMissing
  /// The database is gone, or empty, while the file of keys is there: with an empty one, everybody's mailboxes would be gone.
  case databaseMissing
  /// The file of keys has been changed or cut.
  case keysDamaged
  /// The file of the keys that tokens are signed with has been changed or cut.
  case issuerDamaged
  /// The file of keys may be read by others than its owner.
  case keysExposed
  /// The database is not one of this program's, or not a database at all.
  case notADatabase
  /// The database contradicts itself.
  case databaseDamaged
  /// A newer version of this program has written the database.
  case databaseNewer(version: Int)
  /// The database is of an older version, and the server that uses it is, too: it must not be changed under it.
  case serverOlder
  /// The disk, or the database's file, can only be read, or not even that.
  case readOnly
  /// The database does not keep its promise to be on disk when it says so.
  case notDurable
  /// There is something already where something new was to be made.
  case exists
  /// There is no room for more.
  case full
  /// The disk is full.
  case diskFull
  /// There is less room than something takes, in bytes, so that it was not begun.
  case tooLittleRoom(needed: Int, free: Int)
  /// The system refuses; its `errno`.
  case system(errno: Int32)
  /// The database cannot be opened; SQLite's result code.
  case database(code: Int32)
}

extension ServerStorageError {
  /// What the system said of a file.
  init(_ failure: SystemFailure) { self = failure.isFull ? .diskFull : .system(errno: failure.errno) }

  /// What a database threw while it was opened.
  ///
  /// - Parameter disk: where it lies; asked where SQLite does not say that there is no room.
  init(_ error: DatabaseError, on disk: DiskSpace? = nil) {
    if disk?.isFull(error) == true {
      self = .diskFull
      return
    }
    switch error.resultCode {
    case .SQLITE_FULL: self = .diskFull
    case .SQLITE_CANTOPEN: self = .readOnly
    case .SQLITE_NOTADB: self = .notADatabase
    case .SQLITE_CORRUPT: self = .databaseDamaged
    case .SQLITE_READONLY: self = .readOnly
    default: self = .database(code: error.extendedResultCode.rawValue)
    }
  }
}
