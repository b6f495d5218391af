public import ConversationEngine
public import CryptoSuite
import SottoProtocol
import Synchronization

/// A device's store in a directory of its own, encrypted.
///
/// The file shows how many rows there are and how long they are, rounded up; no name, no value, no conversation. What
/// must be erased lies under a key of its own that is replaced and destroyed (`rotateErasureKey`), since freed pages and
/// logs keep old bytes. One process opens a profile at a time.
public final class EncryptedDeviceStore: DeviceStore, Sendable {
  private struct State: ~Copyable {
    var database: DeviceDatabase
    var seal: RowSeal
    /// Let go of when the store is closed.
    var lock: ProfileLock?
    /// After an outcome that is not known, what is in memory may not be what is on disk.
    var isPoisoned = false
    var hasStaleValues: Bool
  }

  private let paths: ProfilePaths
  private let header: KeyHeader
  private let wrappingKey: Secret
  private let random: any RandomSource
  private let beforeStep: @Sendable () -> Void
  private let state: Mutex<State>

  /// Makes a profile and opens it.
  ///
  /// - Parameters:
  ///   - directory: is made if it is not there; one that holds other things is refused.
  ///   - cost: of a passphrase.
  /// - Throws: `.exists`, `.notEmpty`, `.inUse`, `.unsupported`, `.system`.
  public static func create(
    directory: String, key: DeviceKey, cost: PassphraseCost = .standard, random: any RandomSource = SystemRandom()
  ) throws(ProfileError) -> EncryptedDeviceStore {
    let paths = ProfilePaths(directory: directory)
    try PrivateFile.makeDirectory(directory)
    let names = try PrivateFile.names(in: directory)
    guard !PrivateFile.exists(paths.keys) else { throw .exists }
    // The keys are written first: a database without them is no profile that was just begun.
    guard !PrivateFile.exists(paths.database) else { throw .damaged }
    guard names.allSatisfy(ProfilePaths.isOwn) else { throw .notEmpty }
    try PrivateFile.closeToOthers(directory, mode: 0o700)
    let lock = try ProfileLock(paths.lock)
    guard !PrivateFile.exists(paths.keys) else { throw .exists }
    let salt = random.bytes(DeviceKey.saltByteCount)
    let header: KeyHeader
    switch key {
    case .passphrase: header = .passphrase(cost: cost, salt: salt)
    case .keyFile(_, let path): header = .keyFile(salt: salt, path: Array(path.utf8.prefix(DeviceKey.pathByteLimit)))
    }
    let wrappingKey = try key.wrappingKey(for: header)
    let keys = ProfileKeys.generate(random: random)
    let content = try KeyFileContent(keys, header: header, wrappingKey: wrappingKey, random: random)
    try PrivateFile.replace(paths.keys, with: content.encoded, beforeStep: {})
    return try EncryptedDeviceStore(
      paths: paths, lock: lock, header: header, wrappingKey: wrappingKey, keys: keys, random: random, beforeStep: {})
  }

  /// Opens a profile. A change of the erasure key that was cut off is finished first.
  ///
  /// - Throws: `.missing`, `.inUse`, `.wrongKey`, `.wrongKindOfKey`, `.damaged`, `.unsupported`, `.system`.
  public static func open(
    directory: String, key: DeviceKey, random: any RandomSource = SystemRandom()
  ) throws(ProfileError) -> EncryptedDeviceStore {
    try open(directory: directory, key: key, random: random, beforeStep: {})
  }

  /// - Parameter beforeStep: called before each thing that reaches the disk while the erasure key is replaced.
  package static func open(
    directory: String, key: DeviceKey, random: any RandomSource, beforeStep: @escaping @Sendable () -> Void
  ) throws(ProfileError) -> EncryptedDeviceStore {
    let paths = ProfilePaths(directory: directory)
    try paths.requireProfile()
    let lock = try ProfileLock(paths.lock)
    let content = try KeyFileContent(decoding: PrivateFile.read(paths.keys, limit: KeyFileContent.byteLimit))
    let wrappingKey = try key.wrappingKey(for: content.header)
    let keys = try content.open(wrappingKey: wrappingKey)
    return try EncryptedDeviceStore(
      paths: paths, lock: lock, header: content.header, wrappingKey: wrappingKey, keys: keys, random: random,
      beforeStep: beforeStep)
  }

