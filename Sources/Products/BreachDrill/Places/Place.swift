/// Where an intruder looks.
package enum Place: String, CaseIterable, Codable, Sendable {
  case tables
  case databaseFile = "database file"
  case freedPages = "freed pages"
  case writeAheadLog = "write-ahead log"
  case objects = "files people sent"
  case otherFiles = "other files"
  case log
  case memory
  case coreFile = "core file"
  case backup
  case wire = "inside of TLS"

  /// What it is, for who has never thought of it.
  package var explanation: String {
    switch self {
    case .tables: "every value of every row of the database, as SQL gives it"
    case .databaseFile: "every byte of the database's file"
    case .freedPages: "of that file, what belongs to no row any more: free pages, freed blocks, gaps"
    case .writeAheadLog: "changes that SQLite has not moved into the database's file yet, and old ones before their place is used again"
    case .objects: "the sealed files that people sent each other, and their names on disk"
    case .otherFiles: "every other file in the data directory"
    case .log: "everything that the server printed, at its most verbose"
    case .memory: "all memory that the server's process wrote to, read while it stood still"
    case .coreFile: "what the system writes when the process crashes"
    case .backup: "every file of a backup made while the server ran"
    case .wire: "what clients and server said to each other with TLS taken off: what a thief of session keys reads in recorded traffic"
    }
  }

  /// Whether what clients show to the server passes through here on its way.
  package var isPassedThrough: Bool {
    switch self {
    case .memory, .coreFile, .wire: true
    default: false
    }
  }
}
