public import ConversationEngine

/// Where a device's disk fails, and what it leaves behind.
public struct CrashPlan: Sendable, Hashable {
  /// The write at which it fails, counted from the plan on: a transaction of k changes is k + 1 writes, of which the last
  /// is the commit record.
  public var atWrite: Int
  /// What the caller is told. `.unavailable` is said only of what is certainly not applied.
  public var failure: DeviceStoreError
  /// Whether a commit record that was being written is on disk after all. Makes no difference at other writes.
  public var isDurable: Bool
  /// The disk goes on working after the failure, as one does that was full for a moment.
  public var staysUp: Bool

  public init(
    atWrite: Int, failure: DeviceStoreError = .outcomeUnknown, isDurable: Bool = false, staysUp: Bool = false
  ) {
    precondition(failure != .unavailable || !isDurable, "what is unavailable was certainly not applied")
    self.atWrite = atWrite
    self.failure = failure
    self.isDurable = isDurable
    self.staysUp = staysUp
  }
}

/// A device's store without a disk, which fails when it is told to: the twin of the encrypted one in simulations.
public final class InMemoryDeviceStore: DeviceStore {
  private struct Content {
    var records: [RecordKey: [UInt8]] = [:]
    var histories: [ConversationID: [UInt64: [UInt8]]] = [:]
  }

  private var content = Content()
  private var crashPlan: CrashPlan?
  private var writesSincePlan = 0

  /// Writes ever made: for a crash at each one of a run, run once and count.
  public private(set) var writeCount = 0
  /// The disk has failed and not been opened again: everything throws `.unavailable`.
  public private(set) var isCrashed = false

  public init() {}

  /// Plans the next failure, or none.
  public func plan(_ plan: CrashPlan?) {
    crashPlan = plan
    writesSincePlan = 0
  }

  /// The machine comes up again with what is on its disk.
  public func reopen() {
    isCrashed = false
  }

  /// A second disk with the same content, as a stolen or restored copy has it.
  public func copy() -> InMemoryDeviceStore {
    let copy = InMemoryDeviceStore()
    copy.content = content
    return copy
  }

  public func record(_ key: RecordKey) throws(DeviceStoreError) -> [UInt8]? {
    try requireUp()
    return content.records[key]
  }

  public func records(of kind: RecordKind) throws(DeviceStoreError) -> [(key: RecordKey, value: [UInt8])] {
    try requireUp()
    return content.records
      .filter { $0.key.kind == kind }
      .sorted { $0.key.name.lexicographicallyPrecedes($1.key.name) }
      .map { (key: $0.key, value: $0.value) }
  }

  public func commit(_ transaction: DeviceTransaction) throws(DeviceStoreError) {
    try requireUp()
    guard !transaction.isEmpty else { return }
    var changed = content
    for (key, value) in transaction.records {
      try write()
      changed.records[key] = value
    }
    for entry in transaction.history {
      try write()
      changed.histories[entry.conversation, default: [:]][entry.position] = entry.value
    }
    do {
      try write()
    } catch {
      if crashPlan?.isDurable == true { content = changed }
      throw error
    }
    content = changed
  }

  public func history(
    of conversation: ConversationID, after: UInt64?, limit: Int
  ) throws(DeviceStoreError) -> [(position: UInt64, value: [UInt8])] {
    try requireUp()
    return (content.histories[conversation] ?? [:])
      .filter { entry in after.map { entry.key > $0 } ?? true }
      .sorted { $0.key < $1.key }
      .prefix(max(0, limit))
      .map { (position: $0.key, value: $0.value) }
  }

  private func requireUp() throws(DeviceStoreError) {
    guard !isCrashed else { throw .unavailable }
  }

  /// Counts one write, and fails if it is the planned one.
  private func write() throws(DeviceStoreError) {
    writeCount += 1
    writesSincePlan += 1
    guard let plan = crashPlan, writesSincePlan == plan.atWrite else { return }
    isCrashed = !plan.staysUp
    throw plan.failure
  }
}