  /// With what kind of key a profile is to be opened.
  ///
  /// - Throws: `.missing`, `.damaged`, `.unsupported`, `.system`.
  public static func protection(of directory: String) throws(ProfileError) -> ProfileProtection {
    let paths = ProfilePaths(directory: directory)
    try paths.requireProfile()
    switch try KeyFileContent(decoding: PrivateFile.read(paths.keys, limit: KeyFileContent.byteLimit)).header {
    case .passphrase: return .passphrase
    case .keyFile(_, let path): return .keyFile(path: String(decoding: path, as: UTF8.self))
    }
  }

  private init(
    paths: ProfilePaths, lock: consuming ProfileLock, header: KeyHeader, wrappingKey: Secret, keys: ProfileKeys,
    random: any RandomSource, beforeStep: @escaping @Sendable () -> Void
  ) throws(ProfileError) {
    self.paths = paths
    self.header = header
    self.wrappingKey = wrappingKey
    self.random = random
    self.beforeStep = beforeStep
    let database = try DeviceDatabase(path: paths.database, beforeStep: beforeStep)
    let isStale: Bool
    do { isStale = try database.hasStaleValues() } catch { throw .damaged }
    state = Mutex(
      State(
        database: database, seal: RowSeal(keys: keys, random: random), lock: consume lock, hasStaleValues: isStale))
    guard isStale || keys.erasure.count > 1 else { return }
    do { try rotateErasureKey() } catch { throw error == .unreadable ? .damaged : .system(errno: 5) }
  }

  /// Lets go of the profile, after the old values of this session have been made unreadable. Nothing can be read or written
  /// afterwards.
  public func close() {
    if state.withLock({ $0.lock != nil && $0.hasStaleValues && !$0.isPoisoned }) {
      // If it fails, the next opening does it.
      try? rotateErasureKey()
    }
    state.withLock { state in
      guard state.lock != nil else { return }
      state.isPoisoned = true
      state.database.close()
      state.lock = nil
    }
  }

  /// Closes the profile and removes it, beginning with the keys, without which the rest says nothing.
  ///
  /// - Throws: `.system`.
  public func erase() throws(ProfileError) {
    close()
    if PrivateFile.exists(paths.keys) { try PrivateFile.replace(paths.keys, with: [], beforeStep: {}) }
    for name in try PrivateFile.names(in: paths.directory) where ProfilePaths.isOwn(name) {
      try PrivateFile.remove(paths.directory + "/" + name)
    }
  }

  // MARK: - DeviceStore

  public func record(_ key: RecordKey) throws(DeviceStoreError) -> [UInt8]? {
    try value(kind: key.kind.rawValue, name: key.name)
  }

  public func records(of kind: RecordKind) throws(DeviceStoreError) -> [(key: RecordKey, value: [UInt8])] {
    try withState { (state) throws(DeviceStoreError) in
      var records: [(key: RecordKey, value: [UInt8])] = []
      for row in try state.database.rows(ofKind: state.seal.kindTag(kind.rawValue)) {
        let (name, value) = try state.seal.open(row)
        records.append((RecordKey(kind, name), value))
      }
      return records.sorted { $0.key.name.lexicographicallyPrecedes($1.key.name) }
    }
  }

  public func commit(_ transaction: DeviceTransaction) throws(DeviceStoreError) {
    guard !transaction.isEmpty else { return }
    try withState { (state) throws(DeviceStoreError) in
      var changes = DeviceDatabase.Changes()
      for (key, value) in transaction.records {
        let erasable = key.kind.mustBeErased
        if erasable { changes.leavesStaleValues = true }
        if let value {
          changes.written.append(
            try state.seal.seal(kind: key.kind.rawValue, name: key.name, value: value, erasable: erasable))
        } else {
          changes.removed.append(state.seal.name(kind: key.kind.rawValue, name: key.name))
        }
      }
      for entry in transaction.history {
        guard let position = Int64(exactly: entry.position) else { throw .unavailable }
        let tag = state.seal.conversationTag(entry.conversation)
        let sealed = try state.seal.sealHistory(entry.value, tag: tag, position: entry.position)
        changes.history.append((tag, position, sealed))
      }
      try apply(changes, to: &state)
    }
  }

  public func history(
    of conversation: ConversationID, after: UInt64?, limit: Int
  ) throws(DeviceStoreError) -> [(position: UInt64, value: [UInt8])] {
    try withState { (state) throws(DeviceStoreError) in
      var lowest: Int64 = -1
      if let after {
        guard let bound = Int64(exactly: after) else { return [] }
        lowest = bound
      }
      let tag = state.seal.conversationTag(conversation)
      var entries: [(position: UInt64, value: [UInt8])] = []
      for row in try state.database.history(tag: tag, after: lowest, limit: max(0, limit)) {
        guard let position = UInt64(exactly: row.position) else { throw .unreadable }
        entries.append((position, try state.seal.openHistory(row.sealed, tag: tag, position: position)))
      }
      return entries
    }
  }

