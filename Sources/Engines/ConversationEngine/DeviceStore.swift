public import SottoProtocol

/// What a device keeps: records by key, and the history of its conversations.
///
/// The engine declares it and an adapter keeps it on disk. Calls block; one engine is the only caller. What `commit` has returned from survives
/// a crash, and of a transaction everything or nothing is there afterwards.
public protocol DeviceStore: AnyObject {
  /// The record under a key, or nil.
  func record(_ key: RecordKey) throws(DeviceStoreError) -> [UInt8]?
  /// All records of a kind, in the order of their names.
  func records(of kind: RecordKind) throws(DeviceStoreError) -> [(key: RecordKey, value: [UInt8])]
  /// Applies all changes or none; durable on return.
  func commit(_ transaction: DeviceTransaction) throws(DeviceStoreError)
  /// Entries of one conversation's history in the order of their positions.
  ///
  /// - Parameters:
  ///   - after: only positions above this one; nil from the first.
  ///   - limit: at most so many, the oldest of those asked for.
  func history(of conversation: ConversationID, after: UInt64?, limit: Int) throws(DeviceStoreError) -> [(position: UInt64, value: [UInt8])]
}

/// The kinds of records.
public enum RecordKind: UInt8, Sendable, CaseIterable {
  case profile = 1
  case server = 2
  case contact = 3
  case offer = 4
  case groupInvitation = 5
  case conversation = 6
  case groupPublic = 7
  case groupSecret = 8
  case task = 9
  case sentContent = 10
  case heldFrame = 11
  case upload = 12

  /// Whether old values of the record must be unreadable once it was replaced or removed, even to who finds them in freed pages or logs:
  /// such records lie under a key that is itself replaced and destroyed (docs/protocol.md §11).
  public var mustBeErased: Bool {
    switch self {
    case .offer, .conversation, .groupSecret, .task, .heldFrame, .server, .upload: true
    case .profile, .contact, .groupInvitation, .groupPublic, .sentContent: false
    }
  }
}

/// The name of a record.
public struct RecordKey: Hashable, Sendable {
  public var kind: RecordKind
  public var name: [UInt8]

  public init(_ kind: RecordKind, _ name: [UInt8] = []) {
    self.kind = kind
    self.name = name
  }
}

/// Changes that come to be together.
public struct DeviceTransaction: Sendable {
  /// New values; nil removes the record. A key stands here once.
  public var records: [RecordKey: [UInt8]?] = [:]
  /// Entries to add to histories; a position is new or replaces what was there.
  public var history: [(conversation: ConversationID, position: UInt64, value: [UInt8])] = []

  public init() {}

  public var isEmpty: Bool { records.isEmpty && history.isEmpty }
}

/// Why a device's store did not do something.
public enum DeviceStoreError: Error, Equatable, Sendable {
  /// Certainly not applied: disk full, read-only, gone.
  case unavailable
  /// It may have been applied; open the store again to see.
  case outcomeUnknown
  /// What is there cannot be read: another key, or damage.
  case unreadable
}

/// This device's name for a conversation: the MLS group id, which no server learns.
public struct ConversationID: FixedBytes {
  public static let byteCount = 16
  public let bytes: [UInt8]
  public init(trusted bytes: [UInt8]) { self.bytes = bytes }
}