  // MARK: - Notes

  /// A note of the application, which stands beside the engine's records: how far somebody has read, for example.
  public func note(_ name: String) throws(DeviceStoreError) -> [UInt8]? {
    try value(kind: RowSeal.noteKind, name: Array(name.utf8))
  }

  /// Keeps a note, or removes it.
  public func setNote(_ value: [UInt8]?, named name: String) throws(DeviceStoreError) {
    try withState { (state) throws(DeviceStoreError) in
      var changes = DeviceDatabase.Changes()
      let name = Array(name.utf8)
      if let value {
        changes.written = [try state.seal.seal(kind: RowSeal.noteKind, name: name, value: value, erasable: false)]
      } else {
        changes.removed = [state.seal.name(kind: RowSeal.noteKind, name: name)]
      }
      try apply(changes, to: &state)
    }
  }

  // MARK: - Erasure

  /// Seals all that must be erased again under a new key and destroys the old one: values that were replaced or removed
  /// cannot be read any more, wherever their bytes still lie.
  ///
  /// The file of the keys holds old and new until the database has everything under the new one, so that a crash at any
  /// point loses nothing.
  public func rotateErasureKey() throws(DeviceStoreError) {
    try withState { (state) throws(DeviceStoreError) in
      var keys = state.seal.keys
      do throws(DeviceStoreError) {
        if keys.erasure.count == 1, let old = keys.current {
          guard old.generation < UInt64(Int64.max) else { throw .unreadable }
          keys.erasure.append(
            .init(generation: old.generation + 1, key: Secret(randomByteCount: 32, using: random)))
          try writeKeys(keys)
          state.seal = RowSeal(keys: keys, random: random)
        }
        let seal = state.seal
        try state.database.reseal { (row) throws(DeviceStoreError) in try seal.resealed(row) }
        keys.erasure = Array(keys.erasure.suffix(1))
        try writeKeys(keys)
      } catch {
        // Which keys the file holds is not known: the next opening looks.
        state.isPoisoned = true
        throw error
      }
      state.seal = RowSeal(keys: keys, random: random)
      state.hasStaleValues = false
    }
  }

  private func writeKeys(_ keys: ProfileKeys) throws(DeviceStoreError) {
    do {
      let content = try KeyFileContent(keys, header: header, wrappingKey: wrappingKey, random: random)
      try PrivateFile.replace(paths.keys, with: content.encoded, beforeStep: beforeStep)
    } catch { throw .outcomeUnknown }
  }

  // MARK: -

  /// The values of the pragmas that durability and erasure rest on.
  package func pragmas() throws -> (synchronous: Int?, journalMode: String?, secureDelete: Int?) {
    try state.withLock { try $0.database.pragmas() }
  }

  private func value(kind: UInt8, name: [UInt8]) throws(DeviceStoreError) -> [UInt8]? {
    try withState { (state) throws(DeviceStoreError) in
      guard let row = try state.database.row(named: state.seal.name(kind: kind, name: name)) else { return nil }
      return try state.seal.open(row).value
    }
  }

  private func withState<Value: Sendable>(
    _ body: (inout State) throws(DeviceStoreError) -> Value
  ) throws(DeviceStoreError) -> Value {
    try state.withLock { (state) throws(DeviceStoreError) in
      guard !state.isPoisoned else { throw .unavailable }
      return try body(&state)
    }
  }

  private func apply(_ changes: DeviceDatabase.Changes, to state: inout State) throws(DeviceStoreError) {
    do {
      try state.database.apply(changes)
      if changes.leavesStaleValues { state.hasStaleValues = true }
    } catch {
      if error == .outcomeUnknown { state.isPoisoned = true }
      throw error
    }
  }
}

/// The files of a profile.
struct ProfilePaths: Sendable {
  let directory: String

  /// Wrapped keys, and how they are wrapped.
  var keys: String { directory + "/profile.keys" }
  var database: String { directory + "/profile.db" }
  /// Empty; locked while the profile is open.
  var lock: String { directory + "/profile.lock" }

  static func isOwn(_ name: String) -> Bool { name.hasPrefix("profile.") }

  func requireProfile() throws(ProfileError) {
    guard !PrivateFile.exists(keys) else { return }
    throw PrivateFile.exists(database) ? .damaged : .missing
  }
}
